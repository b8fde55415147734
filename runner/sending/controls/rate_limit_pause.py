"""The pause after a 429."""

from __future__ import annotations

from runner.pacing.windows import DAY, HOUR

LEAST_RATE_LIMIT_DELAY = 1.0
"""Seconds after a 429 that says to wait for none: a queue is no reason to hammer."""

RATE_LIMIT_DELAY = 60.0
"""Seconds after a 429 without `Retry-After` (the value of the vendor's example, docs.inboxapp.com
reference/rate-limits)."""

LIMITED_FOR = DAY + HOUR
"""Seconds of nothing but 429 after which each further one uses up a try of its message: longer
than any window of the API, so that it is not the team that is told to wait."""


def rate_limit_delay(retry_after: float | None) -> float:
    """Return the seconds that a 429 holds the team up. `retry_after`: as it says, None if not."""
    return RATE_LIMIT_DELAY if retry_after is None else max(retry_after, LEAST_RATE_LIMIT_DELAY)
