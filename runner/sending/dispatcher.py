"""The worker pool: sends what is queued, as fast as is allowed. Campaigns take turns, whatever
senders they have; within a campaign and a sender it goes in plan order.

No task per waiting message: each worker takes the next one that is due, with its permit.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.events import Waiting
from runner.ledger.messages import decisions, queue
from runner.ledger.messages.queue import Due
from runner.ledger.messages.queue import Waiting as Queued
from runner.message.key import message_key
from runner.message.status import MessageStatus
from runner.pacing.pacer import Permit, Ready
from runner.schedule import Hours, is_open, local_moment, next_close, next_open
from runner.sending.attempt import Parcel, attempt
from runner.sending.lane import Lane

READ_AHEAD = 200
"""Queued messages read from the ledger at a time, per sender and campaign."""

LOOK_AGAIN = 1.0
"""Seconds until a sender without due messages is looked at again, while others send."""

TOLD_WAIT = 2.0
"""Waits of more seconds than this are told to whoever watches."""


READ_AGAIN = 600.0
"""Seconds until a queue of which nothing may go is read again: others may have changed it."""


@dataclass(slots=True)
class Doors:
    """Which zones of the queue may be sent to now; worked out anew when one opens or closes."""

    hours: Mapping[int, Hours]  # of the campaigns with a schedule
    zones: Mapping[int, set[str]]  # in the queue of each
    open: dict[int, frozenset[str]] = field(default_factory=dict)
    _from: float = math.inf
    _until: float = -math.inf

    def look(self, wall: float) -> bool:
        """Whether anything has opened or closed since the last look."""
        if self._from <= wall < self._until:
            return False
        before, changes = self.open, [math.inf]
        self.open = {}
        for campaign, hours in self.hours.items():
            zones = {zone for zone in self.zones[campaign] if is_open(hours, zone, wall)}
            for zone in self.zones[campaign]:
                turn = next_close if zone in zones else next_open
                changes.append(turn(hours, zone, wall))
            self.open[campaign] = frozenset(zones)
        self._from, self._until = wall, min(changes)
        return self.open != before


@dataclass(slots=True)
class Dispatcher:
    """Drives a lane's queue."""

    lane: Lane
    _heads: dict[tuple[str, int], deque[Due]] = field(default_factory=dict)
    _look_again: dict[tuple[str, int], float] = field(default_factory=dict)
    _turns: list[int] = field(default_factory=list)  # campaigns: whose turn it is
    _under_way: set[int] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _doors: Doors = field(default_factory=lambda: Doors({}, {}))
    _starting: set[int] = field(default_factory=set)  # campaigns whose start is to come
    _told: str = ""
    _over: bool = False  # nothing is due and nothing can become due: every worker need not look

    async def run(self) -> None:
        """Send until nothing is due and nothing can become due, or the lane ends.

        Errors go to `lane.fail`, so that what other workers have under way is still recorded.
        """
        self._turns = list(self.lane.campaigns)
        self._find_doors()
        wall = self.lane.clock.now()
        self._starting = {id for id, hours in self._doors.hours.items() if hours.begins > wall}
        workers = [
            asyncio.create_task(self._work(), name=f"worker-{number}")
            for number in range(2 * self.lane.concurrency)  # half of them on the wire
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
            unsent = done is None or done.status in (MessageStatus.QUEUED, MessageStatus.SKIPPED)
            if unsent:
                lane.uncount(due.id)
        finally:
            self._under_way.discard(due.id)
            lane.in_flight -= 1
            lane.under_way[due.campaign] -= 1
            lane.notify()

    async def _next(self) -> tuple[Due, Permit] | None:
        """The next message that may go, as soon as it may; None when there will be none."""
        lane = self.lane
        async with self._turn:
            while not (lane.ending or self._over) and lane.left != 0:
                if not self._look_at_doors():
                    break
                found = self._first_ready()
                if found is None:
                    self._over = not await self._more_may_come()
                    continue
                sender, campaign, at, binds = found
                now = lane.clock.boot()
                if at > now:
                    if self._is_idle(at - now):
                        self._end_idle(at - now)
                        break
                    self._tell(at, now, binds)
                    await lane.wait(at)
                    continue
                if lane.room(campaign) <= 0:
                    await lane.wait()
                    continue
                due = self._heads[sender, campaign].popleft()
                if due.recipient.id in lane.campaigns[campaign].suppressed:
                    self._pass_over(due)
                    continue
                self._told = ""
                self._take_turns(sender, campaign)
                lane.in_flight += 1
                lane.under_way[campaign] += 1
                self._under_way.add(due.id)
                lane.count(due.id)
                return due, lane.pacer.take(sender, now)
            return None

    def _pass_over(self, due: Due) -> None:
        """Take a message out of the queue whose recipient was put on a list of the campaign since
        the plan."""
        listed = self.lane.campaigns[due.campaign].suppressed
        where = listed[due.recipient.id] if isinstance(listed, Mapping) else "its lists"
        self.lane.ledger.write(decisions.skip_listed, due.campaign, {due.recipient.id: where})

    def _look_at_doors(self) -> bool:
        """Let go of what was read ahead when something has opened or closed since. False when it
        opened so late that the lane stops."""
        lane, wall = self.lane, self.lane.clock.now()
        if not self._doors.look(wall):
            return True
        self._heads.clear()
        self._look_again.clear()
        for id in sorted(self._starting):
            if zones := self._doors.open[id]:
                self._starting.discard(id)
                settings, begins = lane.campaigns[id], self._doors.hours[id].begins
                late = min(wall - settings.opens(zone, begins) for zone in zones)
                if late > settings.grace:  # this machine slept: nobody agreed to that
                    lane.stop(
                        f"{settings.name}: its start was missed by more than schedule.grace; "
                        "run again to be asked"
                    )
                    return False
        return True

    def _first_ready(self) -> tuple[str, int, float, str] | None:
        """Who may go soonest: (sender, campaign, boot seconds, what binds). Of those that may go
        now, the campaign and then the sender that have waited longest for their turn. One without
        room only when there is no other."""
        lane = self.lane
        now = lane.clock.boot()
        best: tuple[str, int, float, str] | None = None
        full: tuple[str, int, float, str] | None = None
        ready: dict[str, Ready] = {}
        for campaign in self._turns:
            if campaign in lane.braked:
                continue
            for sender in lane.pacer.senders:
                if sender in lane.stopped_senders or not self._head(sender, campaign):
                    continue
                if sender in lane.reserved:
                    ready[sender] = Ready(math.inf, "what is in doubt goes first")
                elif sender not in ready:
                    ready[sender] = lane.pacer.ready(sender, now)
                found = (sender, campaign, ready[sender].at, ready[sender].binds)
                if lane.room(campaign) <= 0:
                    full = full or found
                    break
                if best is None or found[2] < best[2]:
                    best = found
                    if best[2] <= now:
                        return best
        return best or full

    def _take_turns(self, sender: str, campaign: int) -> None:
        senders = self.lane.pacer.senders
        senders[sender] = senders.pop(sender)
        self._turns.remove(campaign)
        self._turns.append(campaign)

    def _head(self, sender: str, campaign: int) -> bool:
        """Whether this sender has a message that is due, read ahead from the ledger."""
        head = sender, campaign
        if self._heads.get(head):
            return True
        lane = self.lane
        now = lane.clock.boot()
        if self._look_again.get(head, now) > now:
            return False
        zones = self._doors.open.get(campaign)  # None: it has no schedule
        if zones is not None and not zones:
            return False
        wall, but = lane.clock.now(), self._under_way  # some of them are in the queue still
        found = lane.ledger.read(
            queue.due, campaign, sender, wall, READ_AHEAD, lane.only, zones, but
        )
        self._heads[head] = deque(found)
        if not self._heads[head]:
            self._look_again[head] = now + LOOK_AGAIN
        return bool(self._heads[head])

    async def _more_may_come(self) -> bool:
        """Wait for what is under way, in doubt, or not due yet; False when there is none."""
        lane = self.lane
        waiting = [
            item
            for item in lane.ledger.read(queue.waiting, lane.moving, lane.only)
            if item.sender in lane.pacer.senders and item.sender not in lane.stopped_senders
        ]
        wall, now = lane.clock.now(), lane.clock.boot()
        opens = {
            item: lane.campaigns[item.campaign].opens(item.zone, max(item.next_at, wall))
            for item in waiting
        }
        first = min(opens, key=lambda item: opens[item], default=None)
        next_at = math.inf if first is None else now + opens[first] - wall
        self._find_doors()
        if next_at <= now and not lane.in_flight:
            return True
        if next_at == math.inf and not lane.in_flight and not lane.settling:
            if first is not None:
                lane.stop(_never(lane.campaigns[first.campaign].name))
            return False
        if self._is_idle(next_at - now):
            self._end_idle(next_at - now)
            return False
        if not waiting and not lane.in_flight:
            self._tell(math.inf, now, f"settling {lane.settling} in doubt")
        elif first is not None and opens[first] > max(first.next_at, wall):
            self._tell(next_at, now, self._closed(first, opens[first]))
        elif first is not None and first.held:
            self._tell(next_at, now, "the next message is on hold")
        await self._rest(next_at, wall, now)
        return True

    async def _rest(self, next_at: float, wall: float, now: float) -> None:
        """Wait until `next_at` (boot seconds), or a change; the ledger is left alone."""
        lane = self.lane
        until = max(min(next_at, now + READ_AGAIN), now + 0.05) if next_at < math.inf else math.inf
        while not await lane.wait(until):
            # The wall clock may have been set forward meanwhile, to where it is open.
            if lane.clock.boot() >= until or lane.clock.now() - wall >= until - now:
                return

    def _find_doors(self) -> None:
        """Learn which zones are in the queue of the campaigns that have a schedule."""
        lane = self.lane
        self._look_again.clear()
        scheduled = {id: each.hours for id, each in lane.campaigns.items() if each.hours}
        self._doors = Doors(scheduled, {id: lane.ledger.read(queue.zones, id) for id in scheduled})

    def _closed(self, item: Queued, opens: float) -> str:
        hours = self.lane.campaigns[item.campaign].hours
        assert hours is not None
        zone = item.zone or hours.zone
        return f"outside the schedule; opens at {local_moment(opens, zone)} {zone}"

    def _is_idle(self, seconds: float) -> bool:
        lane = self.lane
        busy = lane.in_flight or lane.settling
        return lane.idle_after is not None and not busy and seconds > lane.idle_after

    def _end_idle(self, seconds: float) -> None:
        lane = self.lane
        lane.resumes_at = min(lane.resumes_at, lane.clock.now() + seconds)
        lane.idle = True
        lane.drain()

    def _tell(self, at: float, now: float, binds: str) -> None:
        if at - now > TOLD_WAIT and binds != self._told:
            self._told = binds
            wall = None if at == math.inf else self.lane.clock.now() + at - now
            self.lane.bus.emit(Waiting(self.lane.clock.now(), wall, binds))


def _never(campaign: str) -> str:
    return (
        f"{campaign}: its schedule does not open within two years; see `schedule` in the campaign "
        "file"
    )
