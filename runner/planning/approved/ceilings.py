"""Ceilings of a campaign: limits, guard, schedule and pauses that its approved plan holds it to.

Every key of a campaign file is held here, or by the hashes of the plan's messages, or changes
neither who is written to, with what, when, nor how surely once: a test has the list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.campaign.bases.locked import LOCKED_KEYS, LockedKey
from runner.campaign.schedules import Schedule
from runner.campaign.schema import Api, Campaign, Replies, Retry
from runner.schedule import ALWAYS, DAYS, make_week

Ceilings = Mapping[str, Any]
"""By dotted keys of the campaign file; senders and steps by their names. None: no limit."""

IsLooser = Callable[[Any, Any], bool]


def ceilings_of(campaign: Campaign) -> dict[str, Any]:
    """Return the ceilings that a campaign file sets, as JSON has them."""
    found: dict[str, Any] = {}
    for held in _HELD:
        section: Any = campaign
        for part in held.section:
            section = getattr(section, str(part))
        field = held.model.model_fields[held.field]
        default = field.get_default(call_default_factory=True)
        found[_key(held)] = _plain(getattr(section, held.field) if section else default)
    for sender in campaign.senders:
        at = f"senders.{sender.id}"
        found[f"{at}.per_hour"], found[f"{at}.per_day"] = sender.per_hour, sender.per_day
        found[f"{at}.ramp"] = [sender.ramp.start, sender.ramp.step] if sender.ramp else None
        pause = sender.gap
        if pause is None:  # spread over the hour, as `pacing` has it
            pause = 3600 / sender.per_hour if sender.per_hour else 0.0
        found[f"{at}.gap"] = list(pause) if isinstance(pause, tuple) else [pause, pause]
    for step in campaign.steps:
        found[f"steps.{step.name}.after"] = step.after
    found["steps"] = [step.name for step in campaign.steps]
    found["suppress.lists"] = len(campaign.suppress.lists)
    found["schedule"] = _schedule(campaign.schedule)
    return found


def looser_than(approved: Ceilings, now: Ceilings) -> Iterator[str]:
    """Yield the keys that are looser now, those that were not approved at all among them."""
    for key, value in now.items():
        try:
            is_looser = key not in approved or _comparison(key)(approved[key], value)
        except (TypeError, ValueError, KeyError, AttributeError):
            is_looser = True  # what is approved there is nothing that a plan has
        if is_looser:
            yield key


def held_zone(schedule: Any, zone: str) -> str:
    """Return a person's time zone as far as a schedule (see `ceilings_of`) makes it a ceiling:
    empty where it is the schedule's own, or where messages may go at any hour."""
    if not isinstance(schedule, dict) or not (schedule.keys() & {"windows", "skip_holidays"}):
        return ""
    return "" if zone == schedule.get("timezone") else zone


def ceiling_text(value: Any) -> str:
    """Return a ceiling for people."""
    if value is None:
        return "none"
    if isinstance(value, list):
        between = ", " if value and isinstance(value[0], str) else ".."
        return between.join(map(ceiling_text, value)) if value else "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_hours_text(each)}" for key, each in value.items()) or "always"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(held: LockedKey) -> str:
    alias = held.model.model_fields[held.field].alias or held.field
    return ".".join((*map(str, held.section), alias))


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, tuple) else value


def _more(before: Any, now: Any) -> bool:
    return (math.inf if now is None else now) > (math.inf if before is None else before)


def _less(before: Any, now: Any) -> bool:
    return bool(now < before)


def _faster(before: Any, now: Any) -> bool:
    return any(_less(*each) for each in zip(before, now, strict=True))


def _steeper(before: Any, now: Any) -> bool:
    if before is None or now is None:
        return before is not None
    return any(_more(*each) for each in zip(before, now, strict=True))


def _wider(before: Any, now: Any) -> bool:
    """Return whether a schedule lets a message go at a time at which the approved one does not."""
    if before and before["timezone"] != now.get("timezone"):
        return True
    if before.get("start") and not (now.get("start") and now["start"] >= before["start"]):
        return True
    if before.get("skip_holidays") and before["skip_holidays"] != now.get("skip_holidays"):
        return True
    return not _minutes(now) <= _minutes(before)


def _other(before: Any, now: Any) -> bool:
    """Return whether something else is said now; nothing at all is less than anything."""
    return now is not None and now != before


def _reordered(before: Any, now: Any) -> bool:
    """Return whether the names of both stand in another order; new ones are told by their own
    keys."""
    return [each for each in now if each in before] != [each for each in before if each in now]


def _own(section: str, model: type[Any], **keys: IsLooser) -> Iterator[LockedKey]:
    at = (section,) if section else ()
    return (LockedKey(at, model, key, is_looser, "") for key, is_looser in keys.items())


_HELD = (
    *(held for keys in LOCKED_KEYS.values() for held in keys),
    *_own("", Campaign, tag=_other),
    *_own("api", Api, version=_less, gateway=_more),
    *_own("schedule", Schedule, grace=_more),
    *_own("retry", Retry, attempts=_more, settle=_less, key_life=_more, absent=_more),
    *_own("replies", Replies, poll=_more),
)

_COMPARISONS: Mapping[str, IsLooser] = {
    **{_key(held): held.is_looser for held in _HELD},
    "schedule": _wider,
    "steps": _reordered,
    "suppress.lists": _less,
}

_BY_ENDING: Mapping[str, IsLooser] = {
    "per_hour": _more,
    "per_day": _more,
    "ramp": _steeper,
    "gap": _faster,
    "after": _less,
}


def _comparison(key: str) -> IsLooser:
    return _COMPARISONS.get(key) or _BY_ENDING[key.rpartition(".")[2]]


def _schedule(said: Schedule) -> dict[str, Any]:
    """Return a schedule as it is compared; empty for always."""
    found: dict[str, Any] = {}
    if said.start is not None:
        found["start"] = said.start.isoformat(sep=" ")
    if said.windows:
        week = make_week((window.days, *window.span) for window in said.windows)
        found["windows"] = {
            DAYS[day]: [list(span) for span in spans] for day, spans in enumerate(week) if spans
        }
    if said.skip_holidays:
        found["skip_holidays"] = said.skip_holidays
    return {"timezone": said.timezone, **found} if found else {}


def _minutes(schedule: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Return the minutes of the week in which messages may go."""
    always = dict(zip(DAYS, ALWAYS, strict=True))
    week = schedule.get("windows", always)
    return {
        (day, minute) for day, spans in week.items() for span in spans for minute in range(*span)
    }


def _hours_text(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return " ".join(
        f"{day} " + " ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in spans)
        for day, spans in value.items()
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
