"""The locks of a base: what a campaign that extends it may make stricter, and never looser.

`limits` are the team's and every sender's; `guard` all of that section; `suppress` whatever keeps
people from being written to: the lists, which only join, `contact_once_in`, `skip_known`, and how
opt-outs are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from runner.campaign.inputs import SkipKnown, Suppress
from runner.campaign.schema import Campaign, Guard, Limits, Replies
from runner.campaign.senders import Ramp, Sender
from runner.campaign.yaml_document import Document, Loc, dotted
from runner.campaign.yaml_errors import shown
from runner.errors import Problem

IsLooser = Callable[[Any, Any], bool]
"""Returns whether a child's value is looser than its base's."""


class LockedKey(NamedTuple):
    """A key of a section that a lock holds, and what is looser. `instead`: what may be written."""

    section: Loc
    model: type[BaseModel]
    field: str
    is_looser: IsLooser
    instead: str


class _Unread(Exception):
    """A value that is refused as it stands, lock or not."""


def _more(base: Any, child: Any) -> bool:
    return (math.inf if child is None else child) > (math.inf if base is None else base)


def _less(base: Any, child: Any) -> bool:
    return (child or 0) < (base or 0)


def _lacks(base: Any, child: Any) -> bool:
    return not set(base) <= set(child)


def _narrower(base: Any, child: Any) -> bool:
    return bool(base == "everybody" and child == "team")


_LOWER = "write {} or less"
_LONGER = "write {} or more"
_ALL = "write all of {}, and more where you like"
_LIMITS = ("per_minute", "per_hour", "per_day", "concurrency")
_GUARD = ("consecutive_failures", "failure_rate", "in_doubt", "opt_out_rate")
_KNOWN = ("skip_known",)
LOCKED_KEYS: Mapping[str, tuple[LockedKey, ...]] = {
    "limits": tuple(LockedKey(("limits",), Limits, key, _more, _LOWER) for key in _LIMITS),
    "guard": tuple(LockedKey(("guard",), Guard, key, _more, _LOWER) for key in _GUARD),
    "suppress": (
        LockedKey(("suppress",), Suppress, "scope", _narrower, "write {}"),
        LockedKey((), Campaign, "contact_once_in", _less, _LONGER),
        LockedKey(_KNOWN, SkipKnown, "talked_within", _less, _LONGER),
        LockedKey(_KNOWN, SkipKnown, "assigned", _less, "write true"),
        LockedKey(_KNOWN, SkipKnown, "status", _lacks, _ALL),
        LockedKey(_KNOWN, SkipKnown, "tags", _lacks, _ALL),
        LockedKey((), Campaign, "stop_on", _lacks, _ALL),
        LockedKey(("replies",), Replies, "stop", _lacks, _ALL),
        LockedKey(("replies",), Replies, "keep", _less, _LONGER),
    ),
}
"""By the names that `locked` may have."""

_OF_SENDER = ("per_hour", "per_day")


def looser(base: Document, merged: Document) -> list[Problem]:
    """Return what a file says more loosely than its base, where that is locked. `merged`: the file
    merged into all above it, `base`."""
    locked = base.value.get("locked")
    found: list[Problem] = []
    names = enumerate(locked if isinstance(locked, tuple) else ())
    for name, index in {each: index for index, each in names if each in tuple(LOCKED_KEYS)}.items():
        by = f"{_place(base, ('locked', index))} locks {name}"
        for held in LOCKED_KEYS[name]:
            at = held.section
            found += _compared(held, base, at, merged, at, by)
        if name == "limits":
            found += _of_senders(base, merged, by)
    return found


def _compared(
    held: LockedKey, base: Document, base_at: Loc, merged: Document, at: Loc, by: str
) -> Iterator[Problem]:
    key = held.model.model_fields[held.field].alias or held.field
    try:
        now = _read(held, merged, (*at, key))
    except _Unread:
        return  # told as for any campaign
    try:
        before = _read(held, base, (*base_at, key))
    except _Unread:
        what = f"is not understood, and {by}"
        yield Problem(*base.place_of((*base_at, key)), dotted((*base_at, key)), what, "correct it")
        return
    if held.is_looser(before, now):
        allowed = _written(base, (*base_at, key), before)
        yield _problem(base, (*base_at, key), merged, (*at, key), by, allowed, now, held.instead)


def _problem(
    base: Document,
    base_at: Loc,
    merged: Document,
    at: Loc,
    by: str,
    allowed: str,
    now: Any,
    instead: str,
) -> Problem:
    of = f"of {_place(base, base_at)}" if base_at in base.lines else "by default"
    what = f"{_written(merged, at, now)} is looser than {allowed} {of}, and {by}"
    advice = f"{instead.format(allowed)}, or take it out"
    return Problem(*merged.place_of(at), dotted(at), what, advice)


def _of_senders(base: Document, merged: Document, by: str) -> Iterator[Problem]:
    """Compare senders by their ids; one that is new is compared with the defaults."""
    senders = _senders(base)
    for id, index in _senders(merged).items():
        at: Loc = ("senders", index)
        base_at: Loc = ("senders", senders.get(id, -1))
        for key in _OF_SENDER:
            held = LockedKey(at, Sender, key, _more, _LOWER)
            yield from _compared(held, base, base_at, merged, at, by)
        for key in Ramp.model_fields:
            held = LockedKey(at, Ramp, key, _more, _LOWER)
            yield from _compared(held, base, (*base_at, "ramp"), merged, (*at, "ramp"), by)
        if "gap" not in _at(merged.value, at):
            continue  # spread over the hour, as per_hour has it
        try:
            now, before = _gap(merged, at), _gap(base, base_at)
        except _Unread:
            continue  # of the base: the keys that it is made of are told
        if now[0] < before[0] or now[1] < before[1]:
            allowed = "..".join(dict.fromkeys(f"{each:.5g}s" for each in before))
            there, here = (*base_at, "gap"), (*at, "gap")
            yield _problem(base, there, merged, here, by, allowed, now, "write {} or longer")


def _senders(document: Document) -> dict[str, int]:
    found: dict[str, int] = {}
    senders = document.value.get("senders")
    for index, each in enumerate(senders if isinstance(senders, tuple) else ()):
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            found.setdefault(each["id"], index)
    return found


def _gap(document: Document, at: Loc) -> tuple[float, float]:
    """Return the shortest and longest pause, as `pacing` has it: by default spread over the
    hour."""
    gap = _read(LockedKey(at, Sender, "gap", _less, ""), document, (*at, "gap"))
    per_hour = _read(LockedKey(at, Sender, "per_hour", _more, ""), document, (*at, "per_hour"))
    if isinstance(gap, tuple):
        return gap
    pause = gap if gap is not None else 3600 / per_hour if per_hour else 0.0
    return pause, pause


def _read(held: LockedKey, document: Document, loc: Loc) -> Any:
    """Return a key's value, its default where nothing is written; None for one without default."""
    field = held.model.model_fields[held.field]
    try:
        value = _at(document.value, loc)
    except KeyError:
        return None if field.is_required() else field.get_default(call_default_factory=True)
    try:
        kind: Any = Annotated[field.annotation, *field.metadata, held.field]
        return TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        raise _Unread from None


def _at(value: Any, loc: Loc) -> Any:
    """Return what stands at a place. Raises KeyError for nothing."""
    for part in loc:
        value = dict(enumerate(value)) if isinstance(value, tuple) else value
        if not isinstance(value, dict):
            raise KeyError(part)
        value = value[part]
    return value


def _written(document: Document, loc: Loc, value: Any) -> str:
    """Return a value as it is written, or its default as one would write it."""
    if loc in document.scalars:
        return shown(document.scalars[loc][0]) or "nothing"
    if isinstance(value, tuple):
        if value and isinstance(value[0], float):
            return "..".join(dict.fromkeys(f"{each:.5g}s" for each in value))
        return f"[{shown(', '.join(value), 200)}]"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value >= 86400:
        return f"{value / 86400:.5g}d"
    return f"{value:.5g}"


def _place(document: Document, loc: Loc) -> str:
    file, line = document.place_of(loc)
    return f"{file}:{line}"
