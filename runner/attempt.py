"""One attempt, from permit to recorded outcome: the only way a message leaves this house.

permit -> intent on disk -> at most `SEND_BY` until the body is written -> answer -> outcome on disk
-> told. Both first sends (dispatcher) and repeats under the same key (reconcile) go through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from runner.channels import Answer, Channel
from runner.clock import Clock
from runner.errors import Fenced, ForeignKeyUse, LaneEnding
from runner.events import (
    Braked,
    Event,
    EventBus,
    MessageDeferred,
    MessageDoubled,
    MessageFailed,
    MessageInDoubt,
    MessageRejected,
    MessageSent,
    MessageSkipped,
    Released,
    Stopped,
)
from runner.guard import Guard, GuardLimits
from runner.ledger import Ledger
from runner.ledger.brakes import BY_A_PERSON, Brake, BrakeKind, Halt, halt
from runner.ledger.contact import PassedOver
from runner.ledger.history import Hold, keep_holds
from runner.ledger.moves import Intent, NotClaimed, Recorded, Result, claim, record
from runner.message import (
    Accepted,
    Deferred,
    InDoubt,
    MessageStatus,
    Outcome,
    Recipient,
    Rejected,
    Scope,
    evidence_of,
    is_foreign,
    is_of_one_message,
)
from runner.pacing import DAY, HOUR, Pacer, Permit
from runner.schedule import Hours, next_open

SEND_BY = 5.0
"""Seconds from the claim until the body must be on its way, by the boot-time clock. A process
that was frozen longer wakes up and does not send."""

SHORTEST_WAIT = 0.001
"""Seconds."""

LONGEST_WAIT = 60.0
"""Seconds after which whoever waits looks at the clock again: timers stand still while the machine
sleeps."""

LONGEST_PAUSE = 60.0
"""Seconds between tries while the network or the API is down; the wait doubles up to it."""

LEAST_PAUSE = 1.0
"""Seconds after a refusal that says to wait for none: a queue is no reason to hammer."""

RATE_LIMIT_PAUSE = 60.0
"""Seconds after a 429 without `Retry-After` (the value of the vendor's example, docs.inboxapp.com
reference/rate-limits)."""

LIMITED_FOR = DAY + HOUR
"""Seconds of nothing but 429 after which each further one uses up a try of its message: longer
than any window of the API, so that it is not the team that is told to wait."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a campaign says of where to send and about trying again. Times in seconds;
    `suppressed`: who its own lists say is never written to; `accepted_at`: when it went on from an
    old copy of its ledger; `hours`: when its messages may go, None for always."""

    name: str
    version: str
    base_url: str
    attempts: int
    settle: float
    absent: str
    key_life: float
    suppressed: Collection[str] = ()
    contact_once_in: float | None = None  # see `Contact.bars`
    accepted_at: float = -math.inf  # attempts before this may not be all that were made
    guard: GuardLimits = field(default_factory=GuardLimits)
    hours: Hours | None = None
    grace: float = math.inf  # by which its start may be missed

    def opens(self, zone: str, at: float) -> float:
        """When a message to somebody in `zone` may go, from `at` on (Unix seconds)."""
        return at if self.hours is None else next_open(self.hours, zone, at)


@dataclass(slots=True)
class Lane:
    """A team's token and all that is sent with it, while this run drives it."""

    id: str
    ledger: Ledger
    channel_for: Callable[[str, str], Channel]  # by API version and base URL
    pacer: Pacer
    clock: Clock
    bus: EventBus
    run: int
    epoch: int
    campaigns: Mapping[int, Settings]
    concurrency: int
    timeout: float  # of one request, seconds
    only: Collection[str] = ()
    adopt: bool = False
    in_flight: int = 0
    settling: int = 0  # messages in doubt that this run will still try to settle
    under_way: Counter[int] = field(default_factory=Counter)  # of each campaign, in flight
    guards: dict[int, Guard] = field(default_factory=dict)
    braked: dict[int, Brake] = field(default_factory=dict)  # campaigns: nothing more is begun
    heard: dict[int, int] = field(default_factory=dict)  # the newest word on each campaign
    limited: dict[int, tuple[float, int]] = field(default_factory=dict)  # since (boot), 429s
    network_failures: int = 0
    stopped: str = ""  # why nothing more of this lane is sent in this run
    stopped_senders: dict[str, str] = field(default_factory=dict)
    halts: list[Halt] = field(default_factory=list)  # what was stopped and is not in the ledger yet
    draining: bool = False  # begin nothing more
    interrupted: bool = False  # by a person: Ctrl-C or SIGTERM
    idle_after: float | None = None  # end rather than wait longer than this, seconds
    dispatched: bool = False  # dispatch is over; only settling may go on
    error: BaseException | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _doubted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.draining or bool(self.stopped) or self.error is not None

    @property
    def moving(self) -> list[int]:
        """The campaigns that nothing stops."""
        return [id for id in self.campaigns if id not in self.braked]

    def room(self, campaign: int) -> int:
        """How many more sends of a campaign may be begun now. Until one of this run is accepted,
        and after each failure in a row, no more than its guard would still let fail."""
        room, leaves = self.concurrency - self.in_flight, self.guard_of(campaign).leaves
        return room if leaves is None else min(room, max(1, leaves) - self.under_way[campaign])

    def guard_of(self, campaign: int) -> Guard:
        """What watches over a campaign in this run."""
        if campaign not in self.guards:
            self.guards[campaign] = Guard(self.campaigns[campaign].guard)
        return self.guards[campaign]

    def notify(self, *, doubt: bool = False) -> None:
        """Wake whoever waits: something that may be due has changed (`doubt`: to be settled)."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if doubt or self.ending or self.dispatched:
            doubted, self._doubted = self._doubted, asyncio.Event()
            doubted.set()

    async def wait(self, until: float = math.inf) -> bool:
        """Until something changes, at the longest until `until` (boot seconds); whether it has."""
        changed = self._changed
        await self._wait(changed, until)
        return changed.is_set()

    async def wait_for_doubt(self, until: float) -> None:
        """Until there is something new to settle, at the longest until `until` (boot seconds)."""
        await self._wait(self._doubted, until)

    async def _wait(self, event: asyncio.Event, until: float) -> None:
        # A timer may fire a hair early: waiting for less than this would be a busy loop.
        left = max(SHORTEST_WAIT, until - self.clock.boot())
        seconds = None if until == math.inf else min(left, LONGEST_WAIT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def permit(self, sender: str | None, campaign: int | None = None) -> Permit:
        """Wait for leave to make one request (None: no message of a sender; of no campaign). Raises
        LaneEnding."""
        while True:
            if self.ending or campaign in self.braked:
                raise LaneEnding("nothing more is to be begun")
            now = self.clock.boot()
            ready = self.pacer.ready(sender, now)
            if ready.at <= now:
                return self.pacer.take(sender, now)
            await self.wait(ready.at)

    def drain(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self.draining = True
        self.notify()

    def fail(self, error: BaseException) -> None:
        """The first error ends the lane; what is under way may still record its outcome."""
        self.error = self.error or error
        self.notify()

    def stop(self, why: str) -> None:
        """Nothing more of this lane until a person has acted."""
        if not self.stopped:
            self.stopped = why
            now = self.clock.now()
            self.halts += [Halt(now, why, campaign=campaign) for campaign in self.campaigns]
            self.bus.emit(Stopped(now, "", why))
        self.notify()

    def hear(self, campaign: int, brake: Brake) -> None:
        """Obey a person's newest word on a campaign. A run that is ending does not go on; what a
        run itself has stopped is known here."""
        if brake.id <= self.heard.get(campaign, 0):
            return
        self.heard[campaign] = brake.id
        if brake.kind is BrakeKind.RELEASED:
            if not self.ending:
                self.release(campaign, brake.by)
        elif brake.kind in BY_A_PERSON:
            self.brake(campaign, brake)

    def brake(self, campaign: int, brake: Brake) -> None:
        """Nothing more of this campaign; when nothing else is left, the lane ends."""
        self.braked[campaign] = brake
        name = self.campaigns[campaign].name
        self.bus.emit(Braked(self.clock.now(), name, str(brake.kind), brake.by, brake.why))
        if not self.moving:
            self.draining = True
        self.notify(doubt=True)

    def release(self, campaign: int, by: str) -> None:
        """A person lets a campaign go on; what failed before no longer counts."""
        if self.braked.pop(campaign, None) is not None:
            self.guards.pop(campaign, None)
            self.bus.emit(Released(self.clock.now(), self.campaigns[campaign].name, by))
            self.notify(doubt=True)

    def stop_sender(self, sender: str, why: str) -> None:
        """Nothing more from this sender; its recipients wait, they are never moved."""
        if sender not in self.stopped_senders:
            self.stopped_senders[sender] = why
            self.halts.append(Halt(self.clock.now(), why, sender=sender))
            self.bus.emit(Stopped(self.clock.now(), sender, why))
        self.notify()


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as it is handed to a channel: the exact bytes and the key they go under."""

    message: int
    campaign: int
    recipient: Recipient
    sender: str
    key: str
    body: bytes
    again: bool = False


