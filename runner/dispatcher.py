"""The worker pool: sends what is queued, in plan order within a sender, as fast as is allowed.

No task per waiting message: each worker takes the next one that is due, with its permit.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field

from runner.attempt import Lane, Parcel, attempt
from runner.events import Waiting
from runner.ledger import views
from runner.ledger.views import Due
from runner.message import MessageStatus, message_key
from runner.pacing import Permit

READ_AHEAD = 200
"""Queued messages read from the ledger at a time, per sender."""

LOOK_AGAIN = 1.0
"""Seconds until a sender without due messages is looked at again, while others send."""

TOLD_WAIT = 2.0
"""Waits of more seconds than this are told to whoever watches."""


@dataclass(slots=True)
class Dispatcher:
    """Drives a lane's queue. `left`: how many messages may still be begun, None for all."""

    lane: Lane
    left: int | None = None
    _heads: dict[str, deque[Due]] = field(default_factory=dict)
    _look_again: dict[str, float] = field(default_factory=dict)
    _under_way: set[int] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _told: str = ""

    async def run(self) -> None:
        """Send until nothing is due and nothing can become due, or the lane ends.

        Errors go to `lane.fail`, so that what other workers have under way is still recorded.
        """
        workers = [
            asyncio.create_task(self._work(), name=f"worker-{number}")
            for number in range(self.lane.concurrency)
        ]
        await asyncio.gather(*workers)

    async def _work(self) -> None:
        try:
            while (taken := await self._next()) is not None:
                await self._send(*taken)
        except Exception as error:
            self.lane.fail(error)

    async def _send(self, due: Due, permit: Permit) -> None:
        lane = self.lane
        try:
            settings = lane.campaigns[due.campaign]
            channel = lane.channel_for(settings.version, settings.base_url)
            parcel = Parcel(
                message=due.id,
                campaign=due.campaign,
                recipient=due.recipient,
                sender=due.sender,
                key=message_key(due.campaign_name, due.step, due.recipient, due.generation),
                body=channel.compose(due.sender, due.recipient, due.text),
            )
            done = await attempt(lane, channel, parcel, permit)
            if self.left is not None and (done is None or done.status is MessageStatus.QUEUED):
                self.left += 1  # nobody was written to
        finally:
            self._under_way.discard(due.id)
            lane.in_flight -= 1
            lane.notify()

    async def _next(self) -> tuple[Due, Permit] | None:
        """The next message that may go, as soon as it may; None when there will be none."""
        lane = self.lane
        async with self._turn:
            while not lane.ending and self.left != 0:
                found = self._first_ready()
                if found is None:
                    if not await self._more_may_come():
                        return None
                    continue
                sender, at, binds = found
                now = lane.clock.boot()
                if at > now:
                    if self._is_idle(at - now):
                        lane.drain()
                        break
                    self._tell(at, now, binds)
                    await lane.wait(at)
                    continue
                if lane.room <= 0:
                    await lane.wait()
                    continue
                self._told = ""
                due = self._heads[sender].popleft()
                lane.in_flight += 1
                self._under_way.add(due.id)
                if self.left is not None:
                    self.left -= 1
                return due, lane.pacer.take(sender, now)
            return None

    def _first_ready(self) -> tuple[str, float, str] | None:
        """The sender whose first message may go soonest: (sender, boot seconds, what binds)."""
        lane = self.lane
        now = lane.clock.boot()
        best: tuple[str, float, str] | None = None
        for sender in lane.pacer.senders:
            if sender in lane.stopped_senders or not self._head(sender):
                continue
            ready = lane.pacer.ready(sender, now)
            if best is None or ready.at < best[1]:
                best = (sender, ready.at, ready.binds)
                if ready.at <= now:
                    # Whoever may go now goes; turns are taken so that no sender is favoured.
                    self._rotate(sender)
                    break
        return best

    def _rotate(self, sender: str) -> None:
        state = self.lane.pacer.senders.pop(sender)
        self.lane.pacer.senders[sender] = state

    def _head(self, sender: str) -> bool:
        """Whether this sender has a message that is due, read ahead from the ledger."""
        if self._heads.get(sender):
            return True
        lane = self.lane
        now = lane.clock.boot()
        if self._look_again.get(sender, now) > now:
            return False
        found = lane.ledger.read(
            views.due, lane.campaigns.keys(), sender, lane.clock.now(), READ_AHEAD, lane.only
        )
        self._heads[sender] = deque(due for due in found if due.id not in self._under_way)
        if not self._heads[sender]:
            self._look_again[sender] = now + LOOK_AGAIN
        return bool(self._heads[sender])

    async def _more_may_come(self) -> bool:
        """Wait for what is under way, in doubt, or not due yet; False when there is none."""
        lane = self.lane
        waiting = [
            item
            for item in lane.ledger.read(views.waiting, lane.campaigns.keys(), lane.only)
            if item.sender in lane.pacer.senders and item.sender not in lane.stopped_senders
        ]
        wall, now = lane.clock.now(), lane.clock.boot()
        next_at = min((now + item.next_at - wall for item in waiting), default=math.inf)
        self._look_again.clear()
        if next_at <= now and not lane.in_flight:
            return True
        if not waiting and not lane.in_flight and not lane.settling:
            return False
        if not waiting and not lane.in_flight:
            self._tell(math.inf, now, f"settling {lane.settling} in doubt")
        await lane.wait(max(next_at, now + 0.05) if next_at < math.inf else math.inf)
        return True

    def _is_idle(self, seconds: float) -> bool:
        lane = self.lane
        busy = lane.in_flight or lane.settling
        return lane.idle_after is not None and not busy and seconds > lane.idle_after

    def _tell(self, at: float, now: float, binds: str) -> None:
        if at - now > TOLD_WAIT and binds != self._told:
            self._told = binds
            wall = None if at == math.inf else self.lane.clock.now() + at - now
            self.lane.bus.emit(Waiting(self.lane.clock.now(), wall, binds))
