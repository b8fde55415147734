"""The places on the wire: so many sends at once, in the order in which they were begun."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Place:
    """Leave to put one message on the wire. Nobody else has the place before it is left."""

    wire: Wire
    campaign: int
    _left: bool = False

    def leave(self) -> None:
        """Let the next one go; again does nothing."""
        if not self._left:
            self._left = True
            self.wire.left(self.campaign)


@dataclass(frozen=True, slots=True)
class _Waiting:
    sender: str
    campaign: int
    recipient: str
    place: asyncio.Future[Place | None]

    def turn_back(self) -> None:
        if not self.place.done():
            self.place.set_result(None)


@dataclass(slots=True)
class Wire:
    """`free`: places that nobody has. `holds_back`: whether what a sender has for a campaign and a
    recipient must not go after all. `most`: how many of a campaign may be on the wire at once
    now."""

    free: int
    holds_back: Callable[[str, int, str], bool]
    most: Callable[[int], float]
    _on: Counter[int] = field(default_factory=Counter)  # of each campaign
    _line: deque[_Waiting] = field(default_factory=deque)

    async def enter(
        self, sender: str, campaign: int, recipient: str, seconds: float
    ) -> Place | None:
        """Wait for a place, `seconds` at the longest; None when there was none, or it must not go
        after all."""
        if self.holds_back(sender, campaign, recipient):
            return None
        if self._has_room(campaign):
            return self._take(campaign)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(sender, campaign, recipient, loop.create_future())
        self._line.append(waiting)
        timer = loop.call_later(seconds, waiting.turn_back)
        try:
            place = await waiting.place
        finally:
            timer.cancel()
        if place is not None and self.holds_back(sender, campaign, recipient):
            place.leave()
            return None
        return place

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return sum(not each.place.done() for each in self._line)

    def left(self, campaign: int) -> None:
        """A place is free again."""
        self.free += 1
        self._on[campaign] -= 1
        self.pass_on()

    def pass_on(self) -> None:
        """Give the places that are free to those who have waited longest."""
        kept: list[_Waiting] = []
        while self.free > 0 and self._line:
            first = self._line.popleft()
            if first.place.done():
                continue
            if self._has_room(first.campaign):
                first.place.set_result(self._take(first.campaign))
            else:
                kept.append(first)
        self._line.extendleft(reversed(kept))

    def turn_back(self) -> None:
        """Those who must not go after all need not wait to learn it."""
        for each in self._line:
            if self.holds_back(each.sender, each.campaign, each.recipient):
                each.turn_back()

    def _has_room(self, campaign: int) -> bool:
        return self.free > 0 and self._on[campaign] < self.most(campaign)

    def _take(self, campaign: int) -> Place:
        self.free -= 1
        self._on[campaign] += 1
        return Place(self, campaign)
