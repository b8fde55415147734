"""A pacer played forward: of every message it is taken that it is answered as it is sent.

The same limits by the same rules, in a fifth of the time: nothing is ever under way.
"""

from __future__ import annotations

import math
from collections import deque

from runner.pacing.pacer import Pacer
from runner.pacing.windows import Days, Window

_Back = deque[float]
"""When permits come back, in order: of a window's last messages, as many as its limit."""


class Ahead:
    """The limits of a team that has nothing under way. `pacer` is used up by it."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._team = [_Played(window) for window in pacer.team]

    def sender(self, id: str) -> SenderAhead:
        """The limits of one sender, the team's included; ask once for each."""
        return SenderAhead(self._pacer, id, self._team)


class _Played:
    """A window whose requests are answered at once."""

    __slots__ = ("back", "limit", "name", "seconds")

    def __init__(self, window: Window) -> None:
        self.name, self.limit, self.seconds = window.name, window.limit, window.seconds
        self.back = _Back(window.coming_back(), maxlen=window.limit)


class SenderAhead:
    """When a sender may send, and what it has sent."""

    def __init__(self, pacer: Pacer, id: str, team: list[_Played]) -> None:
        state = pacer.state_of(id)
        self._windows = [*team, *map(_Played, state.windows)]
        self._holds = [(pacer.held_until, pacer.held_why), (state.held_until, state.held_why)]
        self._next_at = state.next_at
        self._gap = sum(state.gap) / 2
        self._gap_name = pacer.gap_name(id)
        self._days = None if state.days is None else _DaysAhead(state.days)

    def ready(self, now: float) -> tuple[float, str]:
        """When the next message may go from `now` on, and what it waits for until then."""
        at, binds = now, ""
        for until, why in self._holds:
            if until > at:
                at, binds = until, why
        if self._next_at > at:
            at, binds = self._next_at, self._gap_name
        if self._days is not None and not self._days.room(now):
            free, why = self._days.free_at(now)
            if free > at:
                at, binds = free, why
        for window in self._windows:
            back = window.back
            if len(back) == window.limit and (not back or back[0] > at):
                at, binds = back[0] if back else math.inf, window.name
        return at, binds

    def sent(self, at: float) -> None:
        """A message is sent, and answered."""
        for window in self._windows:
            window.back.append(at + window.seconds)
        self._next_at = max(self._next_at, at + self._gap)
        if self._days is not None:
            self._days.sent(at)


class _DaysAhead:
    """A sender's days. While there is room for sure, nothing is counted."""

    def __init__(self, days: Days) -> None:
        self._days = days
        self._room = 0
        self._until = -math.inf

    def room(self, now: float) -> bool:
        """Whether the next message may go at `now` as far as days are concerned."""
        if self._room <= 0 or now >= self._until:
            self._room, self._until = self._days.room(now)
        return self._room > 0

    def free_at(self, now: float) -> tuple[float, str]:
        return self._days.free_at(now)

    def sent(self, at: float) -> None:
        self._room -= 1
        self._days.sent_at_once(at)