@dataclass(frozen=True, slots=True)
class Attempted:
    """What an attempt came to: the API's outcome, and the message's status then."""

    outcome: Outcome
    status: MessageStatus


async def attempt(lane: Lane, channel: Channel, parcel: Parcel, permit: Permit) -> Attempted | None:
    """Send a parcel once. None when it was not there to be sent.

    Raises Fenced when another owner has the lane, LedgerError when an intent or an outcome could
    not be recorded, ForeignKeyUse when the API knows the key from another ledger.
    """
    if parcel.campaign in lane.braked:
        lane.pacer.unused(permit)
        return None
    begun = lane.clock.boot()
    intent = Intent(
        message=parcel.message,
        lane=lane.id,
        epoch=lane.epoch,
        run=lane.run,
        sender=parcel.sender,
        version=channel.version,
        base_url=channel.base_url,
        key=parcel.key,
        body=parcel.body,
        started_at=lane.clock.now(),
        server_at=channel.server_now(),
        again=parcel.again,
        contact_once_in=lane.campaigns[parcel.campaign].contact_once_in,
    )
    try:
        number = await lane.ledger.commit(claim, intent)
    except BaseException:
        lane.pacer.unused(permit)
        raise
    if isinstance(number, NotClaimed):
        lane.pacer.unused(permit)
        if number is NotClaimed.FENCED:
            raise Fenced(
                "another run has taken this team over", "see who with: run-campaign status"
            )
        return None
    if isinstance(number, Brake):
        lane.pacer.unused(permit)
        lane.hear(parcel.campaign, number)
        return None
    if isinstance(number, PassedOver):
        lane.pacer.unused(permit)
        name = lane.campaigns[parcel.campaign].name
        about = (lane.clock.now(), name, parcel.recipient.id, parcel.sender)
        lane.bus.emit(MessageSkipped(*about, number.reason, number.detail))
        return None
    answer = await channel.send(parcel.body, parcel.key, begun + SEND_BY)
    _give_back(lane, parcel, permit, answer)
    hold = _slow_down(lane, channel, parcel, answer)
    recorded = await lane.ledger.commit(record, _result(lane, parcel, number, answer))
    if hold is not None:
        await lane.ledger.commit(keep_holds, hold)
    _act(lane, parcel, answer)
    lane.bus.emit(_event(lane, parcel, answer, recorded))
    _judge(lane, parcel, answer.outcome, recorded.status)
    doubt = recorded.status is MessageStatus.IN_DOUBT
    lane.settling += doubt
    lane.notify(doubt=doubt)
    while lane.halts:
        await lane.ledger.commit(halt, lane.halts.pop(0))
    if number == 1 and not lane.adopt and is_foreign(answer.outcome):
        raise ForeignKeyUse(
            f"the API already knows {lane.campaigns[parcel.campaign].name}'s message to "
            f"{parcel.recipient}, but this ledger never sent it: another ledger has used this "
            "campaign's name",
            "find that ledger (--state), give this campaign another `name:`, or run with --adopt "
            "to take such messages as sent",
        )
    return Attempted(answer.outcome, recorded.status)


