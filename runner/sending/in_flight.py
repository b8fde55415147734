"""Messages in flight: those begun and not concluded, and doubts still to be settled."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

SLOW_FADES = 0.9
"""The part of a slow answer's time that is left after another, faster one."""


@dataclass(slots=True)
class MessageLimit:
    """The messages that a run may still begin or repeat (`--limit`); None for all. One that is
    counted may be repeated."""

    left: int | None = None
    _counted: set[int] = field(default_factory=set)

    def allows(self, message: int) -> bool:
        """Return whether a message may be begun or repeated."""
        return self.left != 0 or message in self._counted

    def count(self, message: int) -> None:
        """Count a message that is begun or repeated, once."""
        if self.left is not None and message not in self._counted:
            self.left -= 1
            self._counted.add(message)

    def uncount(self, message: int) -> None:
        """Take a message back that was not written after all."""
        if self.left is not None and message in self._counted:
            self.left += 1
            self._counted.discard(message)


@dataclass(slots=True)
class InFlight:
    """A lane's messages under way, changed by these methods alone. `by_campaign`: of `count`;
    `claimed`: message: recipient, perhaps not written yet; `settling`: doubts that this run will
    still try to settle; `reserved`: senders whose next message is a repeat; `slowest`: seconds that
    answers take of late; `is_dispatched`: the queue is done, and only doubts may go on."""

    count: int = 0
    by_campaign: Counter[int] = field(default_factory=Counter)
    claimed: dict[int, str] = field(default_factory=dict)
    settling: int = 0
    reserved: Collection[str] = ()
    slowest: float = math.inf
    is_dispatched: bool = False

    def begin(self, campaign: int) -> None:
        """Take a message of a campaign out of the queue."""
        self.count += 1
        self.by_campaign[campaign] += 1

    def end(self, campaign: int) -> None:
        """End a message that was begun."""
        self.count -= 1
        self.by_campaign[campaign] -= 1

    def claim(self, message: int, recipient: str) -> None:
        """Remember that a message is claimed for its recipient."""
        self.claimed[message] = recipient

    def conclude(self, message: int) -> None:
        """Forget a claimed message, whose outcome is recorded."""
        self.claimed.pop(message, None)

    def measure_answer(self, seconds: float) -> None:
        """Remember how long an answer took; a slow one over the next few too."""
        known = 0.0 if self.slowest == math.inf else self.slowest * SLOW_FADES
        self.slowest = max(seconds, known)

    def add_doubt(self) -> None:
        """Count a message that has come into doubt, until the reconciler has counted all."""
        self.settling += 1

    def expect(self, doubts: int) -> None:
        """Set the number of doubts that this run will still try to settle."""
        self.settling = doubts

    def reserve(self, senders: Collection[str]) -> None:
        """Keep senders for the repeats that they have to send next."""
        self.reserved = senders

    def end_dispatch(self) -> None:
        """Note that nothing more of the queue is sent."""
        self.is_dispatched = True
