"""Events: facts for terminal, log and tests. Nothing is decided by them; the ledger is the truth.

`name` of each event is public: it stands in the JSON log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from runner.instrumentation import Measures
from runner.message.plan import FIRST_STEP


@dataclass(frozen=True, slots=True)
class Event:
    """A fact. `at` is when, in Unix seconds."""

    name: ClassVar[str] = "event"
    at: float

    def fields(self) -> dict[str, Any]:
        """Return the event as a flat object, for the JSON log."""
        return {"event": self.name, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something a person should read. `code`: of the finding that it is, if it is one."""

    name: ClassVar[str] = "notice"
    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Reading(Event):
    """Rows read so far while planning."""

    name: ClassVar[str] = "reading"
    campaign: str
    rows: int


@dataclass(frozen=True, slots=True)
class Asking(Event):
    """People whom Inbox was asked about so far, and of how many, while planning."""

    name: ClassVar[str] = "asking"
    campaign: str
    asked: int
    of: int


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """A campaign was planned, or found unchanged."""

    name: ClassVar[str] = "planned"
    campaign: str
    added: int
    requeued: int
    changed: int
    skipped: int
    removed: int
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class LaneStarted(Event):
    """Sending begins: what is queued and in doubt now, per campaign name, and what may be sent by
    now, per sender. `binds`: the limit that is waited for longest until `finish_at`;
    `allowed_per_hour`: the most messages an hour that limits let go, None without any, and
    `allowed_by` which limit that is; `before`: what earlier runs have come to, per campaign and
    status; `handles`: of the senders, by id; `to_follow`: the follow-ups to come, of which none is
    among the queued; `finish_earliest_at`: where there are any, when it ends if everybody answers;
    `finish_at` is reckoned as if nobody did."""

    name: ClassVar[str] = "lane_started"
    queued: dict[str, int]
    in_doubt: dict[str, int]
    finish_at: float | None = None
    limit: int | None = None  # at most so many are sent, if the person set one
    by_sender: dict[str, int] = field(default_factory=dict)
    binds: str = ""
    allowed_per_hour: float | None = None
    allowed_by: str = ""
    before: dict[str, dict[str, int]] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    to_follow: dict[str, int] = field(default_factory=dict)
    finish_earliest_at: float | None = None


@dataclass(frozen=True, slots=True)
class FollowUpsLeft(Event):
    """Replies were read, and so many follow-ups of a campaign are left by them."""

    name: ClassVar[str] = "follow_ups_left"
    campaign: str
    left: int


@dataclass(frozen=True, slots=True)
class LaneTaken(Event):
    """A worker drives a lane from here on."""

    name: ClassVar[str] = "lane_taken"
    lane: str
    campaigns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneHandedOn(Event):
    """A worker lets a lane go. `next_at`: when it is due again (Unix seconds), None for not before
    a person submits, resumes or queues something."""

    name: ClassVar[str] = "lane_handed_on"
    lane: str
    next_at: float | None


@dataclass(frozen=True, slots=True)
class MessageEvent(Event):
    """Something about one message."""

    campaign: str
    recipient: str
    sender: str
    step: str = field(default=FIRST_STEP, kw_only=True)


@dataclass(frozen=True, slots=True)
class MessageSent(MessageEvent):
    """Accepted, and on disk. `settled`: it had been in doubt."""

    name: ClassVar[str] = "sent"
    message_id: str
    thread_id: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class MessageRejected(MessageEvent):
    """The API refused it."""

    name: ClassVar[str] = "rejected"
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class MessageDeferred(MessageEvent):
    """Proven not sent; queued again. `settled`: it had been in doubt."""

    name: ClassVar[str] = "deferred"
    reason: str
    detail: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class MessageFailed(MessageEvent):
    """Attempts used up, each proven not sent. `settled`: it had been in doubt."""

    name: ClassVar[str] = "failed"
    reason: str
    detail: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class MessageSkipped(MessageEvent):
    """Not sent, for a reason that has come up since it was planned. `settled`: it had been in
    doubt."""

    name: ClassVar[str] = "skipped"
    reason: str
    detail: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class MessageInDoubt(MessageEvent):
    """May or may not have been sent."""

    name: ClassVar[str] = "in_doubt"
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class MessageDoubled(MessageEvent):
    """A second acceptance for the same message came to light. Both are kept in the ledger."""

    name: ClassVar[str] = "doubled"
    message_id: str


@dataclass(frozen=True, slots=True)
class AnswerEvent(Event):
    """Something about a person's answer to a message of ours, on disk. What they wrote is in no
    event. `reply_id`: the API's id of what they wrote."""

    campaign: str
    recipient: str
    sender: str
    step: str
    thread_id: str
    reply_id: str


@dataclass(frozen=True, slots=True)
class PersonReplied(AnswerEvent):
    """A person has answered."""

    name: ClassVar[str] = "replied"


@dataclass(frozen=True, slots=True)
class PersonOptedOut(AnswerEvent):
    """A person has opted out by it."""

    name: ClassVar[str] = "opted_out"


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """Nothing can be sent before `until` (Unix seconds; None: until an answer comes)."""

    name: ClassVar[str] = "waiting"
    until: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """A sender (or the whole lane, when `sender` is empty) sends nothing more in this run."""

    name: ClassVar[str] = "stopped"
    sender: str
    why: str


@dataclass(frozen=True, slots=True)
class Braked(Event):
    """Nothing more of a campaign is begun: `how` is paused or cancelled (`by` a person), or guarded
    (then `why`)."""

    name: ClassVar[str] = "braked"
    campaign: str
    how: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Released(Event):
    """A campaign that had stopped goes on."""

    name: ClassVar[str] = "released"
    campaign: str
    by: str


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The run is over."""

    name: ClassVar[str] = "ended"
    campaign: str
    counts: dict[str, int]


@dataclass(slots=True)
class EventBus:
    """Hands each event to every watcher, at once and in order. `measures`: takes measurements, if
    there is one; they are no events."""

    measures: Measures | None = None
    _watchers: list[Callable[[Event], None]] = field(default_factory=list)
    _noticed: set[str] = field(default_factory=set)

    def watch(self, watcher: Callable[[Event], None]) -> None:
        self._watchers.append(watcher)

    def emit(self, event: Event) -> None:
        """Hand an event to every watcher; the same notice only once."""
        if isinstance(event, Notice):
            if event.text in self._noticed:
                return
            self._noticed.add(event.text)
        for watcher in self._watchers:
            watcher(event)
