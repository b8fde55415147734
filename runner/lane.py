"""Driving a lane: settle what is in doubt, send what is queued, until nothing is due.

A lane is a team's token and all that is sent with it, by one or several campaigns. One owner
drives it at a time: an epoch in the ledger fences every earlier one, and on SQLite a file lock
that dies with its process keeps a second run out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runner.attempt import Lane
from runner.clock import Clock
from runner.dispatcher import Dispatcher
from runner.ledger import history, moves, views
from runner.pacing import DAY, Spacing
from runner.reconcile import Reconciler


@dataclass(slots=True)
class Meter:
    """Counts every API request that is not a send, and lets it through when the team may.

    Before the lane is known (its name comes from the API) requests are only noted, to be counted
    as soon as it is.
    """

    clock: Clock
    lane: Lane | None = None
    spacing: Spacing | None = None
    early: list[tuple[float, float]] = field(default_factory=list)

    @asynccontextmanager
    async def gate(self) -> AsyncIterator[None]:
        """Around one request."""
        lane = self.lane
        if lane is None:
            started = self.clock.now()
            try:
                yield
            finally:
                self.early.append((started, self.clock.now()))
            return
        if self.spacing is not None:
            await self.spacing.acquire()
        permit = await lane.permit(None)
        started = lane.clock.now()
        try:
            yield
        finally:
            lane.pacer.done(permit, lane.clock.boot())
            row = {"lane": lane.id, "started_at": started, "ended_at": lane.clock.now()}
            await lane.ledger.commit(moves.count_requests, row)
            lane.notify()


async def drive_lane(lane: Lane, limit: int | None = None) -> None:
    """Drive a lane that this run owns until nothing is due, `limit` messages are sent, or it ends.

    Raises what stopped it: LedgerError, Fenced, ForeignKeyUse, ChannelError. How it ended
    otherwise stands in the lane: `stopped`, `stopped_senders`, `draining`.
    """
    wall, now = lane.clock.now(), lane.clock.boot()
    lane.ledger.write(moves.orphan, lane.id, wall)
    campaigns = lane.campaigns.keys()
    lane.pacer.restore(
        lane.ledger.read(history.past_requests, lane.id, wall - DAY),
        lane.ledger.read(history.past_sends, list(lane.pacer.senders), wall - DAY),
        now=now,
        wall=wall,
        timeout=lane.timeout,
    )
    lane.settling = len(lane.ledger.read(views.in_doubt, campaigns))
    settling = asyncio.create_task(Reconciler(lane, wall).run(), name="reconcile")
    try:
        await Dispatcher(lane, limit).run()
        lane.dispatched = True
        lane.notify()
        await settling
    finally:
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
    if lane.error is not None:
        raise lane.error
