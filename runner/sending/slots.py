"""Send slots: at most so many sends at once, in the order in which they were begun. None goes
before its time."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class SendSlot:
    """Leave to send one message. Nothing else has the slot before it is released."""

    slots: SendSlots
    campaign: int
    _is_released: bool = False

    def release(self) -> None:
        """Let the next send go; do nothing when called again."""
        if not self._is_released:
            self._is_released = True
            self.slots.take_back(self.campaign)


@dataclass(frozen=True, slots=True)
class _Waiter:
    sender: str
    campaign: int
    recipient: str
    slot: asyncio.Future[SendSlot | None]

    def turn_back(self) -> None:
        """End the wait without a slot."""
        if not self.slot.done():
            self.slot.set_result(None)


@dataclass(slots=True)
class SendSlots:
    """A lane's send slots. `free`: those that nothing has; `holds_back`: whether what a sender has
    for a campaign and a recipient must not go after all; `most`: how many sends of a campaign may
    go at once now."""

    free: int
    holds_back: Callable[[str, int, str], bool]
    most: Callable[[int], float]
    _used: Counter[int] = field(default_factory=Counter)  # by campaign
    _line: deque[_Waiter] = field(default_factory=deque)
    _early: list[_Waiter] = field(default_factory=list)  # their time has not come

    async def acquire(
        self, sender: str, campaign: int, recipient: str, seconds: float, early: float = 0.0
    ) -> SendSlot | None:
        """Wait until the message is no longer `early` (seconds), and then for a slot, for `seconds`
        from now at the longest; return None when there was none, or the message must not go after
        all."""
        if self.holds_back(sender, campaign, recipient):
            return None
        loop = asyncio.get_running_loop()
        waiter = _Waiter(sender, campaign, recipient, loop.create_future())
        if early > 0:
            self._early.append(waiter)
            start = loop.call_later(early, self._line_up, waiter)
        elif self._has_room(campaign):
            return self._take(campaign)
        else:
            self._line.append(waiter)
            start = None
        give_up = loop.call_later(seconds, waiter.turn_back)
        try:
            slot = await waiter.slot
        finally:
            give_up.cancel()
            if start is not None:
                start.cancel()
            if waiter in self._early:  # turned back before its time
                self._early.remove(waiter)
        if slot is not None and self.holds_back(sender, campaign, recipient):
            slot.release()
            return None
        return slot

    @property
    def waiting(self) -> int:
        """Return messages that wait for their time or for a slot."""
        return sum(not each.slot.done() for each in (*self._early, *self._line))

    def take_back(self, campaign: int) -> None:
        """Free a slot that a campaign had."""
        self.free += 1
        self._used[campaign] -= 1
        self.hand_out()

    def hand_out(self) -> None:
        """Give the free slots to the messages that have waited longest."""
        kept: list[_Waiter] = []
        while self.free > 0 and self._line:
            first = self._line.popleft()
            if first.slot.done():
                continue
            if self._has_room(first.campaign):
                first.slot.set_result(self._take(first.campaign))
            else:
                kept.append(first)
        self._line.extendleft(reversed(kept))

    def turn_back(self) -> None:
        """End the wait of messages that must not go after all."""
        for each in (*self._early, *self._line):
            if self.holds_back(each.sender, each.campaign, each.recipient):
                each.turn_back()

    def _line_up(self, waiter: _Waiter) -> None:
        """Let a message whose time has come have a slot, after those that wait for one."""
        self._early.remove(waiter)
        self._line.append(waiter)
        self.hand_out()

    def _has_room(self, campaign: int) -> bool:
        return self.free > 0 and self._used[campaign] < self.most(campaign)

    def _take(self, campaign: int) -> SendSlot:
        self.free -= 1
        self._used[campaign] += 1
        return SendSlot(self, campaign)
