"""A projection: a pacer played forward, as if every message were answered as it is sent.

The same limits by the same rules, in a fifth of the time: nothing is ever under way.
"""

from __future__ import annotations

import math
from collections import deque

from runner.pacing.pacer import Pacer
from runner.pacing.warm_up import Days
from runner.pacing.windows import SlidingWindow

_Back = deque[float]
"""Times when permits come back, in order: of a window's last messages, as many as its limit."""


class Projection:
    """The limits of a team that has nothing under way. `pacer` is used up by it."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._team = [_ProjectedWindow(window) for window in pacer.team]

    def sender(self, id: str) -> SenderProjection:
        """Return the limits of one sender, the team's included; once for each."""
        return SenderProjection(self._pacer, id, self._team)


class _ProjectedWindow:
    """A window whose requests are answered at once."""

    __slots__ = ("back", "limit", "name", "seconds")

    def __init__(self, window: SlidingWindow) -> None:
        self.name, self.limit, self.seconds = window.name, window.limit, window.seconds
        self.back = _Back(window.coming_back(), maxlen=window.limit)


class SenderProjection:
    """A sender's limits, and what it has sent."""

    def __init__(self, pacer: Pacer, id: str, team: list[_ProjectedWindow]) -> None:
        state = pacer.state_of(id)
        self._windows = [*team, *map(_ProjectedWindow, state.windows)]
        self._holds = [(pacer.held_until, pacer.held_why), (state.held_until, state.held_why)]
        self._next_at = state.next_at
        self._gap = sum(state.gap) / 2
        self._gap_name = pacer.gap_name(id)
        self._days = None if state.days is None else _ProjectedDays(state.days)

    def ready(self, now: float) -> tuple[float, str]:
        """Return when the next message may go from `now` on, and what it waits for until then."""
        at, binds = now, ""
        for until, why in self._holds:
            if until > at:
                at, binds = until, why
        if self._next_at > at:
            at, binds = self._next_at, self._gap_name
        if self._days is not None and not self._days.has_room(now):
            free, why = self._days.free_at(now)
            if free > at:
                at, binds = free, why
        for window in self._windows:
            back = window.back
            if len(back) == window.limit and (not back or back[0] > at):
                at, binds = back[0] if back else math.inf, window.name
        return at, binds

    def sent(self, at: float) -> None:
        """Count a message that is sent, and answered."""
        for window in self._windows:
            window.back.append(at + window.seconds)
        self._next_at = max(self._next_at, at + self._gap)
        if self._days is not None:
            self._days.sent(at)


class _ProjectedDays:
    """A sender's days. While there is room for sure, nothing is counted."""

    def __init__(self, days: Days) -> None:
        self._days = days
        self._room = 0
        self._until = -math.inf

    def has_room(self, now: float) -> bool:
        """Return whether the next message may go at `now` as far as days are concerned."""
        if self._room <= 0 or now >= self._until:
            self._room, self._until = self._days.room(now)
        return self._room > 0

    def free_at(self, now: float) -> tuple[float, str]:
        """Return when the next message may go, and what it waits for until then."""
        return self._days.free_at(now)

    def sent(self, at: float) -> None:
        """Count a message that is sent, and answered."""
        self._room -= 1
        self._days.add(at)
