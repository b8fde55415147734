"""Wake-ups: a lane's tasks wait here until something has changed, or until a time."""

from __future__ import annotations

import asyncio
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
    """A lane's tasks that wait until something which may be due has changed, and those that wait
    for a message to settle."""

    clock: Clock
    _changed: set[asyncio.Future[bool]] = field(default_factory=set)
    _doubted: set[asyncio.Future[bool]] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        """Return the tasks that wait for a change, or go on in a moment."""
        return len(self._changed)

    def wake(self) -> None:
        """Wake the tasks that wait for a change."""
        for each in self._changed:
            _end(each, True)

    def wake_reconciler(self) -> None:
        """Wake the task that waits for something to settle."""
        for each in self._doubted:
            _end(each, True)

    async def wait(self, until: float = math.inf) -> bool:
        """Wait for a change, at the longest until `until` (boot seconds); return whether there was
        one."""
        return await self._wait(self._changed, until)

    async def wait_for_doubt(self, until: float) -> None:
        """Wait for something new to settle, at the longest until `until` (boot seconds)."""
        await self._wait(self._doubted, until)

    async def _wait(self, waiting: set[asyncio.Future[bool]], until: float) -> bool:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()
        waiting.add(woken)
        timer = None
        if until < math.inf:
            left = max(SHORTEST_WAIT, until - self.clock.boot())
            timer = loop.call_later(min(left, CLOCK_RECHECK), _end, woken, False)
        try:
            return await woken
        finally:
            waiting.discard(woken)
            if timer is not None:
                timer.cancel()


def _end(woken: asyncio.Future[bool], by_change: bool) -> None:
    if not woken.done():
        woken.set_result(by_change)
