"""The worker pool: sends what is queued, as fast as is allowed. Campaigns that share a sender take
turns; within a campaign and a sender it goes in plan order.

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
"""Queued messages read from the ledger at a time, per sender and campaign."""

LOOK_AGAIN = 1.0
"""Seconds until a sender without due messages is looked at again, while others send."""

TOLD_WAIT = 2.0
"""Waits of more seconds than this are told to whoever watches."""


@dataclass(slots=True)
class Dispatcher:
    """Drives a lane's queue. `left`: how many messages may still be begun, None for all."""

    lane: Lane
    left: int | None = None
    _heads: dict[tuple[str, int], deque[Due]] = field(default_factory=dict)
    _look_again: dict[tuple[str, int], float] = field(default_factory=dict)
    _served: dict[str, list[int]] = field(default_factory=dict)  # whose turn it is, by sender
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
            lane.under_way[due.campaign] -= 1
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
                sender, campaign, at, binds = found
                now = lane.clock.boot()
                if at > now:
                    if self._is_idle(at - now):
                        lane.drain()
                        break
                    self._tell(at, now, binds)
                    await lane.wait(at)
                    continue
                if lane.room(campaign) <= 0:
                    await lane.wait()
                    continue
                self._told = ""
                due = self._heads[sender, campaign].popleft()
                self._take_turns(sender, campaign)
                lane.in_flight += 1
                lane.under_way[campaign] += 1
                self._under_way.add(due.id)
                if self.left is not None:
                    self.left -= 1
                return due, lane.pacer.take(sender, now)
            return None

    def _first_ready(self) -> tuple[str, int, float, str] | None:
        """The sender whose first message may go soonest, and of which campaign: (sender, campaign,
        boot seconds, what binds). One without room only when there is no other."""
        lane = self.lane
        now = lane.clock.boot()
        best: tuple[str, int, float, str] | None = None
        full: tuple[str, int, float, str] | None = None
        for sender in lane.pacer.senders:
            if sender in lane.stopped_senders:
                continue
            campaign = self._whose_turn(sender)
            if campaign is None:
                continue
            ready = lane.pacer.ready(sender, now)
            found = (sender, campaign, ready.at, ready.binds)
            if lane.room(campaign) <= 0:
                full = full or found
            elif best is None or ready.at < best[2]:
                best = found
                if ready.at <= now:
                    # Whoever may go now goes; turns are taken so that no sender is favoured.
                    self._rotate(sender)
                    break
        return best or full

    def _rotate(self, sender: str) -> None:
        state = self.lane.pacer.senders.pop(sender)
        self.lane.pacer.senders[sender] = state

    def _whose_turn(self, sender: str) -> int | None:
        """The campaign that this sender serves next: one that is due, rather one with room."""
        lane = self.lane
        first: int | None = None
        for campaign in self._served.setdefault(sender, list(lane.campaigns)):
            if campaign not in lane.braked and self._head(sender, campaign):
                if lane.room(campaign) > 0:
                    return campaign
                first = campaign if first is None else first
        return first

    def _take_turns(self, sender: str, campaign: int) -> None:
        self._served[sender].remove(campaign)
        self._served[sender].append(campaign)

    def _head(self, sender: str, campaign: int) -> bool:
        """Whether this sender has a message that is due, read ahead from the ledger."""
        head = sender, campaign
        if self._heads.get(head):
            return True
        lane = self.lane
        now = lane.clock.boot()
        if self._look_again.get(head, now) > now:
            return False
        found = lane.ledger.read(
            views.due, [campaign], sender, lane.clock.now(), READ_AHEAD, lane.only
        )
        self._heads[head] = deque(due for due in found if due.id not in self._under_way)
        if not self._heads[head]:
            self._look_again[head] = now + LOOK_AGAIN
        return bool(self._heads[head])

    async def _more_may_come(self) -> bool:
        """Wait for what is under way, in doubt, or not due yet; False when there is none."""
        lane = self.lane
        waiting = [
            item
            for item in lane.ledger.read(views.waiting, lane.moving, lane.only)
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
