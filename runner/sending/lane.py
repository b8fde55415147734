"""A lane while this run drives it: what is configured, what is under way, and what has stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from runner.channels.base import Channel
from runner.clock import Clock
from runner.errors import Fenced, LaneEnding
from runner.events import EventBus
from runner.ledger.doubts.in_doubt import Doubt
from runner.ledger.ledger import Ledger
from runner.ledger.messages import queue
from runner.ledger.messages.claims import SendRequest
from runner.ledger.messages.queue import QueuedMessage, SenderQueue
from runner.message.plan import FIRST_STEP
from runner.pacing.pacer import Pacer, Permit
from runner.replies.settings import ReplySettings
from runner.schedule import Hours, next_open
from runner.sending.backoff import Backoff
from runner.sending.controls.guard import GuardLimits
from runner.sending.controls.message_limit import MessageLimit
from runner.sending.controls.stops import Stops
from runner.sending.in_flight import InFlight
from runner.sending.inbox.acquaintance_check import AcquaintanceCheck
from runner.sending.slots import SendSlots
from runner.sending.wakeups import Wakeups

FAST = 0.5
"""Seconds within which answers have to come for sends to be begun ahead: far less than they may
wait for a slot (`SEND_BY`)."""

LEAD = 0.25
"""Seconds before a message may go in which it is begun, where a key makes it harmless: so short
that a pause or a hold is obeyed hardly later than without it."""

IN_TIME = 0.05
"""Seconds of these that are left for the disk."""

SHARED_WITHIN = 0.2
"""Seconds that an outcome may wait for others to share its commit with, while nothing waits for
it."""

FAR_BEHIND = 3600.0
"""Seconds by which the machine's clock is wrong, if the API's is so far ahead of it."""

TOO_FAR = 400 * 86400.0
"""Seconds ahead from which on it is the API's clock that is wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A campaign's settings of where to send and when to try again. Times in seconds;
    `suppressed`: recipients on its own lists, who are never written to; `accepted_at`: when it went
    on from an old copy of its ledger; `hours`: when its messages may go, None for always."""

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
    senders: Collection[str] | None = None  # those that the file names; None for any
    acquaintances: AcquaintanceCheck | None = None  # before a first message; None: nobody is asked
    replies: ReplySettings | None = None  # None: they are not read
    has_steps: bool = False  # follow-ups come after its first messages

    def opens(self, zone: str, at: float) -> float:
        """Return when a message to a recipient in `zone` may go, from `at` on (Unix seconds)."""
        return at if self.hours is None else next_open(self.hours, zone, at)


@dataclass(frozen=True, slots=True)
class Lane:
    """A team's token and all that is sent with it, while this run drives it.

    What is configured stays; what changes has one owner each: `in_flight` (what is under way),
    `stops` (what has stopped), `backoff`, `pacer`, `slots`, and `limit` (`--limit`).
    """

    id: str
    ledger: Ledger
    channel_for: Callable[[str, str], Channel]  # by API version and base URL
    pacer: Pacer
    clock: Clock
    bus: EventBus
    run: int
    epoch: int
    campaigns: dict[int, Settings]
    concurrency: int  # sends at once
    timeout: float  # of one request, seconds
    only: Collection[str] = ()
    adopt: bool = False
    idle_after: float | None = None  # end rather than wait longer than this, seconds
    undisturbed: bool = False  # nothing else changes its ledger
    limit: MessageLimit = field(default_factory=MessageLimit)
    in_flight: InFlight = field(init=False, default_factory=InFlight)
    stops: Stops = field(init=False)
    backoff: Backoff = field(init=False)
    slots: SendSlots = field(init=False)
    wakeups: Wakeups = field(init=False)

    def __post_init__(self) -> None:
        for name, part in {
            "stops": Stops(self.campaigns, self.clock, self.bus, self.notify),
            "backoff": Backoff(self.pacer, self.clock),
            "slots": SendSlots(self.concurrency, self.holds_back, self._most_at_once),
            "wakeups": Wakeups(self.clock),
        }.items():
            object.__setattr__(self, name, part)  # frozen from here on
        self.limit.wakes.append(self.wakeups.wake)

    @property
    def to_finish(self) -> int:
        """Return messages under way that cannot be given back any more."""
        return self.in_flight.count - self.slots.waiting

    def channel(self, campaign: int) -> Channel:
        """Return the channel that a campaign's messages go through."""
        settings = self.campaigns[campaign]
        return self.channel_for(settings.version, settings.base_url)

    def waiting(self) -> list[SenderQueue]:
        """Return the queues of the senders that may send: what is still to go in this run."""
        found = self.ledger.read(queue.waiting, self.stops.running, self.only, self.id)
        able = self.pacer.senders.keys() - self.stops.senders
        return [each for each in found if each.sender in able]

    def room(self, campaign: int) -> int:
        """Return how many more sends of a campaign may be begun now. Until one of this run is
        accepted, and after each failure in a row, no more than its guard would still let fail.

        Where a key makes a second sending harmless and answers come fast, as many again as there
        are slots are begun ahead, so that no slot waits for the disk."""
        flight, failures_left = self.in_flight, self.stops.guard_of(campaign).failures_left
        room = (2 if self._begins_ahead(campaign) else 1) * self.concurrency - flight.count
        if failures_left is None:
            return room
        return min(room, max(1, failures_left) - flight.by_campaign[campaign])

    def lead(self, sender: str, campaign: int) -> float:
        """Return the seconds before a message may go in which it may be begun: none where others
        might need its place or its permit meanwhile, nor while its sender is held."""
        if self.in_flight.count >= self.concurrency or not self._begins_ahead(campaign):
            return 0.0
        now = self.clock.boot()
        waits = self.pacer.is_held(sender, now) or self.pacer.ready(None, now).at > now
        return 0.0 if waits else LEAD

    def shares_within(self, campaign: int, sender: str) -> float:
        """Return the seconds that an outcome may wait for others to share its commit with: none
        while it keeps anything from being sent."""
        if self.in_flight.count > self.concurrency or not self._begins_ahead(campaign):
            return 0.0
        now = self.clock.boot()
        return min(SHARED_WITHIN, self.pacer.ready(sender, now).at - now)

    def _begins_ahead(self, campaign: int) -> bool:
        return self.in_flight.slowest < FAST and self.channel(campaign).idempotent

    def request(
        self,
        channel: Channel,
        message: QueuedMessage | Doubt,
        key: str,
        body: bytes,
        *,
        is_repeat: bool = False,
    ) -> SendRequest:
        """Return the request to send a message now."""
        return SendRequest(
            message=message.id,
            campaign=message.campaign,
            recipient=message.recipient,
            sender=message.sender,
            version=channel.version,
            base_url=channel.base_url,
            key=key,
            body=body,
            lane=self.id,
            epoch=self.epoch,
            run=self.run,
            started_at=self.clock.now(),
            server_at=channel.server_now(),
            is_repeat=is_repeat,
            contact_once_in=self.campaigns[message.campaign].contact_once_in,
            step=message.step if message.follows else FIRST_STEP,
        )

    def sent_at(self, channel: Channel) -> float:
        """Return when a message is sent (Unix seconds): now by the server's clock where ours is far
        behind it, or the recipient would be free for other campaigns too early."""
        ours, theirs = self.clock.now(), channel.server_now()
        return theirs if FAR_BEHIND < theirs - ours < TOO_FAR else ours

    def holds_back(self, sender: str, campaign: int, recipient: str) -> bool:
        """Return whether a message that is begun but not written yet must not go after all."""
        stops = self.stops
        if stops.is_ending or campaign in stops.campaigns or sender in stops.senders:
            return True
        if self.is_unwanted(campaign, recipient):
            return True
        return self.pacer.is_held(sender, self.clock.boot())

    def is_unwanted(self, campaign: int, recipient: str) -> bool:
        """Return whether a recipient must not be written to, as far as this run knows."""
        return recipient in self.stops.unwanted or recipient in self.campaigns[campaign].suppressed

    def suppress(self, campaign: int, people: Mapping[str, str]) -> None:
        """Write nothing of a campaign to these recipients any more (id: where they are listed)."""
        settings = self.campaigns[campaign]
        known = settings.suppressed
        before = known if isinstance(known, Mapping) else dict.fromkeys(known, "its lists")
        self.campaigns[campaign] = replace(settings, suppressed={**before, **people})
        self.slots.turn_back()

    def notify(self, *, doubt: bool = False, turn_back: bool = False) -> None:
        """Wake the tasks that wait: something that may be due has changed. `doubt`: there may be
        something to settle, or not any more; `turn_back`: what waits for a slot may have to."""
        self.wakeups.wake()
        self.slots.hand_out()
        doubt = doubt or self.stops.is_ending or self.in_flight.is_dispatched
        if doubt or turn_back:
            self.slots.turn_back()
        if doubt:
            self.wakeups.wake_reconciler()

    async def permit(self) -> Permit:
        """Wait for leave to make one request that is no send. Raises LaneEnding."""
        while not self.stops.is_ending:
            now = self.clock.boot()
            ready = self.pacer.ready(None, now)
            if ready.at <= now:
                return self.pacer.take(None, now)
            await self.wakeups.wait(ready.at)
        raise LaneEnding("nothing more is to be begun")

    def _most_at_once(self, campaign: int) -> float:
        """Return how many sends of a campaign may go at once: what is begun ahead waits while the
        guard would let no more fail than are under way."""
        failures_left = self.stops.guard_of(campaign).failures_left
        return math.inf if failures_left is None else max(1, failures_left)


def fenced() -> Fenced:
    """Return the error for a lane that another run has taken over."""
    return Fenced("another run has taken this team over", "see who with: run-campaign status")
