"""How a campaign stands, from the ledger alone: counts, and what needs a person."""

from __future__ import annotations

import os.path
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from runner.clock import iso
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Connection
from runner.ledger.messages import holds
from runner.ledger.messages import in_doubt as message_in_doubt
from runner.ledger.messages import queue as message_queue
from runner.ledger.messages.holds import NONE_HELD, Held
from runner.ledger.messages.in_doubt import Doubt
from runner.ledger.messages.queue import Waiting
from runner.ledger.queries import totals
from runner.message.key import name_fields
from runner.message.status import MessageStatus

_S = MessageStatus
RATE_OVER = 3600.0
"""Seconds that the shown rate looks back."""


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Another campaign with messages to the same people that are on their way or in doubt. `count`:
    how many queued messages wait for that; `file`: its campaign file, from the folder of the one
    that waits. `settling`: whether it is being sent now, and nothing of it that is waited for is in
    doubt."""

    campaign: str
    file: str
    count: int
    lane: str | None = None
    doubts: int = 0
    settling: bool = False

    def path_beside(self, file: str) -> str:
        """Its campaign file as a command is to name it; `file`: that of the campaign that waits."""
        return os.path.normpath(os.path.join(os.path.dirname(file), self.file))


@dataclass(frozen=True, slots=True)
class Status:
    """A campaign's figures. `per_hour`: messages sent in the last hour; `driven`: who sends it now,
    in words, empty for nobody; `owned`: whether whoever began what is being sent still lives."""

    campaign: str
    counts: dict[MessageStatus, int]
    reasons: list[tuple[MessageStatus, str, int]]
    in_doubt: list[Doubt]
    waiting: list[Waiting]
    per_hour: int
    driven: str = ""
    owned: bool = False
    unplanned: int = 0  # came back into the queue: the next plan looks at them first
    brake: Brake | None = None  # what stops it, until a person lets it go on
    stopped_senders: dict[str, Brake] = field(default_factory=dict)  # of those with a queue
    waits_for: list[WaitsFor] = field(default_factory=list)
    held: Held = NONE_HELD  # queued, to people on hold

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def told(self) -> dict[MessageStatus, int]:
        """The counts for people: what was begun by whoever lives no more is in doubt."""
        if self.owned:
            return self.counts
        doubts = self.counts[_S.IN_DOUBT] + self.counts[_S.SENDING]
        return self.counts | {_S.IN_DOUBT: doubts, _S.SENDING: 0}

    @property
    def queue(self) -> dict[tuple[str, str], int]:
        """Messages that are to be sent as things stand, per sender and zone."""
        found: Counter[tuple[str, str]] = Counter()
        for each in self.waiting:
            found[each.sender, each.zone] += each.count
        return dict(found)

    @property
    def queued(self) -> int:
        """All of them."""
        return sum(self.queue.values())

    @property
    def blocked(self) -> int:
        """Queued, but not to be sent as things stand: the same person has a message on its way or
        in doubt."""
        return self.counts[_S.QUEUED] - self.queued - self.unplanned - self.held.without_end

    @property
    def settled(self) -> bool:
        """Whether nobody is failed, in doubt, or waiting."""
        open_ = (_S.QUEUED, _S.SENDING, _S.IN_DOUBT, _S.FAILED)
        return not any(self.counts[status] for status in open_)

    def as_json(self) -> dict[str, Any]:
        """The public form: names stay."""
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


def _brake_as_json(brake: Brake) -> dict[str, str | None]:
    return {"how": str(brake.kind), "at": iso(brake.at), "by": brake.by, "why": brake.why}


def status_in(connection: Connection, campaign: CampaignRow, now: float) -> Status:
    """How a campaign stands at `now` (Unix seconds), as one look at the ledger has it. Who sends it
    is not asked."""
    waiting = message_queue.waiting(connection, [campaign.id])
    senders = {each.sender for each in waiting}
    counts = totals.counts(connection, campaign.id)
    found = Status(
        campaign=campaign.name,
        counts=counts,
        reasons=totals.reasons(connection, campaign.id),
        in_doubt=message_in_doubt.in_doubt(connection, [campaign.id])
        if counts[_S.IN_DOUBT]
        else [],
        waiting=waiting,
        per_hour=totals.sent_between(connection, campaign.id, now - RATE_OVER),
        unplanned=totals.unplanned(connection, [campaign.id]),
        brake=brakes.active(connection, [campaign.id]).get(campaign.id),
        stopped_senders=brakes.stopped_senders(connection, senders),
        held=holds.held_of(connection, campaign.id, now),
    )
    if found.blocked <= 0:
        return found
    folder = os.path.dirname(campaign.path)
    waits_for = [
        WaitsFor(
            each.campaign,
            os.path.relpath(each.path, folder or "."),
            each.waiting,
            each.lane,
            each.doubts,
        )
        for each in message_queue.ahead_of(connection, campaign.id)
    ]
    return replace(found, waits_for=waits_for)


@dataclass(frozen=True, slots=True)
class Need:
    """What only a person can do: what is so, since when if that is known (Unix s), why, and the
    words of the command that does it after `run-campaign`; no words where none does. `then`: what
    the command is for, or has to be done before it."""

    what: str
    words: tuple[str, ...] = ()
    since: float | None = None
    why: str = ""
    then: str = ""


def needs_of(status: Status, file: str) -> list[Need]:
    """What needs a person, in the order in which to see to it. `file`: the campaign's, as the
    commands are to name it."""
    found = []
    brake = status.brake
    if brake is not None and brake.kind not in BY_A_PERSON:
        what = "stopped by its guard" if brake.kind is BrakeKind.GUARDED else "stopped"
        found.append(Need(what, (file,), brake.at, brake.why, "see to that, then go on"))
    elif brake is not None:
        what = f"{brake.kind} by {brake.by}"
        why = "nothing of it is sent"
        found.append(Need(what, ("resume", file), brake.at, why, "resume with"))
    for sender, stop in status.stopped_senders.items():
        waiting = sum(count for (who, _), count in status.queue.items() if who == sender)
        what = f"{waiting:,} wait for sender {sender}, stopped"
        found.append(Need(what, since=stop.at, why=stop.why))
    if doubts := status.told[_S.IN_DOUBT]:
        found.append(Need(f"{doubts:,} in doubt", ("resolve", file)))
    for each in status.waits_for:
        if not each.settling:
            what = f"{each.count:,} wait for {each.campaign}, in doubt about the same people"
            found.append(Need(what, ("resolve", each.path_beside(file))))
    if held := status.held.messages:
        what, then = f"held: {held:,}", "see who with hold --list; to let them go on"
        found.append(Need(what, ("unhold", "ID"), then=then))
    if failed := status.counts[_S.FAILED]:
        found.append(Need(f"{failed:,} failed", ("retry", file)))
    return found
