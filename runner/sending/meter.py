"""The request meter: API requests that are not sends, counted and kept within the team's limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runner.clock import Clock, iso
from runner.errors import RunnerError
from runner.ledger.messages import usage
from runner.pacing.pacer import Pacer, Permit, Spacing
from runner.pacing.shared_quota import QuotaReport
from runner.sending.lane import Lane
from runner.sending.wakeups import SHORTEST_WAIT

LONGEST_START_WAIT = 90.0
"""Seconds that a start waits for leave to ask the API who it is; longer waits are told instead."""


@dataclass(slots=True)
class RequestMeter:
    """A team's meter of every API request that is not a send.

    Before the lane is known (its name comes from the API) requests are only noted in `early`, as
    (started, ended), to be counted as soon as it is. `pacer`: the team's limits as far as they are
    known before the lane is.
    """

    clock: Clock
    lane: Lane | None = None
    spacing: Spacing | None = None
    pacer: Pacer | None = None
    early: list[tuple[float, float]] = field(default_factory=list)

    @asynccontextmanager
    async def gate(self) -> AsyncIterator[Callable[[QuotaReport | None], None]]:
        """Wait until one request may go, and count it; yield a function to tell what its answer
        says of the team's limits."""
        lane = self.lane
        quota: QuotaReport | None = None

        def tell(report: QuotaReport | None) -> None:
            nonlocal quota
            quota = report

        if lane is None:
            permit = await self._early_permit()
            started = self.clock.now()
            try:
                yield tell
            finally:
                self.early.append((started, self.clock.now()))
                if self.pacer is not None and permit is not None:
                    self.pacer.finish(permit, self.clock.boot(), quota=quota)
            return
        if self.spacing is not None:
            await self.spacing.acquire()
        permit = await lane.permit()
        row = {"lane": lane.id, "started_at": lane.clock.now(), "ended_at": None}
        try:
            id = await lane.ledger.commit(usage.count_requests, row)
        except BaseException:
            lane.pacer.cancel(permit)
            raise
        try:
            yield tell
        finally:
            lane.pacer.finish(permit, lane.clock.boot(), quota=quota)
            await lane.ledger.commit(usage.end_requests, (id, lane.clock.now()))
            lane.notify()

    async def _early_permit(self) -> Permit | None:
        """Wait for leave to make one request before the lane is known. Raises RunnerError where
        that takes too long."""
        if self.pacer is None:
            return None
        ready = self.pacer.ready(None, self.clock.boot())
        wait = ready.at - self.clock.boot()
        if wait > LONGEST_START_WAIT:
            raise RunnerError(
                f"{ready.binds} is used up until {iso(self.clock.now() + wait)}",
                "run again then; what was used is remembered over a restart",
            )
        if wait > 0:
            await asyncio.sleep(wait + SHORTEST_WAIT)
        return self.pacer.take(None, self.clock.boot())
