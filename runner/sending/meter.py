"""The request meter: requests that are not sends, within the team's limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runner.clock import Clock, iso
from runner.errors import RunnerError
from runner.ledger.messages import usage
from runner.pacing.pacer import Pacer, Permit, Spacing
from runner.pacing.shared_quota import Told
from runner.sending.lane import SHORTEST_WAIT, Lane

PATIENCE = 90.0
"""Seconds that a start waits for leave to ask the API who it is; longer waits are told instead."""


@dataclass(slots=True)
class Meter:
    """Counts every API request that is not a send, and lets it through when the team may.

    Before the lane is known (its name comes from the API) requests are only noted, to be counted
    as soon as it is.
    """

    clock: Clock
    lane: Lane | None = None
    spacing: Spacing | None = None
    pacer: Pacer | None = None  # the team's limits as far as they are known before the lane is
    early: list[tuple[float, float]] = field(default_factory=list)

    @asynccontextmanager
    async def gate(self) -> AsyncIterator[Callable[[Told | None], None]]:
        """Around one request; gives whom to tell what its answer says of the team's limits."""
        lane = self.lane
        told: Told | None = None

        def hear(quota: Told | None) -> None:
            nonlocal told
            told = quota

        if lane is None:
            permit = await self._early_permit()
            started = self.clock.now()
            try:
                yield hear
            finally:
                self.early.append((started, self.clock.now()))
                if self.pacer is not None and permit is not None:
                    self.pacer.done(permit, self.clock.boot(), told=told)
            return
        if self.spacing is not None:
            await self.spacing.acquire()
        permit = await lane.permit(None)
        row = {"lane": lane.id, "started_at": lane.clock.now(), "ended_at": None}
        try:
            id = await lane.ledger.commit(usage.count_requests, row)
        except BaseException:
            lane.pacer.unused(permit)
            raise
        try:
            yield hear
        finally:
            lane.pacer.done(permit, lane.clock.boot(), told=told)
            await lane.ledger.commit(usage.end_requests, (id, lane.clock.now()))
            lane.notify()

    async def _early_permit(self) -> Permit | None:
        if self.pacer is None:
            return None
        ready = self.pacer.ready(None, self.clock.boot())
        wait = ready.at - self.clock.boot()
        if wait > PATIENCE:
            raise RunnerError(
                f"{ready.binds} is used up until {iso(self.clock.now() + wait)}",
                "run again then; what was used is remembered over a restart",
            )
        if wait > 0:
            await asyncio.sleep(wait + SHORTEST_WAIT)
        return self.pacer.take(None, self.clock.boot())
