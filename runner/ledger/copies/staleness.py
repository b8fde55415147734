"""Old copies of a ledger: how far one has come, and how an old copy is gone on with.

A snapshot, a synchronised folder or a restored backup looks like the ledger that it was, and knows
nothing of whom was written to since. So how far each ledger has come is kept outside of it too
(`seen_ledgers`), and compared whenever it is opened to be changed.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from runner.clock import iso
from runner.ledger.campaigns.audit import CLI
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.erasure.erasure import erase_again
from runner.ledger.messages.follow_ups import DUE_AT, IS_BEFORE, before_it
from runner.ledger.people import erased
from runner.ledger.schema import action, attempt, campaign, message, note, set_note, status_is
from runner.ledger.statements import Prepared
from runner.message.erased import NOBODY, ErasedPeople
from runner.message.evidence import AttemptOutcome, Evidence
from runner.message.key import message_key
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus

_S = MessageStatus

PRESUMED_ROWS = 500
"""Messages that one statement presumes sent."""

PROCESSES = 100
"""Processes whose newest entries are remembered: those that made one last."""

_CHANGES = "changes"
_LOST = "attempts_lost"  # that other copies were seen to have made
_PRESUMED = "presumed "
_ACCEPTED = "accepted_changes"  # that it had when it was last taken for one although it is old
_OLD = "old_copy"  # what a machine has missed in it
_ATTEMPT, _ACTION = "attempt", "action"


class Newest(NamedTuple):
    """The newest entry that a process knows to be on the disk of a ledger: an attempt's message and
    number, or an action's id and 0; when it was made, which tells it from what a copy has in its
    place; and how many changes (`ProgressMarks`) the ledger had by then, at least."""

    table: str
    id: int
    number: int
    at: float
    changes: int

    def is_same(self, other: Newest | None) -> bool:
        """Return whether it is the same entry, whatever the ledger had by then."""
        return other is not None and self == other._replace(changes=self.changes)


@dataclass(frozen=True, slots=True)
class ProgressMarks:
    """The progress of a ledger. Both counts only ever grow; `campaigns` are the names that it knows
    of what is real: without any it has had rehearsals alone. `newest`: what processes of one
    machine know to be in a database. Counts do not show that: a standby that took over without a
    machine's newest entries may have those of others, so that it counts more than was seen."""

    changes: int = 0  # commands that were allowed to change it
    attempts: int = 0  # with those of copies that it has taken the place of
    campaigns: tuple[str, ...] = ()
    newest: Mapping[str, Newest] = field(default_factory=dict)  # by process, the last one last

    @property
    def is_new(self) -> bool:
        """Return whether nothing real was ever planned with this ledger."""
        return not self.campaigns

    def is_behind(self, other: ProgressMarks) -> bool:
        """Return whether a copy from before `other` would have these."""
        return self.changes < other.changes or self.attempts < other.attempts

    def joined(self, other: ProgressMarks) -> ProgressMarks:
        """Return the furthest of both."""
        names = tuple(sorted({*self.campaigns, *other.campaigns}))
        changes = max(self.changes, other.changes)
        kept = {who: each for who, each in other.newest.items() if who not in self.newest}
        newest = dict([*kept.items(), *self.newest.items()][-PROCESSES:])
        return ProgressMarks(changes, max(self.attempts, other.attempts), names, newest)


def ledger_id(connection: Connection) -> str:
    """Read the ledger's own number, which its copies share."""
    return note(connection, "ledger_id")


def progress_marks(connection: Connection) -> ProgressMarks:
    """Read how far this ledger has come."""
    names = tuple(sorted(name for (name,) in _REAL_NAMES.rows(connection)))
    [(attempts,)] = _ATTEMPTS.rows(connection)
    lost = int(note(connection, _LOST) or 0)
    return ProgressMarks(changes(connection), attempts + lost, names)


def changes(connection: Connection) -> int:
    """Read how many commands were allowed to change this ledger; each copy that goes on by itself
    has begun with one more."""
    return int(note(connection, _CHANGES) or 0)


def _counted(database: str) -> Select[int]:
    if database != "sqlite":
        return select(func.count()).select_from(attempt)
    # Attempts are never deleted, so the last row's number is their count, at no cost.
    last = func.max(literal_column("rowid", Integer))
    return select(func.coalesce(last, 0)).select_from(attempt)


_ATTEMPTS = Prepared(_counted)
_REAL_NAMES = Prepared(
    lambda _: select(campaign.c.name).where(~campaign.c.is_test, ~campaign.c.rehearsal)
)


def advance(connection: Connection) -> ProgressMarks:
    """Count one more command that may change the ledger."""
    set_note(connection, _CHANGES, str(changes(connection) + 1))
    return progress_marks(connection)


def missing(connection: Connection, remembered: ProgressMarks) -> str:
    """Describe what a ledger lacks of what a machine knows was in it; empty for nothing. What was
    made before the ledger was accepted as an old copy is none of that: by its count of changes,
    since machines' clocks differ."""
    if told := is_told_old(connection):
        return told
    accepted = int(note(connection, _ACCEPTED) or 0)
    lost = [
        each
        for each in remembered.newest.values()
        if each.changes >= accepted and not _is_there(connection, each)
    ]
    if not lost:
        return ""
    what = "a send" if any(each.table == _ATTEMPT for each in lost) else "a change"
    seen = iso(max(each.at for each in lost))
    return f"{socket.gethostname()} knows of {what} at {seen} that is not in it"


