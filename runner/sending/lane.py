"""A lane while this run drives it: what is under way, what was stopped, and who waits for what."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from runner.channels.base import Channel
from runner.clock import Clock
from runner.errors import LaneEnding
from runner.events import Braked, EventBus, Released, Stopped
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind, Halt
from runner.ledger.ledger import Ledger
from runner.ledger.messages.usage import Stamped
from runner.pacing.pacer import Pacer, Permit
from runner.schedule import Hours, next_open
from runner.sending.guard import Guard, GuardLimits
from runner.sending.slots import Wire

SHORTEST_WAIT = 0.001
"""Seconds."""

FAST = 0.5
"""Seconds within which answers have to come for sends to be begun ahead: far less than they may
wait for the wire (`SEND_BY`)."""

SLOW_FADES = 0.9
"""What is left of a slow answer's time after another, faster one."""

FAR_BEHIND = 3600.0
"""Seconds by which the machine's clock is wrong, if the API's is so far ahead of it."""

TOO_FAR = 400 * 86400.0
"""Seconds ahead from which on it is the API's clock that is wrong."""

LONGEST_WAIT = 60.0
"""Seconds after which whoever waits looks at the clock again: timers stand still while the machine
sleeps."""


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
    senders: Collection[str] | None = None  # whom the file names; None for anybody

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
    concurrency: int  # sends on the wire at once
    timeout: float  # of one request, seconds
    only: Collection[str] = ()
    adopt: bool = False
    left: int | None = None  # messages that may still be begun or repeated, None for all
    counted: set[int] = field(default_factory=set)  # those that were, if not all may
    in_flight: int = 0
    settling: int = 0  # messages in doubt that this run will still try to settle
    under_way: Counter[int] = field(default_factory=Counter)  # of each campaign, in flight
    guards: dict[int, Guard] = field(default_factory=dict)
    braked: dict[int, Brake] = field(default_factory=dict)  # campaigns: nothing more is begun
    heard: dict[int, int] = field(default_factory=dict)  # the newest word on each campaign
    begun: dict[int, str] = field(default_factory=dict)  # message: recipient, perhaps not written
    reserved: Collection[str] = ()  # senders: what they may send next is a repeat
    unwanted: Collection[str] = ()  # of these recipients, who wants no messages by now
    limited: dict[int, tuple[float, int]] = field(default_factory=dict)  # since (boot), 429s
    stamped: dict[str, Stamped] = field(default_factory=dict)  # by key, as kept
    network_failures: int = 0
    stopped: str = ""  # why nothing more of this lane is sent in this run
    stopped_senders: dict[str, str] = field(default_factory=dict)
    halts: list[Halt] = field(default_factory=list)  # what was stopped and is not in the ledger yet
    draining: bool = False  # begin nothing more
    interrupted: bool = False  # by a person: Ctrl-C or SIGTERM
    idle_after: float | None = None  # end rather than wait longer than this, seconds
    idle: bool = False  # it has ended so
    dispatched: bool = False  # dispatch is over; only settling may go on
    error: BaseException | None = None
    resumes_at: float = math.inf  # when it would have gone on, having ended idle (Unix seconds)
    slowest: float = math.inf  # seconds that answers take of late
    wire: Wire = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _doubted: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.wire = Wire(self.concurrency, self.holds_back, self._most_on_the_wire)

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.draining or bool(self.stopped) or self.error is not None

    @property
    def to_finish(self) -> int:
        """How much is under way that cannot be given back any more."""
        return self.in_flight - self.wire.waiting

    @property
    def moving(self) -> list[int]:
        """The campaigns that nothing stops."""
        return [id for id in self.campaigns if id not in self.braked]

    def may_begin(self, message: int) -> bool:
        """Whether a message is within the number that this run is to send; a repeat of one that it
        has counted is."""
        return self.left != 0 or message in self.counted

    def count(self, message: int) -> None:
        """A message is begun, or repeated."""
        if self.left is not None and message not in self.counted:
            self.left -= 1
            self.counted.add(message)

    def uncount(self, message: int) -> None:
        """It wrote to nobody."""
        if self.left is not None and message in self.counted:
            self.left += 1
            self.counted.discard(message)

    def room(self, campaign: int) -> int:
        """How many more sends of a campaign may be begun now. Until one of this run is accepted,
        and after each failure in a row, no more than its guard would still let fail.

        Where a key makes a second sending harmless and answers come fast, as many again as are on
        the wire are begun ahead, so that the wire never waits for the disk."""
        settings = self.campaigns[campaign]
        channel = self.channel_for(settings.version, settings.base_url)
        ahead = self.concurrency if channel.idempotent and self.slowest < FAST else 0
        room, leaves = self.concurrency + ahead - self.in_flight, self.guard_of(campaign).leaves
        return room if leaves is None else min(room, max(1, leaves) - self.under_way[campaign])

    def moment(self, channel: Channel) -> float:
        """When something is sent, in Unix seconds: by the server's clock where ours is far behind
        it, or the recipient would be free for other campaigns too early."""
        ours, theirs = self.clock.now(), channel.server_now()
        return theirs if FAR_BEHIND < theirs - ours < TOO_FAR else ours

    def answered(self, seconds: float) -> None:
        """An answer took so long; a slow one is remembered over the next few."""
        known = 0.0 if self.slowest == math.inf else self.slowest * SLOW_FADES
        self.slowest = max(seconds, known)

    def holds_back(self, sender: str, campaign: int, recipient: str) -> bool:
        """Whether what is begun but not on the wire yet must not go after all."""
        braked = self.ending or campaign in self.braked or sender in self.stopped_senders
        if braked or self.is_unwanted(campaign, recipient):
            return True
        return self.pacer.held(sender, self.clock.boot())

    def is_unwanted(self, campaign: int, recipient: str) -> bool:
        """Whether somebody must not be written to, as far as this run has heard."""
        return recipient in self.unwanted or recipient in self.campaigns[campaign].suppressed

    def _most_on_the_wire(self, campaign: int) -> float:
        """What is begun ahead waits while the guard would let no more fail than are on the wire."""
        leaves = self.guard_of(campaign).leaves
        return math.inf if leaves is None else max(1, leaves)

    def guard_of(self, campaign: int) -> Guard:
        """What watches over a campaign in this run."""
        if campaign not in self.guards:
            self.guards[campaign] = Guard(self.campaigns[campaign].guard)
        return self.guards[campaign]

    def notify(self, *, doubt: bool = False) -> None:
        """Wake whoever waits: something that may be due has changed (`doubt`: to be settled)."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.wire.pass_on()
        if doubt or self.ending or self.dispatched:
            self.wire.turn_back()
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
            self.wire.turn_back()
        self.notify()
