"""Warm-up: a sender's messages a day of its calendar, more from day to day with a `ramp`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from runner.campaign.senders import Ramp
from runner.pacing.windows import DAY, SlidingWindow

ONE_DAY = timedelta(days=1)

MOST_DAYS = 4
"""Days tried for the next free message: what was sent today hinders the day after tomorrow no
more."""


@dataclass(frozen=True, slots=True)
class DayRule:
    """A campaign's limit on a sender's day: `per_day`, and less while it warms up (`ramp`)."""

    per_day: int | None
    ramp: Ramp | None

    def limit(self, days_before: int) -> int | None:
        """Return the messages allowed on a day before which it has sent on so many others; None for
        any number."""
        if self.ramp is None:
            return self.per_day
        warm = self.ramp.start + self.ramp.step * days_before
        return warm if self.per_day is None else min(warm, self.per_day)


class DayUse(NamedTuple):
    """A sender's day: `per_day`, None without one; the `limit` of that day, which a warm-up may
    lower; how many were sent on it; which of the sender's days it is; its end (boot seconds)."""

    per_day: int | None
    limit: int
    sent: int
    number: int
    ends: float


class Days:
    """A sender's messages per day: no more in a day of its zone's calendar, and no more in any 24
    hours either, so that midnight brings no second day's worth at once."""

    def __init__(self, sender: str, rules: Sequence[DayRule], zone: str) -> None:
        self._sender = sender
        self._rules = rules
        self._zone = ZoneInfo(zone)
        self._any_day = SlidingWindow("", 0, DAY)
        self._counts: Counter[date] = Counter()
        self._sent_on: set[date] = set()
        self._ahead = 0.0
        self._spans: list[_Span] = []  # the last ones asked for
        self._before = (date.min, 0, 0)

    @property
    def warms_up(self) -> bool:
        """Return true where the limit depends on how many days the sender has sent on."""
        return any(rule.ramp is not None for rule in self._rules)

    def set_clock(self, ahead: float) -> None:
        """Set how far Unix time is ahead of boot time, in seconds."""
        self._ahead = ahead
        self._spans.clear()

    def free_at(self, now: float) -> tuple[float, str]:
        """Return when the next message may go, and what it waits for until then."""
        at, binds = now, ""
        # Today's calendar may be used up, what was sent late today still counts tomorrow, and a
        # warm-up allows more tomorrow.
        for _ in range(MOST_DAYS):
            span = self._span(at)
            limit = self._limit(span.day)
            free = span.end
            if self._counts[span.day] < limit:
                free = max(at, self._any_day.free_within(limit, now))
            if free > at:
                binds = binds or self._name(span.day, limit)
            if free < span.end or free == math.inf:
                return free, binds
            at = span.end
        return at, binds

    def take(self, now: float) -> date:
        """Begin a message; return the day that it counts for."""
        day = self._span(now).day
        self._any_day.take()
        self._counts[day] += 1
        return day

    def finish(self, day: date, at: float, *, accepted: bool = True) -> None:
        """Count a message begun on `day` that may have been sent; over midnight it counts for both
        days. Only one that was `accepted` makes it a day of the warm-up."""
        self._any_day.finish(at)
        if accepted:
            self._sent_on.add(day)
        later = self._span(at).day
        if later != day:
            self._counts[later] += 1

    def room(self, now: float) -> tuple[int, float]:
        """Return how many may go at `now`, and until when that is no less but for what is sent."""
        span = self._span(now)
        limit = self._limit(span.day)
        return min(limit - self._counts[span.day], limit - self._any_day.used(now)), span.end

    def today(self, now: float) -> DayUse:
        """Return what the day of `now` allows, and what of that is used."""
        span = self._span(now)
        per_day = [rule.per_day for rule in self._rules if rule.per_day is not None]
        before = sum(each < span.day for each in self._sent_on)
        used = self._counts[span.day]
        return DayUse(min(per_day, default=None), self._limit(span.day), used, before + 1, span.end)

    def add(self, at: float) -> None:
        """Count a message that is begun and accepted in one moment."""
        day = self._span(at).day
        self._any_day.add_past(at)
        self._counts[day] += 1
        self._sent_on.add(day)

    def cancel(self, day: date) -> None:
        """Take back a message begun on `day` that was not sent."""
        self._any_day.cancel()
        self._counts[day] -= 1

    def add_past(self, began: float, at: float) -> None:
        """Count a message of the past, begun and answered then (may be before boot)."""
        self._any_day.add_past(at)
        for day in {self._span(began).day, self._span(at).day}:
            self._counts[day] += 1

    def add_day(self, unix: float) -> None:
        """Note that the sender has sent on the day of `unix`."""
        self._sent_on.add(datetime.fromtimestamp(unix, self._zone).date())

    def _limit(self, day: date) -> int:
        known, of, before = self._before
        if known != day or of != len(self._sent_on):
            before = sum(each < day for each in self._sent_on)
            self._before = day, len(self._sent_on), before
        return min(limit for rule in self._rules if (limit := rule.limit(before)) is not None)

    def _name(self, day: date, limit: int) -> str:
        if any(rule.per_day == limit for rule in self._rules):
            return f"{limit:,} a day of {self._sender}"
        before = sum(each < day for each in self._sent_on)
        return f"warm-up of {self._sender} ({limit:,} on its day {before + 1})"

    def _span(self, at: float) -> _Span:
        for span in self._spans:
            if span.start <= at < span.end:
                return span
        day = datetime.fromtimestamp(at + self._ahead, self._zone).date()
        start = self._midnight(day)
        span = _Span(min(start, at), max(self._midnight(day + ONE_DAY), at + 1.0), day)
        self._spans = [span, *self._spans[:2]]
        return span

    def _midnight(self, day: date) -> float:
        """Return when `day` begins; where clocks skip its midnight, the moment of the skip."""
        return datetime.combine(day, time(), self._zone).timestamp() - self._ahead


class _Span(NamedTuple):
    """A day of the calendar, in boot seconds."""

    start: float
    end: float
    day: date