def _is_there(connection: Connection, wanted: Newest) -> bool:
    if wanted.table == _ATTEMPT:
        its = attempt.c.message == wanted.id, attempt.c.number == wanted.number
        at = connection.scalar(select(attempt.c.started_at).where(*its))
    else:
        at = connection.scalar(select(action.c.at).where(action.c.id == wanted.id))
    return at == wanted.at


def newest_action(connection: Connection) -> Newest | None:
    """Read the last thing that a person did, in this ledger."""
    found = select(action.c.id, action.c.at).order_by(action.c.id.desc()).limit(1)
    row = connection.execute(found).first()
    return None if row is None else Newest(_ACTION, row.id, 0, row.at, changes(connection))


def newest_attempt(message: int, number: int, at: float, changes: int) -> Newest:
    """Make the entry of an attempt that has been committed, when the ledger had so many changes."""
    return Newest(_ATTEMPT, message, number, at, changes)


def is_told_old(connection: Connection) -> str:
    """Read what another machine misses in this ledger; empty for nothing."""
    return note(connection, _OLD)


def tell_old(connection: Connection, what: str) -> None:
    """Note in the ledger itself what a machine misses in it: other machines cannot know that."""
    set_note(connection, _OLD, what)


def accept(
    connection: Connection,
    remembered: ProgressMarks,
    names: Iterable[str],
    at: float,
    gone: ErasedPeople = NOBODY,
) -> ProgressMarks:
    """Go on with an old copy: from here on it is the ledger, further than any other copy.

    What a lost run may have sent of its campaigns, and of `names`, is presumed to be sent
    (`presume`), from now on: people may have been added to the files after the copy was made.
    People who are `gone`, erased since, are erased from it too.
    """
    erased.take_over(connection, gone, at)
    erase_again(connection, at, by="--accept-old-ledger", via=CLI)
    own = progress_marks(connection)
    real = ~campaign.c.is_test, ~campaign.c.rehearsal
    first_planned = select(campaign.c.name, campaign.c.created_at).where(*real)
    known = dict(connection.execute(first_planned).all())
    for name in sorted({*known, *remembered.campaigns, *names}):
        if accepted_at(connection, name) is None:
            since = known.get(name, 0.0)
            set_note(connection, _PRESUMED + name, json.dumps({"since": since, "at": at}))
    lost = int(note(connection, _LOST) or 0) + max(0, remembered.attempts - own.attempts)
    set_note(connection, _LOST, str(lost))
    set_note(connection, _CHANGES, str(max(own.changes, remembered.changes)))
    set_note(connection, _OLD, "")
    accepted = advance(connection)
    set_note(connection, _ACCEPTED, str(accepted.changes))
    return accepted


def was_accepted(connection: Connection) -> bool:
    """Return whether a person has had this ledger take the place of one that knew more."""
    return bool(note(connection, _ACCEPTED))


def accepted_at(connection: Connection, name: str) -> float | None:
    """Read when (Unix s) a campaign went on from an old copy; None if it never did."""
    presumed = note(connection, _PRESUMED + name)
    return float(json.loads(presumed)["at"]) if presumed else None


def _was_to_come(at: float) -> ColumnElement[bool]:
    """Return the condition that a follow-up was not due yet when a copy was accepted, after a
    message that was sent before. Should a lost run have sent it all the same, by a shorter `after`:
    its thread shows that before it goes, and it is skipped."""
    return exists().where(
        IS_BEFORE,
        status_is(before_it, _S.SENT),
        before_it.c.sent_at <= at,
        at < DUE_AT,
    )


def presume(connection: Connection, row: CampaignRow, version: str, base_url: str, run: int) -> int:
    """Put in doubt what a run that an accepted copy does not know may have sent of a campaign: all
    that is queued and was not in doubt for this reason before, but for follow-ups that were due
    only later. Return how many.

    Each gets an attempt of no known run, without a body, from the time that the campaign was first
    planned, so that look-ups know where to begin. The campaign must be bound.
    """
    presumed = note(connection, _PRESUMED + row.name)
    if not presumed:
        return 0
    note_of = json.loads(presumed)
    since, accepted_at = float(note_of["since"]), float(note_of["at"])
    before = exists().where(attempt.c.message == message.c.id, attempt.c.body == b"")
    wanted = (
        select(
            message.c.id,
            message.c.step,
            message.c.platform,
            message.c.id_type,
            message.c.recipient,
            message.c.generation,
            message.c.sender,
            message.c.attempts,
        )
        .where(
            message.c.campaign == row.id,
            message.c.status == _S.QUEUED,
            ~before,
            ~_was_to_come(accepted_at),
        )
        .order_by(message.c.id)
        .limit(PRESUMED_ROWS)
        .with_for_update()
    )
    count = 0
    while rows := connection.execute(wanted).all():
        made = [
            {
                "message": each.id,
                "number": each.attempts + 1,
                "run": run,
                "sender": each.sender,
                "version": version,
                "base_url": base_url,
                "lane": row.lane,
                "key": message_key(
                    row.name,
                    each.step,
                    Recipient(each.platform, each.id_type, each.recipient),
                    each.generation,
                ),
                "body": b"",
                "started_at": since,
                "server_at": since,
                "outcome": AttemptOutcome.UNKNOWN,
                "evidence": Evidence.PRESUMED,
                "reason": "old_ledger",
            }
            for each in rows
        ]
        connection.execute(insert(attempt), made)
        connection.execute(
            update(message)
            .where(message.c.id.in_([each.id for each in rows]))
            .values(
                status=_S.IN_DOUBT,
                attempts=message.c.attempts + 1,
                reason="old_ledger",
                detail="the ledger was an old copy: a run that it does not know may have sent it",
            )
        )
        count += len(rows)
    return count
