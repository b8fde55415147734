"""The reconciler: settles messages in doubt, before anything else goes to the same recipients.

A channel that is idempotent is sent the same bytes under the same key again; one that is not is
only looked up. What stays unknown stays in doubt, and a person is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from dataclasses import dataclass, field

from runner.channels.base import Channel, Lookup
from runner.errors import LaneEnding
from runner.events import (
    MessageDeferred,
    MessageFailed,
    MessageInDoubt,
    MessageSent,
    MessageSkipped,
    Waiting,
)
from runner.ledger.doubts import in_doubt, settlements
from runner.ledger.doubts.in_doubt import Doubt
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.messages import usage
from runner.message.absence import evidence_of_lookup
from runner.message.evidence import Evidence, Way, way_to_settle
from runner.message.outcome import Absent, Deferred, Found, InDoubt, LookupResult, Outcome, Unclear
from runner.message.status import MessageStatus
from runner.pacing.windows import DAY
from runner.sending.attempt import attempt
from runner.sending.backoff import backoff_delay
from runner.sending.inbox.follow_up_check import is_unanswered, leave_by
from runner.sending.lane import Lane

MOST_LOOKUPS = 3
"""Look-ups of a message by one run, before it is left to the next run or a person."""

MOST_REPEATS = 12
"""Repeats of a message by one run whose answers prove nothing: about seven minutes with the pauses
between. Those that were not even processed do not count."""

SETTLED_AT_ONCE = 4
"""Messages being settled at a time: as many connections as a channel has beside its sends."""

SETTLED_A_READ = 24
"""Messages settled between two reads of all that is in doubt."""

KEY_OVER = 1.0
"""Seconds after the end of a key's life at which it is surely over."""

BUSY_SENDER_RECHECK = 1.0
"""Seconds until a repeat is tried again whose sender has a request under way."""


@dataclass(slots=True)
class Case:
    """The settling of one doubt in this run; a message that is sent again may be in doubt again,
    which is another. `numbers`: the attempts it is about; `due_at` and `opens_at` (by the
    schedule): boot seconds; `tries` and `missed` (not processed): by whether it was a repeat."""

    numbers: frozenset[int]
    due_at: float
    opens_at: float = -math.inf
    tries: Counter[bool] = field(default_factory=Counter)
    missed: Counter[bool] = field(default_factory=Counter)


