"""Messages in flight: those begun and not concluded, and doubts still to be settled."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from runner.ledger.messages.usage import Stamped

SLOW_FADES = 0.9
"""The part of a slow answer's time that is left after another, faster one."""


@dataclass(slots=True)
class InFlight:
    """A lane's messages under way, each field with one writer.

    The dispatcher: `count` and `by_campaign`, of messages begun. The attempt: `claimed` (message:
    recipient, perhaps not written yet), `slowest`, the seconds that answers take of late, and
    `stamped`, how acceptances were stamped, by key, as kept. The reconciler: `settling`, the doubts
    that this run will still try to settle (an attempt adds its own until it has counted), and
    `reserved`, the senders whose next message is a repeat. The drive: `is_dispatched`, once nothing
    more of the queue is sent. The poll for replies: `answered`, doubts whose people have answered,
    until the reconciler has seen it, and `hears_at`, when it reads again (boot seconds).
    """

    count: int = 0
    by_campaign: Counter[int] = field(default_factory=Counter)
    claimed: dict[int, str] = field(default_factory=dict)
    slowest: float = math.inf
    stamped: dict[str, Stamped] = field(default_factory=dict)
    settling: int = 0
    reserved: Collection[str] = ()
    is_dispatched: bool = False
    answered: set[int] = field(default_factory=set)
    hears_at: float = math.inf

    def begin(self, campaign: int) -> None:
        """Count a message of a campaign that is taken out of the queue."""
        self.count += 1
        self.by_campaign[campaign] += 1

    def end(self, campaign: int) -> None:
        """Take back the count of a message that was begun."""
        self.count -= 1
        self.by_campaign[campaign] -= 1

    def measure_answer(self, seconds: float) -> None:
        """Remember how long an answer took; a slow one over the next few too."""
        known = 0.0 if self.slowest == math.inf else self.slowest * SLOW_FADES
        self.slowest = max(seconds, known)
