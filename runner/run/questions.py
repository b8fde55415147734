"""Questions to a team's API beside a lane: within the team's limits, each counted in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runner.campaign.schema import Campaign
from runner.channels.base import Quota, Token
from runner.channels.factory import connect_people
from runner.clock import Clock, iso
from runner.events import EventBus, Notice
from runner.ledger.ledger import Ledger
from runner.ledger.messages import usage
from runner.pacing.pacer import Pacer, Permit, make_pacer
from runner.restored_pacer import restore_pacer
from runner.sending.wakeups import SHORTEST_WAIT

if TYPE_CHECKING:  # aiohttp takes long to load
    from runner.channels.v2.inbox_v2_people import PeopleV2

TOLD_FROM = 10.0
"""Seconds from which on a wait for the team's limits is told."""


class TeamQuestions:
    """The questions of a command that holds a team's lane: they wait for the limits of the
    campaign, with all that was used of them, and are written down before they are asked."""

    def __init__(
        self,
        campaign: Campaign,
        ledger: Ledger,
        lane: str,
        clock: Clock,
        bus: EventBus,
        server_ahead: float,
    ) -> None:
        self._campaign, self._ledger, self._lane = campaign, ledger, lane
        self._clock, self._bus = clock, bus
        self._pacer: Pacer = restore_pacer(
            make_pacer([campaign.limits], []),
            ledger,
            [lane],
            clock,
            timeout=campaign.retry.timeout,
            rehearsal=campaign.rehearsal,
            server=server_ahead + clock.boot(),
        )

    def people(self, token: Token) -> PeopleV2:
        """Return what asks about people. To be closed."""
        return connect_people(
            self._campaign.api.base_url,
            token,
            self._clock,
            timeout=self._campaign.retry.timeout,
            gate=self.gate,
            platform=self._campaign.api.platform,
            measures=self._bus.measures,
        )

    @asynccontextmanager
    async def gate(self) -> AsyncIterator[Callable[[Quota | None], None]]:
        """Wait until one request may go, and count it; yield a function to tell what its answer
        says of the team's limits."""
        permit = await self._permit()
        said: list[Quota | None] = [None]
        row = {"lane": self._lane, "started_at": self._clock.now(), "ended_at": None}
        [id] = self._ledger.write(usage.count_requests, [row])
        try:
            yield lambda quota: said.__setitem__(0, quota)
        finally:
            self._pacer.finish(permit, self._clock.boot(), quota=said[0])
            self._ledger.write(usage.end_requests, [(id, self._clock.now())])

    async def _permit(self) -> Permit:
        told = False
        while True:
            ready = self._pacer.ready(None, self._clock.boot())
            wait = ready.at - self._clock.boot()
            if wait <= 0:
                return self._pacer.take(None, self._clock.boot())
            if wait > TOLD_FROM and not told:
                told = True
                until = iso(self._clock.now() + wait)
                text = f"waiting for {ready.binds} until {until}"
                self._bus.emit(Notice(self._clock.now(), text))
            await asyncio.sleep(wait + SHORTEST_WAIT)
