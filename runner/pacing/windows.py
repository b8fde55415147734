"""Windows: so many requests in a time, and a sender's messages a day of its calendar, where a
warm-up (`ramp`) allows more from day to day."""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


FORGET = 1024
"""Permits that have come back and are kept before they are let go of together."""


class SlidingWindow:
    """A sliding window: at most `limit` requests in any `seconds`."""

    def __init__(self, name: str, limit: int, seconds: float) -> None:
        self.name = name
        self.limit = limit
        self.seconds = seconds
        self._out = 0  # requests without an answer yet
        self._back: list[float] = []  # when each answered one's permit comes back, in order
        self._gone = 0  # how many of them, from the first, have

    def used(self, now: float) -> int:
        """Count the requests that may be in the window: without an answer yet, or answered in
        it."""
        back = self._back
        while self._gone < len(back) and back[self._gone] <= now:
            self._gone += 1
        if self._gone > max(FORGET, len(back) // 2):
            del back[: self._gone]
            self._gone = 0
        return self._out + len(back) - self._gone

    def free_at(self, now: float) -> float:
        """Return when the next permit is there; infinity while all are out without an answer."""
        return self.free_within(self.limit, now)

    def free_within(self, limit: int, now: float) -> float:
        """Return the same, were `limit` the window's."""
        short = self.used(now) - limit
        if short < 0:
            return now
        place = self._gone + short
        return self._back[place] if place < len(self._back) else math.inf

    def take(self) -> None:
        """Take a permit that is there."""
        self._out += 1

    def finish(self, at: float) -> None:
        """Note that a request was answered at `at`: its permit comes back a window later."""
        self._out -= 1
        self.add_past(at)

    def cancel(self) -> None:
        """Give a permit back that was not used after all."""
        self._out -= 1

    def add_past(self, answered_at: float) -> None:
        """Count a request of the past, answered at `answered_at` (may be before boot)."""
        # Nearly always the last: answers come in order.
        insort(self._back, answered_at + self.seconds, self._gone)

    def coming_back(self) -> list[float]:
        """Return when the permits of answered requests come back, in order."""
        return self._back[self._gone :]

    def left(self, now: float) -> int:
        """Count the permits that are there now."""
        return max(0, self.limit - self.used(now))
