"""The erasing of people from the rows of the ledger, in one transaction. Counts stay."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, bindparam, delete, exists, insert, select, update

from runner.errors import RunnerError
from runner.ledger.campaigns import audit
from runner.ledger.campaigns.audit import Act
from runner.ledger.erasure.records import Person, Records, known_as, people_of, records, their_cells
from runner.ledger.locks import lock_all_campaigns, lock_claims, lock_submissions
from runner.ledger.messages import feeds
from runner.ledger.messages.replies import Kind
from runner.ledger.people import erased, holds
from runner.ledger.schema import (
    acquaintance,
    action,
    attempt,
    campaign,
    handle,
    hold,
    inbound,
    message,
    opt_out,
    other_id,
    read_back,
    resolution,
    row_skip,
    status_is,
    submission,
    suppression,
)
from runner.message.erased import (
    PLACEHOLDER,
    ErasedPeople,
    is_placeholder,
    keyed_hash,
    of_handle,
    of_id,
    of_thread,
)
from runner.message.evidence import AttemptOutcome
from runner.message.status import MOVES, OPEN, MessageStatus, SkipReason

_S = MessageStatus

NOT_BEGUN = frozenset(status for status in _S if _S.SKIPPED in MOVES[status])
"""Statuses of messages that are still to go: these become `skipped`."""


class Unsettled(NamedTuple):
    """A message to a person that is on its way, or in doubt: the campaign's name and file."""

    recipient: str
    status: str
    campaign: str
    path: str


class UnsettledError(RunnerError):
    """A person cannot be erased yet: whether a message reached them is not known."""


@dataclass(frozen=True, slots=True)
class Erased:
    """The outcome of an erasing: rows by table, and how many messages it took out of the queue."""

    rows: Mapping[str, int]
    stopped: int


def unsettled(connection: Connection, ids: Collection[str]) -> list[Unsettled]:
    """List what is on its way to people, in doubt, or not answered yet."""
    begun = exists().where(
        attempt.c.message == message.c.id,
        attempt.c.outcome == AttemptOutcome.UNKNOWN,
        attempt.c.ended_at.is_(None),
    )
    wanted = (
        select(message.c.recipient, message.c.status, campaign.c.name, campaign.c.path)
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(status_is(message, *OPEN) | begun)
        .order_by(message.c.id)
    )
    found: list[Unsettled] = []
    for some in _parts(sorted(ids)):
        rows = connection.execute(wanted.where(message.c.recipient.in_(some)))
        found += [Unsettled(*row) for row in rows]
    return found


def erase(
    connection: Connection,
    person: Person,
    at: float,
    *,
    by: str,
    via: str,
    count: int,
    handle_columns: Collection[str] = (),
) -> Erased:
    """Erase people from every table, and let nobody write to them again. `count`: of them, for the
    record of who did it, which does not name them.

    Raises UnsettledError while a message to one of them is on its way or in doubt.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    lock_all_campaigns(connection)
    lock_claims(connection)
    _lock_messages(connection, person)
    if open_ones := unsettled(connection, person.ids):
        raise refusal(open_ones)
    found = records(connection, person, handle_columns)
    texts = [of_id(id) for id in person.ids]
    texts += [of_handle(platform, name) for platform, name in person.handles]
    texts += [of_thread(thread) for thread in found.threads]
    people = erased.add(connection, texts, at)
    stopped = _messages(connection, found.rows[message], people)
    _attempts(connection, found.rows[message])
    _answers(connection, found, people)
    _rows_of_sheets(connection, found, person, people, handle_columns)
    _lists(connection, found, person)
    _cut(connection, action, "detail", found.rows[action], person)
    if found.rows[submission]:
        lock_submissions(connection)
        _cut(connection, submission, "suppressed", found.rows[submission], person)
    audit.record(connection, Act.ERASE, at=at, by=by, via=via, count=count)
    return Erased(found.counts(), stopped)


def erase_again(connection: Connection, at: float, *, by: str, via: str) -> tuple[int, int]:
    """Erase people who were erased, and are here again since rows of another ledger, or of an older
    copy, have come. Return how many these are, and how many more cannot be erased yet: a message to
    them is in doubt. Those are on the do-not-contact list until they are."""
    gone = erased.people(connection)
    if not gone:
        return 0, 0
    holding = (c.c.recipient for c in (message, row_skip, suppression, hold, acquaintance))
    ids = {id for each in holding for id in connection.execute(select(each).distinct()).scalars()}
    theirs = {id for id in ids if not is_placeholder(id) and gone.has_id(id)}
    waiting = {each.recipient for each in unsettled(connection, theirs)}
    for part in _parts(sorted(waiting)):
        connection.execute(delete(suppression).where(suppression.c.recipient.in_(part)))
        rows = [{"recipient": id, "reason": erased.TO_ERASE, "added_at": at} for id in part]
        connection.execute(insert(suppression), rows)
    if settled := theirs - waiting:
        person = known_as(connection, settled)
        erase(connection, person, at, by=by, via=via, count=len(settled))
    return len(settled), len(waiting)


def refusal(open_ones: Sequence[Unsettled]) -> UnsettledError:
    """Make the error for people to whom something is on its way or in doubt."""
    first, more = open_ones[0], len(open_ones) - 1
    word = "in doubt" if first.status == _S.IN_DOUBT else "being sent"
    others = f", and {more} more" if more else ""
    return UnsettledError(
        f"a message to {first.recipient} is {word} in {first.campaign}{others}: whether it was "
        "sent is not known yet; nobody was erased",
        f"settle it, then run this again: run-campaign resolve {first.path}",
    )


def _lock_messages(connection: Connection, person: Person) -> None:
    """Let what is being recorded of these people's messages end."""
    numbers: list[int] = []
    for some in _parts(sorted(person.ids)):
        wanted = select(message.c.id).where(message.c.recipient.in_(some))
        numbers += connection.execute(wanted).scalars()
    for some in _parts(sorted(numbers)):
        wanted = select(message.c.id).where(message.c.id.in_(some)).order_by(message.c.id)
        connection.execute(wanted.with_for_update()).all()


