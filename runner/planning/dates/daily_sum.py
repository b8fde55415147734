"""The sum from a sender's cap to what it still sends today: each limit with what it takes away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runner.campaign.schema import Campaign
from runner.clock import Clock
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.pacing.forecast import sent_until
from runner.planning.dates.eta import (
    Queue,
    Scheduled,
    Stretch,
    hours_of,
    pace_of,
    shares_of,
    zone_of,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the sum: what is added, or what a limit takes away (below zero)."""

    count: int
    what: str


@dataclass(frozen=True, slots=True)
class DailySum:
    """A sender's sum: its lines add up to `left`, the messages that still go today. `zone`: whose
    midnight ends the day."""

    sender: str
    lines: tuple[Line, ...]
    left: int
    zone: str

    def as_json(self) -> dict[str, Any]:
        """Return the public form, whose names stay."""
        lines = [{"count": line.count, "what": line.what} for line in self.lines]
        return {"sender": self.sender, "lines": lines, "left": self.left, "zone": self.zone}


@dataclass(frozen=True, slots=True)
class _Loosened:
    """A campaign without some of its limits."""

    campaign: Campaign
    row: CampaignRow | None


def daily_sums(
    scheduled: Scheduled, queue: Queue, ledger: Ledger | None, clock: Clock
) -> Iterator[DailySum]:
    """Yield the sum of each sender that has messages to send, as if the campaign ran alone and from
    now on."""
    campaign = scheduled.campaign
    zone = zone_of([campaign])
    until = _midnight(clock, zone)
    pacer, now = pace_of([scheduled], ledger, clock), clock.boot()
    counts: dict[str, int] = {}
    ends = until - now + clock.now()
    for each in queue:
        if isinstance(each, Stretch) and each.due is not None and each.due[0] > ends:
            continue  # a follow-up of another day
        counts[each.sender] = counts.get(each.sender, 0) + each.count
    uses = {id: days.today(now) for id in counts if (days := pacer.state_of(id).days) is not None}
    # Each step is played with one more limit than the one before.
    by_days = _loosened(scheduled, sender=True, team=True)
    by_sender = _loosened(scheduled, team=True)
    steps: list[tuple[str, Scheduled, bool]] = [
        ("sent in the 24 hours before", by_days, False),
        ("outside the schedule's hours", by_days, True),
        ("messages an hour, and pauses between two", by_sender, True),
        ("limits of the team", scheduled, True),
    ]
    final = _played(scheduled, queue, ledger, clock, until)
    left: dict[str, int] = {}
    lines: dict[str, list[Line]] = {}
    for id, count in counts.items():
        if (use := uses.get(id)) is None:
            left[id], lines[id] = count, [Line(count, "queued (no limit a day)")]
            continue
        cap = use.limit if use.per_day is None else use.per_day
        what = "a day by the warm-up" if use.per_day is None else "a day (per_day)"
        warm = f"warm-up: {use.limit} on its day {use.number}"
        left[id] = max(0, use.limit - use.sent)
        taken = [Line(use.limit - cap, warm), Line(left[id] - use.limit, "already sent today")]
        lines[id] = [Line(cap, what), *(line for line in taken if line.count)]
    for what, loosened, with_hours in steps:
        more = _enough(queue, left, uses.keys())
        found = _played(loosened, more, ledger, clock, until, with_hours=with_hours)
        _take(lines, left, {id: max(found.get(id, 0), final.get(id, 0)) for id in left}, what)
    follows = any(isinstance(each, Stretch) and (each.then or each.due) for each in queue)
    _take(lines, left, final, f"no more are queued{' or due' if follows else ''}")
    for id in sorted(left):
        yield DailySum(id, tuple(lines[id]), left[id], zone)


def _take(
    lines: Mapping[str, list[Line]], left: dict[str, int], found: Mapping[str, int], what: str
) -> None:
    for id, before in left.items():
        now = min(before, found.get(id, 0))
        if now < before:
            lines[id].append(Line(now - before, what))
            left[id] = now


def _enough(queue: Queue, left: Mapping[str, int], capped: Collection[str]) -> list[Stretch]:
    """Return a queue in the same zones that does not end before a day's limit does."""
    return [
        Stretch(
            each.sender,
            each.zone,
            max(1, left[each.sender]) if each.sender in capped else each.count,
            each.first,
            each.last,
        )
        for each in queue
    ]


def _played(
    scheduled: Scheduled,
    queue: Queue,
    ledger: Ledger | None,
    clock: Clock,
    until: float,
    *,
    with_hours: bool = True,
) -> Mapping[str, int]:
    hours = hours_of(scheduled) if with_hours else None
    shares = shares_of(queue, hours)
    pacer = pace_of([scheduled], ledger, clock)
    return sent_until(pacer, shares, clock.boot(), clock.now(), until)


def _loosened(scheduled: Scheduled, *, sender: bool = False, team: bool = False) -> _Loosened:
    campaign, changes = scheduled.campaign, dict[str, Any]()
    if sender:
        free = {"per_hour": None, "gap": 0.0}
        changes["senders"] = tuple(each.model_copy(update=free) for each in campaign.senders)
    if team:
        none = dict.fromkeys(("per_minute", "per_hour", "per_day"))
        changes["limits"] = campaign.limits.model_copy(update=none)
    return _Loosened(campaign.model_copy(update=changes), scheduled.row)


def _midnight(clock: Clock, zone: str) -> float:
    """Return when the day ends in `zone`, in boot seconds."""
    now = clock.now()
    tomorrow = datetime.fromtimestamp(now, ZoneInfo(zone)).date() + timedelta(days=1)
    ends = datetime.combine(tomorrow, time(), ZoneInfo(zone)).timestamp()
    return clock.boot() + ends - now - 0.001
