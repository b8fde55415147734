"""Pauses: how long a sender, a lane or a message waits after a refusal or a network error."""

from __future__ import annotations

from runner.pacing.windows import DAY, HOUR
from runner.sending.lane import Lane

LONGEST_PAUSE = 60.0
"""Seconds between tries while the network or the API is down; the wait doubles up to it."""

LEAST_PAUSE = 1.0
"""Seconds after a refusal that says to wait for none: a queue is no reason to hammer."""

RATE_LIMIT_PAUSE = 60.0
"""Seconds after a 429 without `Retry-After` (the value of the vendor's example, docs.inboxapp.com
reference/rate-limits)."""

LIMITED_FOR = DAY + HOUR
"""Seconds of nothing but 429 after which each further one uses up a try of its message: longer
than any window of the API, so that it is not the team that is told to wait."""


def limited_in(lane: Lane, message: int, asked: float | None) -> tuple[float, bool]:
    """How long a message that was told 429 stays behind the others, and whether that counts: some
    are told to wait whatever the others are told."""
    now = lane.clock.boot()
    since, times = lane.limited.get(message, (now, 0))
    lane.limited[message] = since, times + 1
    after = hold_of(asked) + pause(times) if times else 0.0
    return after, now - since > LIMITED_FOR


def hold_of(asked: float | None) -> float:
    """Seconds that a 429 holds the team up."""
    return RATE_LIMIT_PAUSE if asked is None else max(asked, LEAST_PAUSE)


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 … `LONGEST_PAUSE`."""
    return min(LONGEST_PAUSE, 2.0 ** max(0, min(failures, 30) - 1))
