"""The records of a person: every row of every table that is about them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Select, Table, or_, select

from runner.clock import iso
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
    submission,
    suppression,
    tagged,
)
from runner.message.handle import HandleAnswer, one_handle

NAMES = {resolution.name: "resolution"}
"""The public names of tables whose own is another."""

AT_ONCE = 200
"""Values that one statement compares with."""

FEW = 20
"""Names up to which the database looks for them in cells: of many it is quicker to read all rows.
Our own choice."""


@dataclass(frozen=True, slots=True)
class Person:
    """People by all that the ledger knows them by. `handles`: each with its platform, in the form
    for comparing; `contacts`: their ids at Inbox."""

    ids: frozenset[str] = frozenset()
    handles: frozenset[tuple[str, str]] = frozenset()
    contacts: frozenset[str] = frozenset()

    @property
    def words(self) -> list[str]:
        """Return what they are named by, for people."""
        return [*sorted(self.ids), *(f"@{name}" for _, name in sorted(self.handles))]


@dataclass(frozen=True, slots=True)
class Records:
    """The rows about people, by table, as they are. `mentions`: cells of other people's rows that
    hold one of their ids: the table, the campaign's number, the row and the column."""

    rows: Mapping[Table, Sequence[Any]]
    mentions: Sequence[tuple[str, int, int, str]] = ()
    threads: frozenset[str] = field(default_factory=frozenset)

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of each table, under its public name."""
        return {NAMES.get(table.name, table.name): len(rows) for table, rows in self.rows.items()}


def known_as(
    connection: Connection, ids: Iterable[str], handles: Iterable[tuple[str, str]] = ()
) -> Person:
    """Return people with what the ledger knows of them by other names: their handles, and their
    ids at Inbox."""
    known, named, contacts = set(ids), set(handles), set[str]()
    for some in _parts(named):
        for platform, name in some:
            its = handle.c.platform == platform, handle.c.handle == name
            found = connection.execute(select(handle.c.id).where(*its, _is_found()))
            known.update(found.scalars())
    before = 0
    while len(known) > before:  # one id may lead to the next
        before = len(known)
        for some in _parts(known):
            either = other_id.c.recipient.in_(some) | other_id.c.id.in_(some)
            for row in connection.execute(select(other_id).where(either)).all():
                known.update((row.id, row.recipient))
            theirs = acquaintance.c.recipient.in_(some) | acquaintance.c.contact.in_(some)
            told = select(acquaintance.c.recipient, acquaintance.c.contact).where(theirs)
            for row in connection.execute(told).all():
                contacts.update({row.contact} - {""})
                known.update({row.recipient, row.contact} - {""})
    for some in _parts(known):
        wanted = select(handle.c.platform, handle.c.handle).where(handle.c.id.in_(some))
        named.update((row.platform, row.handle) for row in connection.execute(wanted))
    return Person(frozenset(known), frozenset(named), frozenset(contacts))


def _is_found() -> ColumnElement[bool]:
    return handle.c.answer == HandleAnswer.FOUND.value


def records(
    connection: Connection, person: Person, handle_columns: Collection[str] = ()
) -> Records:
    """Read every row about people. `handle_columns`: names of columns of sheets that hold
    handles."""
    ids = sorted(person.ids)
    mine = _read(connection, message, message.c.recipient, ids)
    numbers = [row.id for row in mine]
    attempts = _read(connection, attempt, attempt.c.message, numbers)
    threads = {row.thread_id for row in (*mine, *attempts)} - {None, ""}
    answers = _read(connection, inbound, inbound.c.answers, numbers)
    beside = _read(connection, inbound, inbound.c.thread_id, sorted(threads))
    keys = {(row.lane, row.message_id) for row in answers}
    skips, mentions = _in_cells(connection, person, handle_columns)
    found: dict[Table, Sequence[Any]] = {
        message: mine,
        attempt: attempts,
        resolution: _read(connection, resolution, resolution.c.message, numbers),
        tagged: _read(connection, tagged, tagged.c.message, numbers),
        inbound: [*answers, *(row for row in beside if (row.lane, row.message_id) not in keys)],
        read_back: _read(connection, read_back, read_back.c.thread_id, sorted(threads)),
        row_skip: skips,
        suppression: _read(connection, suppression, suppression.c.recipient, ids),
        opt_out: _read(connection, opt_out, opt_out.c.recipient, ids),
        hold: _read(connection, hold, hold.c.recipient, ids),
        handle: [*_handles(connection, person)],
        acquaintance: _acquaintances(connection, ids),
        other_id: _read(connection, other_id, other_id.c.recipient, ids),
        action: [*_naming(connection, action, "detail", person.ids)],
        submission: [*_naming(connection, submission, "suppressed", person.ids)],
    }
    return Records(found, mentions, frozenset(threads))


def _read(connection: Connection, table: Table, column: Any, values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for some in _parts(values):
        wanted = select(table).where(column.in_(some))
        found += connection.execute(wanted.order_by(*table.primary_key.columns))
    return found


def _handles(connection: Connection, person: Person) -> Iterator[Any]:
    ids = sorted(person.ids)
    seen = set()
    for column in (handle.c.id, handle.c.before):
        for row in _read(connection, handle, column, ids):
            if (key := (row.rehearsal, row.platform, row.handle)) not in seen:
                seen.add(key)
                yield row
    names = sorted({name for _, name in person.handles})
    for row in _read(connection, handle, handle.c.handle, names):
        key = (row.rehearsal, row.platform, row.handle)
        if key not in seen and key[1:] in person.handles:
            yield row


def _acquaintances(connection: Connection, ids: Sequence[str]) -> list[Any]:
    found = {}
    for column in (acquaintance.c.recipient, acquaintance.c.contact):
        for row in _read(connection, acquaintance, column, ids):
            found[row.lane, row.platform, row.recipient] = row
    return list(found.values())


def _naming(
    connection: Connection, table: Table, column: str, ids: Collection[str]
) -> Iterator[Any]:
    """Yield rows whose JSON lists of people have one of these ids."""
    told = table.c[column]
    seen = set()
    for some in _parts(sorted(ids)):
        quoted = (json.dumps(each, ensure_ascii=False) for each in some)
        wanted = select(table).where(or_(*(told.contains(q, autoescape=True) for q in quoted)))
        for row in connection.execute(wanted.order_by(*table.primary_key.columns)):
            key = tuple(row._mapping[each.name] for each in table.primary_key.columns)
            if key not in seen and not people_of(getattr(row, column)).isdisjoint(ids):
                seen.add(key)
                yield row


def people_of(text: str) -> set[str]:
    """Return the ids of a JSON list of people, alone or as an action has it."""
    told = json.loads(text)
    return set(told.get("recipients", ()) if isinstance(told, dict) else told)


def _in_cells(
    connection: Connection, person: Person, handle_columns: Collection[str]
) -> tuple[list[Any], list[tuple[str, int, int, str]]]:
    """Return the rows of sheets that are these people's and no message, and the cells of others'
    rows that hold an id of theirs."""
    names = sorted({name for _, name in person.handles})
    own = {
        (row.campaign, row.row): row
        for row in _read(connection, row_skip, row_skip.c.recipient, sorted(person.ids))
    }
    mentions: list[tuple[str, int, int, str]] = []
    words = [*sorted(person.ids), *names]
    for table in (row_skip, message) if words else ():
        wanted: Select[Any] = select(row_skip)
        if table is message:
            each = message.c
            wanted = select(each.campaign, each.row, each.recipient, each.columns)
        if len(words) <= FEW:
            quoted = (json.dumps(each, ensure_ascii=False)[1:-1] for each in words)
            like = (table.c.columns.icontains(each, autoescape=True) for each in quoted)
            wanted = wanted.where(or_(*like))
        for row in connection.execute(wanted.execution_options(yield_per=1000)):
            held = their_cells(row.columns, person, handle_columns)
            if not held or row.recipient in person.ids:
                continue
            if table is row_skip and not row.recipient:
                own[row.campaign, row.row] = row
            else:
                mentions += [(table.name, row.campaign, row.row, name) for name in held]
    return list(own.values()), sorted(set(mentions))


def their_cells(columns: str, person: Person, handle_columns: Collection[str]) -> list[str]:
    """Return the names of the columns, in this JSON of a row's cells, whose cell is one of these
    people (`is_one_of`)."""
    cells = json.loads(columns).items()
    return [name for name, cell in cells if is_one_of(person, name, cell, handle_columns)]


def is_one_of(person: Person, column: str, cell: str, handle_columns: Collection[str]) -> bool:
    """Return whether a cell is an id of these people, or a handle of theirs that is written as one:
    with an @, as an address, or in a column of handles."""
    if cell in person.ids:
        return True
    names = {name for _, name in person.handles}
    return bool(names) and _is_handle(column, cell, names, handle_columns)


def _is_handle(
    column: str, cell: str, names: Collection[str], handle_columns: Collection[str]
) -> bool:
    written = one_handle(cell.strip())
    if written.startswith("@"):
        return written[1:] in names
    if "/" in written:
        return written.split("?")[0].split("#")[0].rstrip("/").rpartition("/")[2] in names
    return column in handle_columns and written in names


def _parts(values: Collection[Any]) -> Iterator[list[Any]]:
    told = list(values)
    for start in range(0, len(told), AT_ONCE):
        yield told[start : start + AT_ONCE]


def campaign_names(connection: Connection) -> dict[int, str]:
    """Return the names of all campaigns by their numbers."""
    rows = connection.execute(select(campaign.c.id, campaign.c.name))
    return {row.id: row.name for row in rows}


def as_json(found: Records, person: Person, names: Mapping[int, str]) -> dict[str, Any]:
    """Return records for programs: by table, an object for each row with all of its columns. Times
    are ISO 8601; of lists of people only these."""
    told: dict[str, Any] = {}
    for table, rows in found.rows.items():
        told[NAMES.get(table.name, table.name)] = [
            _row_as_json(table, row, person, names) for row in rows
        ]
    told["mentions"] = [
        {"table": table, "campaign": names.get(id, ""), "row": row, "column": column}
        for table, id, row, column in found.mentions
    ]
    return told


_DURATIONS = ("after", "held")
"""Columns that are seconds, no times."""


def _row_as_json(
    table: Table, row: Any, person: Person, names: Mapping[int, str]
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for column in table.c:
        value = row._mapping[column.name]
        if isinstance(column.type, Float) and column.name not in _DURATIONS:
            value = iso(value) if value else None
        elif isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        elif column.name == "campaign" and value is not None:
            value = names.get(value, value)
        elif column.name in ("columns", "before", "tags", "talk") and table is not handle:
            value = json.loads(value) if value else None
        elif column.name in ("detail", "suppressed") and table in (action, submission):
            value = _only(value, person.ids)
        told[column.name] = value
    return told


def _only(text: str, ids: Collection[str]) -> Any:
    """Return a list of people without all others."""
    told = json.loads(text)
    if isinstance(told, dict):
        return told | {"recipients": [each for each in told.get("recipients", ()) if each in ids]}
    return [each for each in told if each in ids]
