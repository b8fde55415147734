"""The counts of a campaign by time, sender and column, grouped in the database,
so that a million messages take a few hundred rows of memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Subquery,
    case,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from runner.ledger.queries import replied
from runner.ledger.queries.exports import export_names
from runner.ledger.queries.replied import Figures
from runner.ledger.queries.totals import is_own_result
from runner.ledger.schema import attempt, message, row_skip, status_is
from runner.message.status import MessageStatus

_S = MessageStatus

ENDED = (_S.SENT, _S.REJECTED, _S.FAILED, _S.IN_DOUBT)
"""The statuses that a message comes to at a known moment."""

SHOWN = 120
"""Characters of a cell that tell its value from others."""
SAMPLE = 200
"""Messages and rows whose columns are taken to be those of the sheet."""


class SenderCount(NamedTuple):
    """Messages of one sender, status and zone; `last_at`: when the last was sent (Unix s)."""

    sender: str
    status: MessageStatus
    zone: str
    messages: int
    last_at: float | None


class SentSlot(NamedTuple):
    """Messages of one sender and zone that were sent within `every` seconds from `begin` on (Unix
    s, a multiple of `every`), the last of them at `last_at`."""

    sender: str
    zone: str
    begin: float
    messages: int
    last_at: float


def sent(connection: Connection, id: int, every: int) -> list[SentSlot]:
    """Count the sent messages of a campaign in slots of `every` seconds: the one look at all of
    them, which takes long where there are many."""
    slot = _whole(connection, message.c.sent_at / every).label("slot")
    group = message.c.sender, message.c.zone, slot
    rows = connection.execute(
        select(*group, func.count(), func.max(message.c.sent_at))
        .where(message.c.campaign == id, status_is(message, _S.SENT))
        .group_by(*group)
        .order_by(*group)
    )
    return [
        SentSlot(sender, zone, float(number * every), count, last)
        for sender, zone, number, count, last in rows
    ]


def by_sender(connection: Connection, id: int, sent_slots: Sequence[SentSlot]) -> list[SenderCount]:
    """Return a campaign's messages by sender, status and zone. `sent_slots`: those sent."""
    found: dict[tuple[str, MessageStatus, str], SenderCount] = {}
    for each in sent_slots:
        key = each.sender, _S.SENT, each.zone
        before = found.get(key, SenderCount(*key, 0, None))
        last = max(before.last_at or 0.0, each.last_at)
        found[key] = SenderCount(*key, before.messages + each.messages, last)
    group = message.c.sender, message.c.zone
    for status in _S:
        if status is not _S.SENT:  # each by an index of its own
            rows = connection.execute(
                select(*group, func.count())
                .where(message.c.campaign == id, status_is(message, status))
                .group_by(*group)
            )
            for sender, zone, count in rows:
                key = sender, status, zone
                found[key] = SenderCount(*key, count, None)
    return [found[key] for key in sorted(found)]


class Slot(NamedTuple):
    """Messages of one sender that came to `status` within `every` seconds from `begin` on (Unix s,
    a multiple of `every`)."""

    sender: str
    status: MessageStatus
    begin: float
    messages: int


def ended_between(connection: Connection, id: int) -> tuple[float, float] | None:
    """Return when the first and the last of a campaign's messages came to their status (Unix s)."""
    at = message.c.sent_at
    mine = message.c.campaign == id, status_is(message, _S.SENT)
    # Two looks into an index: both in one would read all of it.
    first, last = (
        connection.execute(select(end).where(*mine)).scalar()
        for end in (func.min(at), func.max(at))
    )
    others = _others(id)
    ends = [
        (first, last),
        connection.execute(select(func.min(others.c.at), func.max(others.c.at))).one(),
    ]
    known = [(first, last) for first, last in ends if first is not None]
    if not known:
        return None
    return min(first for first, _ in known), max(last for _, last in known)


def ended(
    connection: Connection, id: int, every: int, sent_slots: Sequence[SentSlot]
) -> list[Slot]:
    """Count a campaign's messages by the time when they were sent, which are the `sent_slots`, or
    else their last attempt ended, in slots of `every` seconds."""
    sent_in: Counter[tuple[str, float]] = Counter()  # over zones
    for each in sent_slots:
        sent_in[each.sender, each.begin] += each.messages
    ordered = sorted(sent_in.items())
    found = [Slot(sender, _S.SENT, begin, count) for (sender, begin), count in ordered]
    others = _others(id)
    slot = _whole(connection, others.c.at / every).label("slot")
    group = others.c.sender, others.c.status, slot
    counted = select(*group, func.count()).group_by(*group).order_by(*group)
    found += [
        Slot(sender, MessageStatus(status), float(number * every), count)
        for sender, status, number, count in connection.execute(counted)
    ]
    return found