def _give_back(lane: Lane, parcel: Parcel, permit: Permit, answer: Answer) -> None:
    outcome, now = answer.outcome, lane.clock.boot()
    if isinstance(outcome, Deferred) and not outcome.written:
        lane.pacer.unused(permit)
        return
    accepted = isinstance(outcome, Accepted)
    sent = accepted or isinstance(outcome, InDoubt)
    lane.pacer.done(permit, now, sent=sent, accepted=accepted, told=answer.quota)
    if parcel.again and sent and not (isinstance(outcome, Accepted) and outcome.replay):
        lane.pacer.sent_again(parcel.sender, now)


def _slow_down(lane: Lane, channel: Channel, parcel: Parcel, answer: Answer) -> Hold | None:
    """Hold back whom the answer tells to wait, before anything else goes; the hold, for later runs
    to keep too."""
    match answer.outcome:
        case Deferred(scope=Scope.SENDER, stop="", after=after) if after:
            wait, sender = after, parcel.sender
            why = f"the platform slows {sender} down"
        case Deferred(scope=Scope.LANE, stop="", written=True, after=after):
            wait, sender = _hold_of(after), ""
            why = "the API's request limit (429)"
        case _:
            return None
    lane.pacer.hold(lane.clock.boot() + wait, why, sender or None)
    return Hold(lane.id, sender, channel.server_now() + wait, why)


