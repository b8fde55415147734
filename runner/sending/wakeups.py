"""Wake-ups: a lane's tasks wait here until something has changed, or until a time."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass, field

from runner.clock import Clock

SHORTEST_WAIT = 0.001
"""Seconds: a timer may fire a hair early, and waiting for less than this would be a busy loop."""

CLOCK_RECHECK = 60.0
"""Seconds after which a waiting task reads the clock again: timers stand still while the machine
sleeps."""


@dataclass(slots=True)
class Wakeups:
    """Two events of a lane: that something which may be due has changed, and that a message may be
    settled. `waiting`: tasks that wait for the first."""

    clock: Clock
    waiting: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _doubted: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Wake the tasks that wait for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def wake_reconciler(self) -> None:
        """Wake the task that waits for something to settle."""
        doubted, self._doubted = self._doubted, asyncio.Event()
        doubted.set()

    async def wait(self, until: float = math.inf) -> bool:
        """Wait for a change, at the longest until `until` (boot seconds); return whether there was
        one."""
        changed = self._changed
        self.waiting += 1
        try:
            await self._wait(changed, until)
        finally:
            self.waiting -= 1
        return changed.is_set()

    async def wait_for_doubt(self, until: float) -> None:
        """Wait for something new to settle, at the longest until `until` (boot seconds)."""
        await self._wait(self._doubted, until)

    async def _wait(self, event: asyncio.Event, until: float) -> None:
        left = max(SHORTEST_WAIT, until - self.clock.boot())
        seconds = None if until == math.inf else min(left, CLOCK_RECHECK)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