@dataclass(slots=True)
class Reconciler:
    """A lane's messages in doubt and their settling, now and as they appear, until nothing is left
    to try. `_cases`: of all that is in doubt now, by message; `_hold_ends`: when the first hold
    that bars a repeat is over (boot seconds); `_answered`: follow-ups in doubt that must not be
    repeated, since their threads have gone on."""

    lane: Lane
    _cases: dict[int, Case] = field(default_factory=dict)
    _told: float = 0.0
    _hold_ends: float = math.inf
    _answered: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Settle until nothing is left to try and dispatch is over. Errors go to `Stops.fail`."""
        lane = self.lane
        try:
            while not lane.stops.is_ending:
                doubts = self._open()
                now = lane.clock.boot()
                later = math.inf if lane.idle_after is None else now + lane.idle_after
                soon = sum(self._cases[each.id].opens_at <= later for each in doubts)
                lane.in_flight.settling = soon
                due = [doubt for doubt in doubts if self._cases[doubt.id].due_at <= now]
                if due:
                    await self._settle_some(due[:SETTLED_A_READ])
                    continue
                lane.notify()
                if not soon and lane.in_flight.is_dispatched:
                    break
                self._tell_wait(doubts)
                due_at = min((self._cases[item.id].due_at for item in doubts), default=math.inf)
                await lane.wakeups.wait_for_doubt(min(due_at, self._hold_ends))
            if lane.idle_after is not None:
                self._resume_later(self._open())
                if self._hold_ends < math.inf:  # then what is in doubt may be repeated
                    lane.stops.put_off(lane.clock.now() + self._hold_ends - lane.clock.boot())
        except ExceptionGroup as group:
            lane.stops.fail(group.exceptions[0])
        except Exception as error:
            lane.stops.fail(error)
        finally:
            lane.in_flight.settling, lane.in_flight.reserved = 0, frozenset()
            lane.notify()

    def _open(self) -> list[Doubt]:
        """Return the doubts that this run has not given up on, each with a case that says when it
        is due."""
        lane = self.lane
        found = lane.ledger.read(in_doubt.in_doubt, list(lane.campaigns))
        self._cases = {doubt.id: self._case_of(doubt) for doubt in found}
        kept = []
        reserved: set[str] = set()
        ends = min((each.held_until for each in found if self._held(each)), default=math.inf)
        self._hold_ends = lane.clock.boot() + ends - lane.clock.now()
        for doubt in found:
            if doubt.campaign in lane.stops.campaigns:
                continue
            case, repeats = self._cases[doubt.id], self._repeats(doubt)
            if repeats and (doubt.sender in lane.stops.senders or not self._may_send(doubt)):
                continue  # a person must see to the sender first, or has asked for others
            if case.tries[repeats] >= (MOST_REPEATS if repeats else MOST_LOOKUPS):
                continue
            closed = self._closed_for(doubt)
            if repeats and closed <= 0.0 and case.due_at <= lane.clock.boot():
                reserved.add(doubt.sender)
                closed = self._paced_for(doubt)
            opens_at = lane.clock.boot() + closed
            if repeats and closed > 0.0 and opens_at > case.due_at:
                case.opens_at = case.due_at = opens_at
            elif case.opens_at <= lane.clock.boot():
                case.opens_at = -math.inf
            kept.append(doubt)
        if reserved != lane.in_flight.reserved:
            lane.in_flight.reserved = reserved
            lane.notify()
        return kept

    def _may_send(self, doubt: Doubt) -> bool:
        """Return whether a repeat is among what this run is to send: it may be the first to
        arrive."""
        only = self.lane.only
        return self.lane.limit.allows(doubt.id) and (not only or doubt.recipient.id in only)

    def _paced_for(self, doubt: Doubt) -> float:
        """Return the seconds until the limits of its sender let a repeat go, as they would a first
        send."""
        now = self.lane.clock.boot()
        at = self.lane.pacer.ready(doubt.sender, now).at
        # Infinity: an answer is waited for.
        return BUSY_SENDER_RECHECK if at == math.inf else at - now

    def _case_of(self, doubt: Doubt) -> Case:
        case = self._cases.get(doubt.id)
        if case is None or case.numbers.isdisjoint(doubt.numbers):
            case = Case(doubt.numbers, self._first_due(doubt))
        case.numbers = doubt.numbers
        if doubt.id in self.lane.in_flight.answered:  # so it has arrived: a look-up will show it
            self.lane.in_flight.answered.discard(doubt.id)
            case.due_at = self.lane.clock.boot()
            case.tries[False] = min(case.tries[False], MOST_LOOKUPS - 1)
        return case

    def _resume_later(self, doubts: list[Doubt]) -> None:
        """Remember when this would have gone on."""
        clock = self.lane.clock
        for doubt in doubts:
            self.lane.stops.put_off(clock.now() + self._cases[doubt.id].due_at - clock.boot())

    def _closed_for(self, doubt: Doubt) -> float:
        """Return the seconds until a repeat may go by the schedule: it may be the first to arrive.
        One whose key is too old before that can be looked up instead, at any time."""
        lane = self.lane
        settings = lane.campaigns[doubt.campaign]
        wall = lane.clock.now()
        left = settings.key_life - max(self._ages(doubt))
        wait = settings.opens(doubt.zone, wall) - wall
        return min(wait, left + KEY_OVER) if left >= 0 else wait

    def _tell_wait(self, doubts: list[Doubt]) -> None:
        """Tell of doubts that all wait for the schedule, once."""
        opening = [self._cases[each.id].opens_at for each in doubts]
        closed = [at for at in opening if at > -math.inf]
        if len(closed) < len(doubts) or not closed or self.lane.in_flight.count:
            return
        clock = self.lane.clock
        opens = clock.now() + min(closed) - clock.boot()
        if abs(opens - self._told) > 1.0:
            self._told = opens
            why = f"outside the schedule; {len(closed)} in doubt"
            self.lane.bus.emit(Waiting(clock.now(), opens, why))

    def _channel(self, doubt: Doubt) -> Channel:
        """Return the channel of the attempt: only there can it be asked about."""
        return self.lane.channel_for(doubt.version, doubt.base_url)

    def _repeats(self, doubt: Doubt) -> bool:
        """Return whether a doubt is settled by the same bytes under the same key once more."""
        way = way_to_settle(
            idempotent=self._channel(doubt).idempotent,
            barred=self._barred(doubt) or self._held(doubt),
            presumed=self._presumed(doubt),
            ages=self._ages(doubt),
            key_life=self.lane.campaigns[doubt.campaign].key_life,
        )
        return way is Way.REPEAT

    def _ages(self, doubt: Doubt) -> tuple[float, float]:
        """Return the seconds since the first attempt by our clock, and by the server's."""
        wall = self.lane.clock.now() - doubt.first_at
        return wall, self._channel(doubt).server_now() - doubt.first_server_at

    def _presumed(self, doubt: Doubt) -> bool:
        """Return whether a run that this ledger does not know may have made attempts of its own."""
        return doubt.presumed or doubt.first_at < self.lane.campaigns[doubt.campaign].accepted_at

    def _barred(self, doubt: Doubt) -> bool:
        """Return whether a doubt is never repeated: the API itself does not know, the recipient
        wants no messages, or the file no longer names the sender."""
        senders = self.lane.campaigns[doubt.campaign].senders
        gone = senders is not None and doubt.sender not in senders
        answered = doubt.id in self._answered
        return doubt.unconfirmed or doubt.foreign or gone or answered or self._unwanted(doubt)

    def _unwanted(self, doubt: Doubt) -> bool:
        """Return whether the recipient has been put on a do-not-contact list, or taken off the
        prospects file: a repeat could be the first message that they get."""
        lists = self.lane.campaigns[doubt.campaign].suppressed
        return doubt.unwanted or doubt.recipient.id in lists

    def _held(self, doubt: Doubt) -> bool:
        """Return whether the recipient is on hold: nothing is repeated until that ends."""
        return doubt.held_until > self.lane.clock.now()

    def _first_due(self, doubt: Doubt) -> float:
        """Return when this run may first settle a doubt (boot seconds)."""
        clock = self.lane.clock
        # Never longer than it was to be, should the clock have been set back meanwhile.
        left = min(doubt.not_before - clock.now(), doubt.not_before - doubt.last_at)
        # From now, when it has surely been given up, and not from a time that can be set.
        settle = 0.0 if self._repeats(doubt) else self.lane.campaigns[doubt.campaign].settle
        return clock.boot() + min(max(left, settle, 0.0), DAY)

    async def _settle_some(self, due: list[Doubt]) -> None:
        turns = asyncio.Semaphore(SETTLED_AT_ONCE)

        async def in_turn(doubt: Doubt) -> None:
            async with turns:
                stops = self.lane.stops
                if not stops.is_ending and doubt.campaign not in stops.campaigns:
                    await self._settle(doubt)

        async with asyncio.TaskGroup() as group:
            for doubt in due:
                group.create_task(in_turn(doubt), name=f"settle-{doubt.id}")

    async def _settle(self, doubt: Doubt) -> None:
        case, repeats = self._cases[doubt.id], self._repeats(doubt)
        told: Outcome | LookupResult | None = None
        with contextlib.suppress(LaneEnding):
            if self.lane.adopt and doubt.foreign:
                await self._write(doubt, Evidence.SAID_SENT, "adopted", "sent by another ledger")
            elif repeats:
                told = await self._repeat(doubt)
            else:
                told = await self._look_up(doubt)
        # What did not reach the API, or was not processed, is no try: it makes the pauses longer.
        unasked = isinstance(told, Unclear) and not told.asked
        missed = unasked or (repeats and (told is None or isinstance(told, Deferred)))
        counted = case.missed if missed else case.tries
        counted[repeats] += 1
        tries = counted[repeats]
        settle = self.lane.campaigns[doubt.campaign].settle
        wait = backoff_delay(tries) if repeats or missed else settle * 2.0 ** (tries - 1)
        if isinstance(told, Deferred | InDoubt | Unclear) and told.after is not None:
            wait = max(wait, told.after)
        case.due_at = self.lane.clock.boot() + wait

    async def _repeat(self, doubt: Doubt, *, by_policy: bool = False) -> Outcome | None:
        """Send again under the same key; return the outcome, None when it was not right to.
        `by_policy`: older than the key's life, but a look-up has shown that it is not there."""
        lane = self.lane
        if lane.stops.is_ending or doubt.campaign in lane.stops.campaigns:
            raise LaneEnding("nothing more is to be begun")
        if not self._may_repeat(doubt, by_policy):
            return None  # what was right a moment ago is judged again
        by = math.inf
        if doubt.follows:
            if not await is_unanswered(lane, doubt.campaign, doubt.id):
                self._answered.add(doubt.id)  # from now on it is looked up
                return None
            by = leave_by()
            if not self._may_repeat(doubt, by_policy):
                return None
        permit = lane.pacer.take(doubt.sender, lane.clock.boot())
        lane.limit.count(doubt.id)
        channel = self._channel(doubt)
        request = lane.request(channel, doubt, doubt.key, doubt.body, is_repeat=True)
        done = await attempt(lane, channel, request, permit, by)
        if done is None or (isinstance(done.outcome, Deferred) and not done.outcome.written):
            lane.limit.uncount(doubt.id)
        return None if done is None else done.outcome

    def _may_repeat(self, doubt: Doubt, by_policy: bool) -> bool:
        """Return whether a doubt may be sent again now."""
        right = (by_policy or self._repeats(doubt)) and self._may_send(doubt)
        return right and self._closed_for(doubt) <= 0.0 and self._paced_for(doubt) <= 0.0

    async def _look_up(self, doubt: Doubt) -> LookupResult:
        """Look a message up, write down what that proves, and return it."""
        lane = self.lane
        channel = self._channel(doubt)
        lookup = Lookup(
            sender=doubt.sender,
            recipient=doubt.recipient,
            text=doubt.text,
            not_before=doubt.first_server_at,
            stamped_from=self._stamped_from(doubt),
            message_id=doubt.asked_id if doubt.unconfirmed else "",
        )
        finding = await channel.look_up(lookup, self._is_taken)
        evidence = evidence_of_lookup(
            finding,
            absent=lane.campaigns[doubt.campaign].absent,
            idempotent=channel.idempotent,
            # What is queued waits for the end of a hold by itself; a repeat would not.
            barred=self._barred(doubt) or (channel.idempotent and self._held(doubt)),
            presumed=self._presumed(doubt),
        )
        if isinstance(evidence, Way):
            closed = max(self._closed_for(doubt), self._paced_for(doubt))
            if closed > 0:
                self._cases[doubt.id].opens_at = lane.clock.boot() + closed
                return Unclear("not to be sent before", after=closed, asked=False)
            await self._repeat(doubt, by_policy=True)
            return finding
        match finding:
            case Found(message_id=message_id, thread_id=thread_id):
                found = ("found", "found by a look-up", message_id, thread_id)
                await self._write(doubt, evidence, *found)
            case Absent(detail=detail):
                if evidence is Evidence.ABSENT_HELD:
                    # Asking again tells nothing new.
                    self._cases[doubt.id].tries[False] = MOST_LOOKUPS
                    policy = lane.campaigns[doubt.campaign].absent
                    told = " (retry.absent: hold)" if policy == "hold" else ""
                    detail = f"{detail}; absence is not proof{told}".lstrip("; ")
                await self._write(doubt, evidence, "absent", detail)
            case Unclear(reason=reason, asked=True):
                await self._write(doubt, evidence, "unclear", reason)
        return finding

    def _stamped_from(self, doubt: Doubt) -> float | None:
        """Return the earliest that a doubt's message can be stamped, by the clock that has it
        earlier: either may have been set since the acceptances that tell how far it is apart."""
        where = doubt.lane, doubt.base_url
        behind = self.lane.ledger.read(usage.stamped_near, *where, doubt.first_at)
        if behind is None:
            return None
        return min(doubt.first_server_at - behind.date, doubt.first_at - behind.wall)

    async def _is_taken(self, message_id: str) -> bool:
        return self.lane.ledger.read(in_doubt.is_taken, message_id)

    async def _write(
        self,
        doubt: Doubt,
        evidence: Evidence,
        reason: str,
        detail: str,
        message_id: str = "",
        thread_id: str = "",
    ) -> None:
        lane = self.lane
        settled = await lane.ledger.commit(
            settlements.settle,
            Settlement(
                message=doubt.id,
                evidence=evidence,
                at=lane.clock.now(),
                sent_at=lane.sent_at(self._channel(doubt)),
                reason=reason,
                detail=detail,
                message_id=message_id,
                thread_id=thread_id,
                numbers=doubt.numbers,
                attempts_allowed=lane.campaigns[doubt.campaign].attempts,
            ),
        )
        if settled is None:
            return
        if settled.status is not MessageStatus.IN_DOUBT:
            sent = settled.status is MessageStatus.SENT
            lane.stops.guard_of(doubt.campaign).count_settled(doubt.id, sent=sent)
        name = lane.campaigns[doubt.campaign].name
        about, step = (lane.clock.now(), name, doubt.recipient.id, doubt.sender), doubt.step
        match settled.status:
            case MessageStatus.SENT:
                lane.bus.emit(MessageSent(*about, message_id, thread_id, settled=True, step=step))
            case MessageStatus.IN_DOUBT:
                lane.bus.emit(MessageInDoubt(*about, reason, detail, step=step))
            case MessageStatus.SKIPPED if settled.passed:
                why = settled.passed.reason, settled.passed.detail
                lane.bus.emit(MessageSkipped(*about, *why, settled=True, step=step))
            case MessageStatus.FAILED:
                lane.bus.emit(MessageFailed(*about, reason, detail, settled=True, step=step))
            case _:
                lane.bus.emit(MessageDeferred(*about, reason, detail, settled=True, step=step))
        lane.notify()
