"""Capacity: how many messages limits and schedule leave room for, in an hour or in past buckets.

Pure. What other campaigns and programs used of the same limits is not known here, and not taken
off; nor is the time in which no run was there to send.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from runner.pacing.pacer import Pacer, gap_of
from runner.pacing.warm_up import DayRule
from runner.pacing.windows import DAY, HOUR, MINUTE, SlidingWindow
from runner.schedule import Hours, next_close, next_open

if TYPE_CHECKING:
    from runner.campaign.schema import Limits
    from runner.campaign.senders import Sender

Span = tuple[float, float]
"""A span of time, from and to in Unix seconds."""


@dataclass(frozen=True, slots=True)
class SpeedRules:
    """The limits and the schedule of a campaign. `hours`: its schedule, None for always; `zones`:
    of its messages, "" for the schedule's own; `day_zone`: whose midnight ends a sender's day."""

    limits: Limits
    senders: Sequence[Sender]
    hours: Hours | None = None
    zones: Collection[str] = ("",)
    day_zone: str = "UTC"


def capacities(
    rules: SpeedRules, buckets: Sequence[Span], sent: Sequence[Mapping[str, int]]
) -> list[int] | None:
    """Return the most that might have gone in each of these buckets, which follow one another and
    are of one length; `sent`: what each sender did send in it. None where nothing limits them."""
    if not buckets:
        return []
    spans = _open_spans(rules, buckets[0][0], buckets[-1][1])
    total = [sum(each.values()) for each in sent]
    team = [
        (limit, seconds)
        for limit, seconds in (
            (rules.limits.per_minute, MINUTE),
            (rules.limits.per_hour, HOUR),
            (rules.limits.per_day, DAY),
        )
        if limit is not None
    ]
    days = {sender.id: _Days(sender, rules.day_zone) for sender in rules.senders}
    found: list[int] = []
    for number, bucket in enumerate(buckets):
        opened = [(max(b, bucket[0]), min(e, bucket[1])) for b, e in spans]
        opened = [(begin, end) for begin, end in opened if begin < end]
        seconds = sum(end - begin for begin, end in opened)
        most = 0.0
        for sender in rules.senders:
            own = [each.get(sender.id, 0) for each in sent]
            room = days[sender.id].room(opened, buckets, own, number)
            if sender.per_hour is not None:
                room = min(room, _room(sender.per_hour, HOUR, seconds, buckets, own, number))
            if (gap := gap_of(sender)[0]) > 0:
                room = min(room, math.ceil(seconds / gap))
            most += max(0.0, room) if seconds else 0.0
        for limit, window in team:
            most = min(most, _room(limit, window, seconds, buckets, total, number))
        if most == math.inf:
            return None
        found.append(int(max(0.0, most)))
    return found


def _room(
    limit: int,
    window: float,
    seconds: float,
    buckets: Sequence[Span],
    sent: Sequence[int],
    number: int,
) -> float:
    """Return what a sliding window leaves for a bucket that is open for so many seconds."""
    begin, end = buckets[number]
    if end - begin > window:
        return limit * math.ceil(seconds / window)
    used = 0
    for before in range(number - 1, -1, -1):
        if buckets[before][0] < end - window:
            break
        used += sent[before]
    return limit - used


class _Days:
    """A sender's calendar days, and on which of them it has sent."""

    def __init__(self, sender: Sender, zone: str) -> None:
        self._rule = DayRule(sender.per_day, sender.ramp)
        self._zone = ZoneInfo(zone)

    def room(
        self, opened: Sequence[Span], buckets: Sequence[Span], sent: Sequence[int], number: int
    ) -> float:
        """Return what its days leave for a bucket that is open in these spans."""
        if self._rule.per_day is None and self._rule.ramp is None:
            return math.inf
        begin, end = buckets[number]
        before: Counter[date] = Counter()
        for span, count in zip(buckets[:number], sent[:number], strict=True):
            before[self._day(sum(span) / 2)] += count
        if end - begin >= DAY - HOUR:  # a whole day, or several
            middles = [begin + (each + 0.5) * DAY for each in range(round((end - begin) / DAY))]
            half = DAY / 2
            return sum(
                self._limit(self._day(at), before)
                for at in middles
                if any(opens < at + half and closes > at - half for opens, closes in opened)
            )
        day = self._day((begin + end) / 2)
        limit = self._limit(day, before)
        return min(limit - before[day], _room(limit, DAY, 0, buckets, sent, number))

    def _limit(self, day: date, sent: Counter[date]) -> int:
        found = self._rule.limit(sum(count > 0 for each, count in sent.items() if each < day))
        assert found is not None
        return found

    def _day(self, at: float) -> date:
        return datetime.fromtimestamp(at, self._zone).date()


def _open_spans(rules: SpeedRules, first: float, last: float) -> list[Span]:
    """Return when a message to a recipient in any of the zones may go, in order and apart."""
    if rules.hours is None:
        return [(first, last)]
    found: list[Span] = []
    for zone in rules.zones:
        at = first
        while (begin := next_open(rules.hours, zone, at)) < last:
            at = next_close(rules.hours, zone, begin)
            found.append((begin, min(at, last)))
            if at >= last:
                break
    merged: list[Span] = []
    for begin, end in sorted(found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


class SustainedRate(NamedTuple):
    """Messages an hour, infinity for any number, and the limit that makes it so, empty for none."""

    per_hour: float
    by: str


def sustained_rate(pacer: Pacer) -> SustainedRate:
    """Return the most that all senders together may send in an hour by the limits per minute and
    per hour and by their pauses, were the team to ask for nothing else. Limits per day are left
    out: they say when it goes on, not how fast it goes."""
    each = [_of_sender(pacer, sender) for sender in pacer.senders]
    if len(each) == 1:
        together = each[0]
    else:
        total = sum(one.per_hour for one in each)
        together = SustainedRate(total, "the senders' limits" if total < math.inf else "")
    return min([together, *_of_windows(pacer.team)], key=lambda found: found.per_hour)


def _of_sender(pacer: Pacer, sender: str) -> SustainedRate:
    state = pacer.state_of(sender)
    gap = sum(state.gap) / 2
    pause = (
        SustainedRate(HOUR / gap, pacer.gap_name(sender)) if gap else SustainedRate(math.inf, "")
    )
    return min([*_of_windows(state.windows), pause], key=lambda found: round(found.per_hour, 6))


def _of_windows(windows: Iterable[SlidingWindow]) -> list[SustainedRate]:
    return [
        SustainedRate(window.limit * HOUR / window.seconds, window.name)
        for window in windows
        if window.seconds < DAY
    ]