def _messages(connection: Connection, rows: Sequence[Any], people: ErasedPeople) -> int:
    """Empty messages, take those that are to go out of the queue, and return how many these are."""
    values: list[dict[str, Any]] = []
    stopped = 0
    for row in rows:
        waits = MessageStatus(row.status) in NOT_BEGUN
        # A plan would give those another reason again and again.
        freed = row.status == _S.SKIPPED and row.reason == SkipReason.CONTACTED
        stopped += waits
        values.append(
            {
                "_id": row.id,
                "recipient": people.placeholder(row.recipient),
                "status": _S.SKIPPED if waits else row.status,
                "reason": SkipReason.ERASED if waits or freed else row.reason,
                "not_before": 0.0 if waits or freed else row.not_before,
            }
        )
    if values:
        names = ("recipient", "status", "reason", "not_before")
        connection.execute(
            update(message)
            .where(message.c.id == bindparam("_id"))
            .values({name: bindparam(name) for name in names} | _EMPTY),
            values,
        )
    return stopped


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("text", "detail", "zone"), ""),
    "columns": "{}",
    **dict.fromkeys(("message_id", "thread_id")),
    **dict.fromkeys(("unplanned", "outdated"), False),
}
"""The values of an erased person's message that are the same for all."""


def _attempts(connection: Connection, rows: Sequence[Any]) -> None:
    for some in _parts([row.id for row in rows]):
        connection.execute(
            update(attempt)
            .where(attempt.c.message.in_(some))
            .values(key="", body=b"", detail="", request_id="", message_id="", thread_id="")
        )
        connection.execute(delete(resolution).where(resolution.c.message.in_(some)))


def _answers(connection: Connection, found: Records, people: ErasedPeople) -> None:
    """Keep that they have answered, and delete what only lies in their threads."""
    key = people.keys[0]
    for row in found.rows[inbound]:
        its = inbound.c.lane == row.lane, inbound.c.message_id == row.message_id
        if row.answers is None:
            connection.execute(delete(inbound).where(*its))
            continue
        made = {
            name: PLACEHOLDER + keyed_hash(key, f"{name} {getattr(row, name)}")
            for name in ("message_id", "thread_id")
        }
        kind = Kind.REPLY if row.kind == Kind.UNREAD else row.kind  # nobody can read it any more
        connection.execute(update(inbound).where(*its).values(words="", kind=kind, **made))
    for row in found.rows[read_back]:
        feeds.was_read_back(connection, row.lane, row.thread_id)


def _rows_of_sheets(
    connection: Connection,
    found: Records,
    person: Person,
    people: ErasedPeople,
    handle_columns: Collection[str],
) -> None:
    for row in found.rows[row_skip]:
        recipient = people.placeholder(row.recipient) if row.recipient else ""
        connection.execute(
            update(row_skip)
            .where(row_skip.c.campaign == row.campaign, row_skip.c.row == row.row)
            .values(recipient=recipient, detail="", columns="{}")
        )
    for table in (row_skip, message):
        numbers = {(id, row) for name, id, row, _ in found.mentions if name == table.name}
        for id, row in sorted(numbers):
            its = table.c.campaign == id, table.c.row == row
            for other in connection.execute(select(table).where(*its)).all():
                cells = json.loads(other.columns)
                cells |= dict.fromkeys(their_cells(other.columns, person, handle_columns), "")
                told = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
                same = (column == other._mapping[column.name] for column in table.primary_key)
                connection.execute(update(table).where(*same).values(columns=told))


def _lists(connection: Connection, found: Records, person: Person) -> None:
    for some in _parts(sorted(person.ids)):
        connection.execute(delete(suppression).where(suppression.c.recipient.in_(some)))
        connection.execute(delete(opt_out).where(opt_out.c.recipient.in_(some)))
        connection.execute(delete(hold).where(hold.c.recipient.in_(some)))
        connection.execute(delete(other_id).where(other_id.c.recipient.in_(some)))
        theirs = acquaintance.c.recipient.in_(some) | acquaintance.c.contact.in_(some)
        connection.execute(delete(acquaintance).where(theirs))
    if found.rows[hold]:
        holds.count_change(connection)
    for row in found.rows[handle]:
        its = (
            handle.c.rehearsal == row.rehearsal,
            handle.c.platform == row.platform,
            handle.c.handle == row.handle,
        )
        if row.id in person.ids or (row.platform, row.handle) in person.handles:
            connection.execute(delete(handle).where(*its))
        else:  # another's by now
            connection.execute(update(handle).where(*its).values(before=""))


def _cut(
    connection: Connection, table: Table, column: str, rows: Sequence[Any], person: Person
) -> None:
    """Take people out of JSON lists of people; what was said of them alone goes too."""
    for row in rows:
        told: Any = json.loads(row._mapping[column])
        if isinstance(told, dict):
            left = [each for each in told.get("recipients", ()) if each not in person.ids]
            why = told.get("why", "")
            about_them = not left or any(word in why for word in person.ids)
            told = {"recipients": left, "why": "" if about_them else why}
            told = {key: value for key, value in told.items() if value}
        else:
            told = sorted(people_of(row._mapping[column]) - person.ids)
        same = (each == row._mapping[each.name] for each in table.primary_key)
        values = {column: json.dumps(told, ensure_ascii=False)}
        connection.execute(update(table).where(*same).values(values))


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), 200):
        yield values[start : start + 200]
