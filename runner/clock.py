"""Clocks, handed in from outside so that tests own time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time.

    `now` is wall time in Unix seconds: for what people read and what outlives the process. `boot`
    is seconds since boot and counts while the machine sleeps: for every deadline and interval
    within a process, since it cannot be set back.
    """

    def now(self) -> float: ...

    def boot(self) -> float: ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.time()

    def boot(self) -> float:
        # macOS has no CLOCK_BOOTTIME; its monotonic_raw sibling also counts through sleep.
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def iso(at: float | None) -> str:
    """Format Unix seconds as ISO 8601 in UTC, to the second; empty for None."""
    return "" if at is None else f"{datetime.fromtimestamp(at, UTC).isoformat()[:19]}Z"
