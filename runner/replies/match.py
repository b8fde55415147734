"""The match: the message of ours that an inbound message answers. The thread and the order in time
decide, never names or texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.message.evidence import CLOCK_SLACK


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of ours in a thread. `at`: when its attempt began, by the server's clock (Unix
    seconds), so that nothing that answers it is older."""

    id: int
    at: float


def answered(at: float, ours: Iterable[Ours]) -> Ours | None:
    """Return the newest message of ours in the thread that one from the other side, of that time by
    the server's clock, comes at or after; None for none: then it is no reply."""
    before = [each for each in ours if each.at - CLOCK_SLACK <= at]
    return max(before, key=lambda each: (each.at, each.id), default=None)
