"""The dispatcher: begins what is queued, message after message, as fast as is allowed. Campaigns
take turns, whatever senders they have; within a campaign and a sender it goes in plan order.

No task per waiting message: one is made when the message is due and has its permit, and sends it.
The dispatcher ends when nothing is due and nothing can become due; the idle end (`--until-idle`,
workers): rather than wait longer than `Lane.idle_after`, the lane is drained.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runner.events import Waiting
from runner.ledger.messages import decisions, queue
from runner.ledger.messages.queue import QueuedMessage, SenderQueue
from runner.message.key import message_key
from runner.message.status import MessageStatus
from runner.pacing.pacer import Permit, Ready
from runner.schedule import Hours, is_open, local_moment, next_close, next_open
from runner.sending.attempt import attempt
from runner.sending.controls.idle_end import end_if_idle
from runner.sending.inbox.follow_up_check import leave_by, thread_to_follow
from runner.sending.lane import Lane

READ_AHEAD = 200
"""Queued messages read from the ledger at a time, per sender and campaign."""

EMPTY_HEAD_RECHECK = 1.0
"""Seconds until the queue of a sender without due messages is read again, while others send."""

QUEUE_RECHECK = 600.0
"""Seconds until a queue of which nothing may go is read again: others may have changed it."""

SHORTEST_REST = 0.05
"""Seconds that a queue of which nothing may go is left alone at least."""

TOLD_WAIT = 2.0
"""Seconds of a wait from which on an event tells of it."""


@dataclass(slots=True)
class OpenZones:
    """The zones of the queue that may be sent to now, by campaign; computed when one opens or
    closes, `until` then (Unix seconds). `hours`: of the campaigns with a schedule; `zones`: in the
    queue of each."""

    hours: Mapping[int, Hours]
    zones: Mapping[int, set[str]]
    open: dict[int, frozenset[str]] = field(default_factory=dict)
    _from: float = math.inf
    until: float = -math.inf

    def update(self, wall: float) -> bool:
        """Return whether a zone has opened or closed since the last call (`wall`: Unix seconds)."""
        if self._from <= wall < self.until:
            return False
        before, changes = self.open, [math.inf]
        self.open = {}
        for campaign, hours in self.hours.items():
            zones = {zone for zone in self.zones[campaign] if is_open(hours, zone, wall)}
            for zone in self.zones[campaign]:
                next_change = next_close if zone in zones else next_open
                changes.append(next_change(hours, zone, wall))
            self.open[campaign] = frozenset(zones)
        self._from, self.until = wall, min(changes)
        return self.open != before


class Head(NamedTuple):
    """A part of the queue: what a sender has of a campaign, first messages or what follows them."""

    sender: str
    campaign: int
    follows: bool = False


class Turn(NamedTuple):
    """A sender's turn to send a message of a campaign. `lead`: the seconds before it may go in
    which it may be begun; `at`: when its limits let it go (boot seconds); `binds`: what it waits
    for until then."""

    head: Head
    lead: float
    at: float
    binds: str


@dataclass(slots=True)
class Dispatcher:
    """A lane's queue. `_heads`: read ahead; `_recheck_at`: of those that had nothing due (boot
    seconds); `_turns`: campaigns, the one that has waited longest first; `_taken`: messages under
    way, some of them in the queue still; `_starting`: campaigns whose start is to come; `_is_over`:
    nothing is due and nothing can become due."""

    lane: Lane
    _heads: dict[Head, deque[QueuedMessage]] = field(default_factory=dict)
    _recheck_at: dict[Head, float] = field(default_factory=dict)
    _turns: list[int] = field(default_factory=list)
    _taken: set[int] = field(default_factory=set)
    _zones: OpenZones = field(default_factory=lambda: OpenZones({}, {}))
    _starting: set[int] = field(default_factory=set)
    _told: str = ""
    _is_over: bool = False

    async def run(self) -> None:
        """Send until nothing is due and nothing can become due, or the lane ends.

        Errors go to `Stops.fail`, so that what else is under way is still recorded.
        """
        self._turns = list(self.lane.campaigns)
        self._read_zones()
        wall = self.lane.clock.now()
        self._starting = {id for id, hours in self._zones.hours.items() if hours.begins > wall}
        async with asyncio.TaskGroup() as sends:
            try:
                while (taken := await self._take_next()) is not None:
                    sends.create_task(self._send(*taken), name=f"send-{taken[0].id}")
                    if self.lane.wakeups.waiting:
                        await asyncio.sleep(0)  # look-ups may have the next permit
            except Exception as error:
                self.lane.stops.fail(error)

    async def _send(self, queued: QueuedMessage, permit: Permit, closes: float) -> None:
        """Send a message, unless a zone opens or closes (`closes`, Unix s) before it is begun."""
        lane = self.lane
        thread, by = "", math.inf
        try:
            if queued.follows:
                thread = await thread_to_follow(lane, queued)
                by = leave_by()
            may_go = thread if queued.follows else await self._may_begin(queued)
            if not may_go or lane.clock.now() >= closes:
                self._give_back(queued, permit)
                return
            channel = lane.channel(queued.campaign)
            key = message_key(
                queued.campaign_name, queued.step, queued.recipient, queued.generation
            )
            body = channel.compose(queued.sender, queued.recipient, queued.text, thread)
            request = lane.request(channel, queued, key, body)
            done = await attempt(lane, channel, request, permit, by)
            if done is None or done.status in (MessageStatus.QUEUED, MessageStatus.SKIPPED):
                lane.limit.uncount(queued.id)
        except Exception as error:
            lane.stops.fail(error)
        finally:
            self._taken.discard(queued.id)
            lane.in_flight.end(queued.campaign)
            lane.notify()

    async def _may_begin(self, queued: QueuedMessage) -> bool:
        """Return whether a first message may go, as far as Inbox knows its recipient."""
        check = self.lane.campaigns[queued.campaign].acquaintances
        return check is None or await check.may_go(self.lane, queued)

    def _give_back(self, queued: QueuedMessage, permit: Permit) -> None:
        """Leave a message as the ledger has it: if it is still queued, it is the next of its
        sender."""
        self.lane.pacer.cancel(permit)
        self.lane.limit.uncount(queued.id)
        head = Head(queued.sender, queued.campaign, queued.follows)
        self._heads.pop(head, None)
        self._recheck_at.pop(head, None)

    async def _take_next(self) -> tuple[QueuedMessage, Permit, float] | None:
        """Return the next message that may go, as soon as it may, and until when its zone is as it
        is now (Unix s); None when there will be none."""
        lane = self.lane
        while not (lane.stops.is_ending or self._is_over):
            if lane.limit.left == 0:
                if not lane.in_flight.count:
                    break
                await lane.wakeups.wait()  # one that comes back does not count
                continue
            if not self._update_zones():
                break
            found = self._first_ready()
            if found is None:
                self._is_over = not await self._wait_for_more()
                continue
            now = lane.clock.boot()
            begins_at = found.at - found.lead
            if begins_at > now:
                if end_if_idle(lane, begins_at - now):
                    break
                if found.at < math.inf or not lane.in_flight.count:
                    self._tell_wait(found.at, now, found.binds)
                await lane.wakeups.wait(begins_at)
                continue
            if lane.room(found.head.campaign) <= 0:
                await lane.wakeups.wait()
                continue
            queued = self._heads[found.head].popleft()
            if queued.recipient.id in lane.campaigns[queued.campaign].suppressed:
                self._skip_listed(queued)
                continue
            self._begin(queued)
            permit = lane.pacer.take(queued.sender, now, max(now, found.at))
            return queued, permit, self._zones.until
        return None

    def _lead(self, sender: str, campaign: int) -> float:
        """Return the seconds before a message may go in which it may be begun: none when its zone
        could close meanwhile."""
        lead = self.lane.lead(sender, campaign)
        return lead if self.lane.clock.now() + lead < self._zones.until else 0.0

    def _begin(self, queued: QueuedMessage) -> None:
        """Count a message as begun; other campaigns and senders have their turn next."""
        self._told = ""
        self._move_to_back(queued.sender, queued.campaign)
        self._taken.add(queued.id)
        self.lane.in_flight.begin(queued.campaign)
        self.lane.limit.count(queued.id)

    def _skip_listed(self, queued: QueuedMessage) -> None:
        """Take a message out of the queue whose recipient was put on a list of the campaign since
        the plan."""
        listed = self.lane.campaigns[queued.campaign].suppressed
        where = listed[queued.recipient.id] if isinstance(listed, Mapping) else "its lists"
        self.lane.ledger.write(decisions.skip_listed, queued.campaign, {queued.recipient.id: where})

    def _update_zones(self) -> bool:
        """Let go of what was read ahead when a zone has opened or closed since. Return False when
        one opened so late that the lane stops."""
        lane, wall = self.lane, self.lane.clock.now()
        if not self._zones.update(wall):
            return True
        self._heads.clear()
        self._recheck_at.clear()
        for id in sorted(self._starting):
            if zones := self._zones.open[id]:
                self._starting.discard(id)
                settings, begins = lane.campaigns[id], self._zones.hours[id].begins
                late = min(wall - settings.opens(zone, begins) for zone in zones)
                if late > settings.grace:  # this machine slept: no one agreed to that
                    lane.stops.stop_lane(
                        f"{settings.name}: its start was missed by more than schedule.grace; "
                        "run again to be asked"
                    )
                    return False
        return True

    def _first_ready(self) -> Turn | None:
        """Return the turn that comes soonest. Of those that may go now, the campaign and then
        the sender that have waited longest for their turn; one without room only when there is no
        other."""
        lane = self.lane
        now = lane.clock.boot()
        best: Turn | None = None
        full: Turn | None = None
        ready: dict[str, Ready] = {}
        for campaign in self._turns:
            if campaign in lane.stops.campaigns:
                continue
            for sender in lane.pacer.senders:
                if sender in lane.stops.senders:
                    continue
                if (head := self._due_head(sender, campaign)) is None:
                    continue
                lead = self._lead(sender, campaign)
                if sender in lane.in_flight.reserved:
                    ready[sender] = Ready(math.inf, "what is in doubt goes first")
                elif sender not in ready:
                    ready[sender] = lane.pacer.ready(sender, now, lead)
                found = Turn(head, lead, *ready[sender])
                if lane.room(campaign) <= 0:
                    full = full or found
                    break
                if best is None or found.at < best.at:
                    best = found
                    if best.at <= now:
                        return best
        return best or full

    def _move_to_back(self, sender: str, campaign: int) -> None:
        """Let the other campaigns, and the other senders, go first the next time."""
        senders = self.lane.pacer.senders
        senders[sender] = senders.pop(sender)
        self._turns.remove(campaign)
        self._turns.append(campaign)

    def _due_head(self, sender: str, campaign: int) -> Head | None:
        """Return what a sender has of a campaign that is due, read ahead: follow-ups before first
        messages."""
        if self.lane.campaigns[campaign].has_steps:
            follow_ups = Head(sender, campaign, follows=True)
            if self._has_due(follow_ups):
                return follow_ups
        first = Head(sender, campaign)
        return first if self._has_due(first) else None

    def _has_due(self, head: Head) -> bool:
        """Return whether something of this part of the queue is due, read ahead."""
        if self._heads.get(head):
            return True
        lane = self.lane
        now = lane.clock.boot()
        if self._recheck_at.get(head, now) > now:
            return False
        zones = self._zones.open.get(head.campaign)  # None: it has no schedule
        if zones is not None and not zones:
            return False
        wall = lane.clock.now()
        found = lane.ledger.read(
            queue.due,
            head.campaign,
            head.sender,
            wall,
            READ_AHEAD,
            lane.only,
            zones,
            self._taken,
            follow_ups=lane.id if head.follows else "",
        )
        self._heads[head] = deque(found)
        if not found:
            self._recheck_at[head] = now + EMPTY_HEAD_RECHECK
        return bool(found)

    async def _wait_for_more(self) -> bool:
        """Wait for what is under way, in doubt, or not due yet; return False when there is none."""
        lane, flight = self.lane, self.lane.in_flight
        waiting = lane.waiting()
        wall, now = lane.clock.now(), lane.clock.boot()
        opens = {
            each: lane.campaigns[each.campaign].opens(each.zone, max(each.next_at, wall))
            for each in waiting
        }
        # Never now: the reading itself has to come between.
        hears_at = wall + max(EMPTY_HEAD_RECHECK, flight.hears_at - now)
        unheard = [each for each in waiting if each.unheard and opens[each] < hears_at]
        opens |= dict.fromkeys(unheard, hears_at)
        first = min(opens, key=lambda each: opens[each], default=None)
        next_at = math.inf if first is None else now + opens[first] - wall
        self._read_zones()
        if next_at <= now and not flight.count:
            return True
        if next_at == math.inf and not flight.count and not flight.settling:
            if first is not None:
                lane.stops.stop_lane(_never_opens(lane.campaigns[first.campaign].name))
            return False
        if end_if_idle(lane, next_at - now):
            return False
        if not waiting and not flight.count:
            self._tell_wait(math.inf, now, f"settling {flight.settling} in doubt")
        elif first in unheard:
            self._tell_wait(next_at, now, "replies are read before the next follow-up")
        elif first is not None and opens[first] > max(first.next_at, wall):
            self._tell_wait(next_at, now, self._closed(first, opens[first]))
        elif first is not None and first.held and not flight.count:
            self._tell_wait(next_at, now, "the next message is on hold")
        await self._rest(next_at, wall, now)
        return True

    async def _rest(self, next_at: float, wall: float, now: float) -> None:
        """Wait until `next_at` (boot seconds), or a change; the ledger is left alone."""
        lane, until = self.lane, math.inf
        if next_at < math.inf:
            recheck = math.inf if lane.undisturbed else QUEUE_RECHECK
            until = max(min(next_at, now + recheck), now + SHORTEST_REST)
        while not await lane.wakeups.wait(until):
            # The wall clock may have been set forward meanwhile, to where it is open.
            if lane.clock.boot() >= until or lane.clock.now() - wall >= until - now:
                return

    def _read_zones(self) -> None:
        """Read which zones are in the queue of the campaigns that have a schedule."""
        lane = self.lane
        self._recheck_at.clear()
        hours = {id: each.hours for id, each in lane.campaigns.items() if each.hours}
        self._zones = OpenZones(hours, {id: lane.ledger.read(queue.zones, id) for id in hours})

    def _closed(self, queue: SenderQueue, opens: float) -> str:
        hours = self.lane.campaigns[queue.campaign].hours
        assert hours is not None
        zone = queue.zone or hours.zone
        return f"outside the schedule; opens at {local_moment(opens, zone)} {zone}"

    def _tell_wait(self, at: float, now: float, binds: str) -> None:
        """Tell of a long wait until `at` (boot seconds, infinity for unknown), once."""
        if at - now > TOLD_WAIT and binds != self._told:
            self._told = binds
            wall = None if at == math.inf else self.lane.clock.now() + at - now
            self.lane.bus.emit(Waiting(self.lane.clock.now(), wall, binds))


def _never_opens(campaign: str) -> str:
    return (
        f"{campaign}: its schedule does not open within two years; see `schedule` in the campaign "
        "file"
    )
