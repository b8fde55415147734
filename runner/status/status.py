"""A campaign's status: counts, what stops it, what it waits for, and what needs a person."""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runner.clock import iso
from runner.formats import by_handle
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import in_doubt as message_in_doubt
from runner.ledger.doubts.in_doubt import Doubt
from runner.ledger.ledger import Connection
from runner.ledger.messages import queue as message_queue
from runner.ledger.messages.queue import SenderQueue
from runner.ledger.people import holds
from runner.ledger.people.holds import NONE_HELD, Held
from runner.ledger.queries import replied, totals
from runner.ledger.queries.replied import ReadUpTo
from runner.ledger.queries.steps import StepFigures, step_figures
from runner.message.key import name_fields
from runner.message.status import MessageStatus
from runner.status.driver import driver_of, is_owned
from runner.variants.verdict import Verdict

if TYPE_CHECKING:
    from runner.pacing.capacity import SustainedRate
    from runner.pacing.forecast import Forecast
    from runner.planning.dates.daily_sum import DailySum

_S = MessageStatus
RATE_PERIOD = 3600.0
"""Seconds over which the shown rate is counted."""


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Another campaign with messages to the same people that are on their way or in doubt. `count`:
    how many queued messages wait for that; `file`: its campaign file, from the folder of the one
    that waits. `settling`: whether it is being sent now, and nothing of it that is waited for is in
    doubt."""

    campaign: str
    file: str
    count: int
    settling: bool = False

    def path_beside(self, file: str) -> str:
        """Return its campaign file as a command is to name it; `file`: that of the campaign that
        waits."""
        return os.path.normpath(os.path.join(os.path.dirname(file), self.file))


@dataclass(frozen=True, slots=True)
class Outlook:
    """The outlook of a campaign's queue: its finish time, what its next message waits for now
    (`binds_now`, empty for nothing, until `next_at` in Unix seconds), how fast its limits let
    it go, and each sender's sum for `today`. All of that is unknown when nothing is queued,
    something stops the campaign, or its file cannot be read."""

    forecast: Forecast | None = None
    binds_now: str = ""
    next_at: float | None = None
    allowed: SustainedRate | None = None
    today: tuple[DailySum, ...] = ()
    by_steps: bool = False  # its next message waits only for a follow-up's time


@dataclass(frozen=True, slots=True)
class Status:
    """A campaign as it stands. `per_hour`: messages sent in the last hour; `driver`: who sends it
    now, in words, empty for nobody; `is_owned`: whether the process that began what is being sent
    still lives; `file`: the campaign file, as commands are to name it."""

    campaign: str
    counts: dict[MessageStatus, int]
    reasons: list[tuple[MessageStatus, str, int]]
    in_doubt: list[Doubt]
    waiting: list[SenderQueue]
    per_hour: int
    id: int = 0
    file: str = ""
    driver: str = ""
    is_owned: bool = False
    unplanned: int = 0  # came back into the queue: the next plan looks at them first
    brake: Brake | None = None  # what stops it, until a person lets it go on
    stopped_senders: dict[str, Brake] = field(default_factory=dict)  # of those with a queue
    waits_for: list[WaitsFor] = field(default_factory=list)
    held: Held = NONE_HELD  # queued, to people on hold
    replied: int = 0  # people who have answered
    to_read: int = 0  # of these, those on hold until a person has read what they wrote
    read_up_to: ReadUpTo | None = None  # how far replies were read; None where nobody was asked
    steps: list[StepFigures] = field(default_factory=list)  # none where nothing follows
    outlook: Outlook = Outlook()
    verdict: Verdict | None = None  # on its variants; None where there are none
    handles: Mapping[str, str] = field(default_factory=dict)  # of senders, by id

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def shown_counts(self) -> dict[MessageStatus, int]:
        """Return the counts for people, as `shown` does."""
        return self.shown(self.counts)

    def shown(self, counts: Mapping[MessageStatus, int]) -> dict[MessageStatus, int]:
        """Return counts of its messages for people: what a process began that lives no more is in
        doubt."""
        found = dict(counts)
        if self.is_owned:
            return found
        under_way = found.get(_S.SENDING, 0)
        return found | {_S.IN_DOUBT: found.get(_S.IN_DOUBT, 0) + under_way, _S.SENDING: 0}

    @property
    def queue(self) -> dict[tuple[str, str], int]:
        """Return messages that are to be sent as things stand, per sender and zone."""
        found: Counter[tuple[str, str]] = Counter()
        for each in self.waiting:
            found[each.sender, each.zone] += each.count
        return dict(found)

    @property
    def queued(self) -> int:
        """Return all messages of `queue`."""
        return sum(self.queue.values())

    @property
    def to_follow(self) -> int:
        """Return the follow-ups to come: those that wait, and those whose time is running."""
        return sum(each.to_come for each in self.steps if each.previous)

    @property
    def time_running(self) -> int:
        """Return the follow-ups whose time is running: they are queued."""
        return sum(each.counts[_S.QUEUED] for each in self.steps if each.previous)

    @property
    def first_queued(self) -> int:
        """Return the first messages of `queue`."""
        return sum(each.count for each in self.waiting if not each.follows)

    @property
    def next_follow_up(self) -> StepFigures | None:
        """Return the step whose follow-up is due first, None where none has its time running."""
        due = [each for each in self.steps if each.previous and each.next_at is not None]
        return min(due, key=lambda each: each.next_at or 0.0, default=None)

    @property
    def blocked(self) -> int:
        """Return messages that are queued, but not to be sent as things stand: the same person has
        a message on its way or in doubt."""
        return self.counts[_S.QUEUED] - self.queued - self.unplanned - self.held.without_end

    def as_json(self) -> dict[str, Any]:
        """Return the public form, whose names stay."""
        return {
            **name_fields(self.campaign),
            "counts": {str(status): count for status, count in self.counts.items()},
            "total": self.total,
            "in_doubt": [doubt.recipient.id for doubt in self.in_doubt],
            "reasons": [
                {"status": str(status), "reason": reason, "count": count}
                for status, reason, count in self.reasons
            ],
            "held": self.held.messages,
            "replied": self.replied,
            "to_read": self.to_read,
            "replies_read_at": iso(self.read_up_to.at) or None if self.read_up_to else None,
            "variants": None if self.verdict is None else self.verdict.as_json(),
            "steps": [_step_as_json(each) for each in self.steps],
            "waits_for": [
                {**name_fields(each.campaign), "count": each.count} for each in self.waits_for
            ],
            "sent_last_hour": self.per_hour,
            "brake": None if self.brake is None else _brake_as_json(self.brake),
            "stopped_senders": {
                sender: {"at": iso(brake.at), "why": brake.why}
                for sender, brake in self.stopped_senders.items()
            },
        }


def _step_as_json(step: StepFigures) -> dict[str, Any]:
    return {
        "step": step.name,
        "after": step.after,
        "counts": {str(status): step.counts[status] for status in _S},
        "skipped": dict(step.skipped.most_common()),
        "next_at": iso(step.next_at) or None,
        "why": step.why,
    }


def waits_for_text(status: Status, step: StepFigures, now: float) -> str:
    """Return what the next follow-up waits for, empty for nothing but its time and its turn.
    `step`: its own."""
    assert step.next_at is not None
    if step.why:
        return step.why
    if step.next_at > now:
        return ""
    read_at = status.read_up_to.at if status.read_up_to is not None else None
    if read_at is None or read_at <= step.next_at:
        return "replies to be read"
    return ""


def _brake_as_json(brake: Brake) -> dict[str, str | None]:
    return {"how": str(brake.kind), "at": iso(brake.at), "by": brake.by, "why": brake.why}


def status_of(
    connection: Connection,
    row: CampaignRow,
    now: float,
    file: str = "",
    *,
    with_driver: bool = True,
) -> Status:
    """Return the status of a campaign at `now` (Unix seconds), without its outlook, in one
    snapshot of the ledger. `with_driver`: False for the run itself, which knows who drives it."""
    waiting = message_queue.waiting(connection, [row.id])
    counts = totals.counts(connection, row.id)
    found = Status(
        campaign=row.name,
        counts=counts,
        reasons=totals.reasons(connection, row.id),
        in_doubt=message_in_doubt.in_doubt(connection, [row.id]) if counts[_S.IN_DOUBT] else [],
        waiting=waiting,
        per_hour=totals.sent_between(connection, row.id, now - RATE_PERIOD),
        id=row.id,
        file=file,
        driver=driver_of(connection, row) if with_driver else "",
        is_owned=with_driver and is_owned(connection, row.lane),
        unplanned=totals.unplanned(connection, [row.id]),
        brake=brakes.active(connection, [row.id]).get(row.id),
        stopped_senders=brakes.stopped_senders(connection, {each.sender for each in waiting}),
        held=holds.held_of(connection, row.id, now),
        steps=step_figures(connection, row.id),
        replied=replied.count_replied(connection, row.id),
        to_read=replied.count_to_read(connection, row.id),
        read_up_to=replied.read_up_to(connection, row.lane) if counts[_S.SENT] else None,
    )
    if found.blocked <= 0:
        return found
    return replace(found, waits_for=_waits_for(connection, row, with_driver=with_driver))


def _waits_for(connection: Connection, row: CampaignRow, *, with_driver: bool) -> list[WaitsFor]:
    folder = os.path.dirname(row.path) or "."
    return [
        WaitsFor(
            each.campaign,
            os.path.relpath(each.path, folder),
            each.waiting,
            settling=with_driver and not each.doubts and is_owned(connection, each.lane),
        )
        for each in message_queue.blocking_campaigns(connection, row.id)
    ]


@dataclass(frozen=True, slots=True)
class Need:
    """A need of a person: what is so, since when if that is known (Unix s), why, and the words of
    the command that sees to it after `run-campaign`; no words where none does. `then`: what the
    command is for, or has to be done before it."""

    what: str
    words: tuple[str, ...] = ()
    since: float | None = None
    why: str = ""
    then: str = ""


def needs_of(status: Status) -> list[Need]:
    """Return what needs a person, in the order in which to see to it."""
    found, file, brake = [], status.file, status.brake
    if brake is not None and brake.kind not in BY_A_PERSON:
        what = "stopped by its guard" if brake.kind is BrakeKind.GUARDED else "stopped"
        found.append(Need(what, (file,), brake.at, brake.why, "fix the cause, then go on"))
    elif brake is not None:
        what = f"{brake.kind} by {brake.by}"
        why = "nothing of it is sent"
        found.append(Need(what, ("resume", file), brake.at, why, "resume with"))
    for sender, stop in status.stopped_senders.items():
        waiting = sum(count for (who, _), count in status.queue.items() if who == sender)
        what = f"{waiting:,} wait for sender {by_handle(sender, status.handles)}, stopped"
        found.append(Need(what, since=stop.at, why=stop.why))
    if doubts := status.shown_counts[_S.IN_DOUBT]:
        found.append(Need(f"{doubts:,} in doubt", ("resolve", file)))
    for each in status.waits_for:
        if not each.settling:
            what = f"{each.count:,} wait for {each.campaign}, in doubt about the same people"
            found.append(Need(what, ("resolve", each.path_beside(file))))
    if status.to_read:
        then = "then suppress add ID or unhold ID; who they are"
        what = f"{status.to_read:,} on hold until a person has read what they wrote"
        found.append(Need(what, ("replies", file), then=then))
    if held := status.held.messages:
        then = "see who with hold --list; never again: suppress add ID; to let them go on"
        found.append(Need(f"held: {held:,}", ("unhold", "ID"), then=then))
    if failed := status.counts[_S.FAILED]:
        found.append(Need(f"{failed:,} failed", ("retry", file)))
    return found