def _result(lane: Lane, parcel: Parcel, number: int, answer: Answer) -> Result:
    settings = lane.campaigns[parcel.campaign]
    outcome = answer.outcome
    after, counts = 0.0, False
    match outcome:
        case InDoubt(after=known):
            after = known if known is not None else pause(number)
        case Deferred(written=False, scope=Scope.MESSAGE):
            after = pause(number)  # too late: this machine is slow, not the person's message
        case Deferred(scope=scope, written=written, stop=stop):
            # A team's or the network's waits are nobody's fault in particular.
            counts = scope is not Scope.LANE and not stop
            if scope is Scope.LANE and written and not stop:
                after, counts = _limited(lane, parcel.message, outcome.after)
    return Result(
        message=parcel.message,
        number=number,
        evidence=evidence_of(outcome),
        at=lane.clock.now(),
        reason=_reason(outcome),
        detail="" if isinstance(outcome, Accepted) else outcome.detail,
        http_status=answer.status,
        request_id=answer.request_id,
        message_id="" if isinstance(outcome, Rejected | Deferred) else outcome.message_id,
        thread_id=outcome.thread_id if isinstance(outcome, Accepted) else "",
        not_before=lane.clock.now() + after if after else 0.0,
        counts=counts,
        attempts_allowed=settings.attempts,
    )


def _limited(lane: Lane, message: int, asked: float | None) -> tuple[float, bool]:
    """How long a message that was told 429 stays behind the others, and whether that counts: some
    are told to wait whatever the others are told."""
    now = lane.clock.boot()
    since, times = lane.limited.get(message, (now, 0))
    lane.limited[message] = since, times + 1
    after = _hold_of(asked) + pause(times) if times else 0.0
    return after, now - since > LIMITED_FOR


def _hold_of(asked: float | None) -> float:
    """Seconds that a 429 holds the team up."""
    return RATE_LIMIT_PAUSE if asked is None else max(asked, LEAST_PAUSE)


def _reason(outcome: Accepted | Rejected | Deferred | InDoubt) -> str:
    if isinstance(outcome, Accepted):
        return "replayed" if outcome.replay else ""
    return outcome.reason


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 … `LONGEST_PAUSE`."""
    return min(LONGEST_PAUSE, 2.0 ** max(0, min(failures, 30) - 1))


def _act(lane: Lane, parcel: Parcel, answer: Answer) -> None:
    """What an answer means beyond its own message."""
    now = lane.clock.boot()
    outcome = answer.outcome
    if answer.status:
        lane.network_failures = 0
    match outcome:
        case Deferred(stop=stop, scope=Scope.LANE) | InDoubt(stop=stop, scope=Scope.LANE) if stop:
            lane.stop(stop)
        case Deferred(stop=stop, scope=Scope.SENDER) if stop:
            lane.stop_sender(parcel.sender, stop)
        case Deferred(scope=Scope.LANE, written=False) if lane.pacer.held_until <= now:
            lane.network_failures += 1
            lane.pacer.hold(now + pause(lane.network_failures), f"network: {outcome.detail}")


def _judge(lane: Lane, parcel: Parcel, outcome: Outcome, status: MessageStatus) -> None:
    """Let the campaign's guard see what became of a message."""
    guard = lane.guard_of(parcel.campaign)
    if isinstance(outcome, Accepted):
        guard.accepted(parcel.message)
        return
    unsent = isinstance(outcome, Rejected | InDoubt) or status is MessageStatus.FAILED
    if not unsent or (isinstance(outcome, InDoubt) and outcome.stop):
        return
    news = guard.failed(
        parcel.message,
        in_doubt=status is MessageStatus.IN_DOUBT,
        alone=is_of_one_message(outcome),
    )
    why, now = guard.why(), lane.clock.now()
    if why and parcel.campaign not in lane.braked:
        why = f"{why}, the last one: {outcome.reason} {outcome.detail}".rstrip()
        guarded = Halt(now, why, campaign=parcel.campaign, kind=BrakeKind.GUARDED)
        lane.halts.append(guarded)
        lane.brake(parcel.campaign, Brake(BrakeKind.GUARDED, now, why=why))
    elif news and isinstance(outcome, InDoubt) and guard.failures > 2:
        wait = pause(guard.failures - 2)
        lane.pacer.hold(lane.clock.boot() + wait, f"after {guard.failures} failures in a row")


def _event(lane: Lane, parcel: Parcel, answer: Answer, recorded: Recorded) -> Event:
    at, name = lane.clock.now(), lane.campaigns[parcel.campaign].name
    about = (at, name, parcel.recipient.id, parcel.sender)
    outcome = answer.outcome
    if isinstance(outcome, Accepted):
        if recorded.doubled:
            return MessageDoubled(*about, outcome.message_id)
        return MessageSent(*about, outcome.message_id, outcome.thread_id, parcel.again)
    told = (*about, outcome.reason, outcome.detail)
    match recorded.status:
        case MessageStatus.REJECTED:
            return MessageRejected(*told)
        case MessageStatus.FAILED:
            return MessageFailed(*told)
        case MessageStatus.IN_DOUBT:
            return MessageInDoubt(*told)
        case _:
            return MessageDeferred(*told)