def _others(id: int) -> Subquery:
    """Return the messages that were tried and are not sent, with the end of their last attempt."""
    last = func.max(func.coalesce(attempt.c.ended_at, attempt.c.started_at)).label("at")
    return (
        select(message.c.id, message.c.sender, message.c.status, last)
        .join(attempt, attempt.c.message == message.c.id)
        .where(message.c.campaign == id, message.c.status.in_(ENDED[1:]))
        .group_by(message.c.id, message.c.sender, message.c.status)
        .subquery()
    )


def _whole(connection: Connection, of: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the whole part of a positive number. SQLite need not have `floor`; PostgreSQL
    rounds."""
    if connection.dialect.name == "sqlite":
        return cast(of, Integer)
    return cast(func.floor(of), BigInteger)


def column_names(connection: Connection, id: int) -> list[str]:
    """Return the sheet's columns, from the first rows: those of all of them would take long to
    find."""
    names: dict[str, None] = {}
    for table, order in ((message, message.c.id), (row_skip, row_skip.c.row)):
        first = select(table.c.columns).where(table.c.campaign == id).order_by(order).limit(SAMPLE)
        for (columns,) in connection.execute(first):
            names.update(dict.fromkeys(json.loads(columns)))
    return list(names)


def has_column(connection: Connection, id: int, name: str) -> bool:
    """Return whether any row of a campaign has a column of this name."""
    return name in column_names(connection, id) or name in export_names(connection, id)


class ValueCount(NamedTuple):
    """Messages and rows whose cell of a column holds `value`, empty for a blank one, and the people
    whose first message has it."""

    value: str
    counts: dict[MessageStatus, int]
    people: Figures


def by_column(connection: Connection, id: int, name: str, most: int) -> list[ValueCount]:
    """Count the rows by status, and the people, for each of the `most` frequent values of a
    column."""
    answers = replied.answers_of(id)
    first = case((replied.IS_WRITTEN_TO, 1), else_=0)
    rows = union_all(
        select(
            message.c.columns,
            message.c.status,
            first.label("first"),
            case((answers.c.recipient.is_not(None), first), else_=0).label("answered"),
            (func.coalesce(answers.c.out, 0) * first).label("out"),
        )
        .select_from(message)
        .outerjoin(answers, replied.is_of_same(answers))
        .where(message.c.campaign == id),
        select(
            row_skip.c.columns,
            literal_column(f"'{_S.SKIPPED}'"),
            *(literal_column("0") for _ in Figures._fields),
        ).where(row_skip.c.campaign == id, is_own_result()),
    ).subquery("rows")
    cell = _cell(connection, rows.c.columns, name)
    value = func.substr(func.trim(func.coalesce(cell, "")), 1, SHOWN)
    people = rows.c.first, rows.c.answered, rows.c.out
    cells = select(value.label("value"), rows.c.status, *people).subquery("cells")
    total = func.count()
    each = [func.count().filter(cells.c.status == str(status)) for status in _S]
    sums = [func.sum(cells.c[column.name]) for column in people]
    counted = (
        select(cells.c.value, *sums, *each)
        .group_by(cells.c.value)
        .order_by(total.desc(), cells.c.value)
        .limit(most)
    )
    return [
        ValueCount(
            value,
            {s: n for s, n in zip(_S, counts, strict=True) if n},
            Figures(int(written_to), int(answered), int(out)),
        )
        for value, written_to, answered, out, *counts in connection.execute(counted)
    ]


def _cell(
    connection: Connection, columns: ColumnElement[str], name: str
) -> ColumnElement[str | None]:
    """Return the cell of a column, from a JSON object of texts. By its key: a path of SQLite's
    cannot name every column."""
    if connection.dialect.name == "sqlite":
        cells = func.json_each(columns).table_valued("key", "value", name="each")
        return select(cells.c.value).where(cells.c.key == name).limit(1).scalar_subquery()
    found: ColumnElement[str | None] = cast(columns, JSON)[name].as_string()
    return found
