"""A whole SQLite ledger, copied into one in PostgreSQL in one transaction there.

What keeps two ledgers from sending the same campaign: the file is marked, and refuses every change,
before anything is copied; and the copy notes there, in its own transaction, that it has arrived.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Table, func, insert, select, text

from runner.errors import LedgerError
from runner.ledger.campaigns.audit import CLI
from runner.ledger.copies import staleness
from runner.ledger.database.errors import translate
from runner.ledger.database.moved_mark import MARK, Moved, set_mark
from runner.ledger.erasure.erasure import erase_again
from runner.ledger.locks import lock_schema, refuse_live_runs
from runner.ledger.messages.usage import STAMPED, joined_stamps
from runner.ledger.schema import (
    acquaintance,
    action,
    attempt,
    brake,
    campaign,
    erased,
    feed,
    handle,
    hold,
    inbound,
    lane,
    message,
    meta,
    metadata,
    note,
    opt_out,
    other_id,
    read_back,
    request,
    resolution,
    row_skip,
    run,
    set_note,
    suppression,
    tagged,
)

COPIED = (run, message, row_skip, attempt, resolution, brake, action, request, tagged)
"""Tables that are copied as they are, but for their numbers; a table that names rows of another
comes after it."""
MERGED = (
    *(suppression, opt_out, hold, feed, inbound, read_back),
    *(erased, other_id, handle, acquaintance),
)
"""Tables of people and threads, which the ledger there may know too: each has a rule for that."""
NUMBERED = (campaign, run, message, brake, action, request)
"""Tables whose rows get new numbers."""

COPY_ROWS = 5000
"""Rows of one COPY. PostgreSQL keeps what it has to check of each until the statement ends."""

_OWN = ("schema_version", "ledger_id", "changes", "attempts_lost", MARK)
_DRIVEN, _HOLD = "driven ", "hold "
_COUNTED = ("handles", "acquaintances ")
"""Notes that count the changes of what people's answers are kept in."""

Copied = Callable[[int], None]
"""A function that takes how many more rows have been copied."""


def rows_of(source: Connection) -> int:
    """Count the rows that are to be copied."""
    counts = [select(func.count()).select_from(table) for table in (*COPIED, *MERGED)]
    return sum(source.execute(each).scalar_one() for each in counts)


def campaign_names(connection: Connection) -> list[str]:
    """List every campaign of a ledger that is no test."""
    return list(connection.execute(select(campaign.c.name).where(~campaign.c.is_test)).scalars())


def refuse_known(target: Connection, wanted: list[str], place: str) -> None:
    """Raise LedgerError if a campaign is in the ledger at `place` already."""
    known = sorted(set(campaign_names(target)) & set(wanted))
    if known:
        raise LedgerError(
            f"campaign {known[0]} is in {place} too; one name is one campaign of a ledger",
            "move into another database",
        )


def leave(source: Connection, mark: Moved) -> None:
    """Mark a ledger as on its way: a copy from before this is old."""
    staleness.advance(source)
    set_mark(source, mark)


def has_arrived(target: Connection, ledger: str) -> bool:
    """Return whether the ledger of that number is here, once no other process is bringing it."""
    lock_schema(target)
    # "back": an unreleased version could undo a move.
    return note(target, _arrival_note(ledger)) not in ("", "back")


def bring(
    target: Connection,
    source: Connection,
    folder: Path,
    place: str,
    copied: Copied,
    at: float,
    *,
    seen: bool,
) -> None:
    """Copy all of `source`, a ledger in `folder`, into the ledger at `place`, if that has not been
    done. `seen`: it is known to have arrived once. Who was erased from one of them is erased from
    both.

    Raises LaneHeld if a run is live there, LedgerError for a campaign that is there.
    """
    ledger = staleness.ledger_id(source)
    if has_arrived(target, ledger):
        return  # and may be in use already
    if seen:
        raise LedgerError(
            "the database knows nothing of the move: it is older than that, and may not know who "
            "was written to since",
            "restore its newest backup",
        )
    _lock_tables(target)
    refuse_known(target, campaign_names(source), place)
    above = {table.name: _last(target, table) for table in NUMBERED}
    _copy_campaigns(target, source, above, folder, ledger)
    with _translate_copy_errors(target, place):
        for table in COPIED:
            _copy(target, source, table, above, copied)
        _merge_suppressions(target, source, copied)
        _merge_holds(target, source, copied)
        _merge_replies(target, source, above, copied)
        _merge_erased(target, source, copied)
        _merge_handles(target, source, copied)
        _merge_acquaintances(target, source, copied)
    _merge_lanes(target, source, above["run"])
    _merge_notes(target, source)
    for table in NUMBERED:
        _advance_sequence(target, table)
    target.execute(text(f"ANALYZE {', '.join(metadata.tables)}"))  # its statistics are stale
    erase_again(target, at, by="db move", via=CLI)
    staleness.advance(target)
    set_note(target, _arrival_note(ledger), "arrived")


def _arrival_note(ledger: str) -> str:
    return f"moved from {ledger}"


def _lock_tables(target: Connection) -> None:
    """Let no other session write until this transaction ends: ids are given out here."""
    refuse_live_runs(target)
    tables = ", ".join(metadata.tables)
    target.execute(text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))


def _last(connection: Connection, table: Table) -> int:
    last: int = connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return last


def _numbers(column: Column[Any]) -> str | None:
    """Return the table whose numbers a column holds, None for any other column."""
    for key in column.foreign_keys:
        return str(key.column.table.name)
    if column is resolution.c.run:
        return run.name
    own = column.name == "id" and isinstance(column.type, BigInteger)
    return str(column.table.name) if own else None


def _copy_campaigns(
    target: Connection, source: Connection, above: dict[str, int], folder: Path, ledger: str
) -> None:
    taken = set(target.execute(select(campaign.c.name)).scalars())
    for row in source.execute(select(campaign)):
        values = row._asdict()
        values["id"] += above["campaign"]
        # Kept relative to a file, and in full in a database.
        values["path"] = str((folder / row.path).resolve())
        values["source"] = str((folder / row.source).resolve())
        if row.name in taken:  # of tests: they stay to be counted
            values["name"] = f"{row.name} {ledger}"
        target.execute(insert(campaign), values)


def _copy(
    target: Connection,
    source: Connection,
    table: Table,
    above: dict[str, int],
    copied: Copied,
    into: str = "",
) -> None:
    wanted = [
        column if (of := _numbers(column)) is None else (column + above[of]).label(column.name)
        for column in table.c
    ]
    quote = target.dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.c)
    copying = f"COPY {into or table.name} ({columns}) FROM STDIN"
    cursor = target.connection.cursor()
    result = source.execution_options(yield_per=COPY_ROWS).execute(select(*wanted))
    for rows in result.partitions():
        with cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row(tuple(row))
        copied(len(rows))


def _merge_suppressions(target: Connection, source: Connection, copied: Copied) -> None:
    """Copy the do-not-contact list; a person who is on the one there stays on it as they are."""
    target.execute(text("CREATE TEMP TABLE arriving (LIKE suppression) ON COMMIT DROP"))
    _copy(target, source, suppression, {}, copied, into="arriving")
    _merge_opt_outs(target, source, copied)
    target.execute(
        text("INSERT INTO suppression SELECT * FROM arriving ON CONFLICT (recipient) DO NOTHING")
    )


def _merge_opt_outs(target: Connection, source: Connection, copied: Copied) -> None:
    """Copy the teams of the opt-outs that arrive. Where an entry is for everybody in one of the two
    ledgers, it is for everybody."""
    target.execute(text("CREATE TEMP TABLE arriving_team (LIKE opt_out) ON COMMIT DROP"))
    _copy(target, source, opt_out, {}, copied, into="arriving_team")
    target.execute(
        text(
            "DELETE FROM opt_out WHERE recipient IN (SELECT recipient FROM arriving)"
            " AND recipient NOT IN (SELECT recipient FROM arriving_team)"
        )
    )
    target.execute(
        text(
            "INSERT INTO opt_out SELECT * FROM arriving_team WHERE recipient NOT IN"
            " (SELECT recipient FROM suppression EXCEPT SELECT recipient FROM opt_out)"
            " ON CONFLICT DO NOTHING"
        )
    )


def _merge_holds(target: Connection, source: Connection, copied: Copied) -> None:
    """Copy the holds; of two of one person the longer."""
    target.execute(text("CREATE TEMP TABLE held (LIKE hold) ON COMMIT DROP"))
    _copy(target, source, hold, {}, copied, into="held")
    target.execute(
        text(
            "INSERT INTO hold SELECT * FROM held ON CONFLICT (recipient) DO UPDATE"
            " SET until = excluded.until, why = excluded.why, made_at = excluded.made_at,"
            " made_by = excluded.made_by"
            " WHERE hold.until IS NOT NULL"
            " AND (excluded.until IS NULL OR excluded.until > hold.until)"
        )
    )


def _merge_replies(
    target: Connection, source: Connection, above: dict[str, int], copied: Copied
) -> None:
    """Copy what was read of replies; a team's events are read on from the earlier place."""
    for table in (feed, inbound, read_back):
        target.execute(text(f"CREATE TEMP TABLE its (LIKE {table.name}) ON COMMIT DROP"))
        _copy(target, source, table, above, copied, into="its")
        known = "DO NOTHING"
        if table is feed:
            known = (
                "(lane) DO UPDATE SET cursor = least(feed.cursor, excluded.cursor),"
                " read_at = least(feed.read_at, excluded.read_at),"
                " torn_at = coalesce(feed.torn_at, excluded.torn_at)"
            )
        target.execute(text(f"INSERT INTO {table.name} SELECT * FROM its ON CONFLICT {known}"))
        target.execute(text("DROP TABLE its"))


def _merge_erased(target: Connection, source: Connection, copied: Copied) -> None:
    """Copy the hashes of who was erased (the notes have the key that they were made under), and by
    which ids people are known."""
    for table in (erased, other_id):
        target.execute(text(f"CREATE TEMP TABLE its (LIKE {table.name}) ON COMMIT DROP"))
        _copy(target, source, table, {}, copied, into="its")
        target.execute(text(f"INSERT INTO {table.name} SELECT * FROM its ON CONFLICT DO NOTHING"))
        target.execute(text("DROP TABLE its"))


def _merge_handles(target: Connection, source: Connection, copied: Copied) -> None:
    """Copy whose the handles are, which may have been paid for. Of two answers the later, but an id
    stays where it is only no contact any more; of two ids none counts until a person takes one."""
    target.execute(text("CREATE TEMP TABLE its (LIKE handle) ON COMMIT DROP"))
    _copy(target, source, handle, {}, copied, into="its")
    same = " AND ".join(f"its.{key} = handle.{key}" for key in ("rehearsal", "platform", "handle"))
    for later, earlier, when in (("its", "handle", ">="), ("handle", "its", "<")):
        target.execute(
            text(
                f"UPDATE {later} SET answer = 'changed', before = {earlier}.id FROM {earlier}"
                f" WHERE {same} AND its.answer = 'found' AND handle.answer = 'found'"
                f" AND its.id <> handle.id AND its.asked_at {when} handle.asked_at"
            )
        )
    columns = ("answer", "id", "before", "shown", "name", "source", "asked_at")
    vague = "('not_a_contact', 'unanswered')"
    target.execute(
        text(
            "INSERT INTO handle SELECT * FROM its ON CONFLICT (rehearsal, platform, handle)"
            f" DO UPDATE SET {', '.join(f'{each} = excluded.{each}' for each in columns)}"
            f" WHERE CASE WHEN excluded.answer IN {vague} THEN handle.answer IN {vague}"
            " AND excluded.asked_at >= handle.asked_at"
            f" WHEN handle.answer IN {vague} THEN true"
            " ELSE excluded.asked_at >= handle.asked_at END"
        )
    )
    target.execute(text("DROP TABLE its"))


def _merge_acquaintances(target: Connection, source: Connection, copied: Copied) -> None:
    """Copy what Inbox has said of people; of two answers the later."""
    target.execute(text("CREATE TEMP TABLE its (LIKE acquaintance) ON COMMIT DROP"))
    _copy(target, source, acquaintance, {}, copied, into="its")
    columns = ("asked_at", "contact", "state", "assignee", "status", "tags", "talk")
    target.execute(
        text(
            "INSERT INTO acquaintance SELECT * FROM its ON CONFLICT (lane, platform, recipient)"
            f" DO UPDATE SET {', '.join(f'{each} = excluded.{each}' for each in columns)}"
            " WHERE excluded.asked_at >= acquaintance.asked_at"
        )
    )
    target.execute(text("DROP TABLE its"))


def _merge_lanes(target: Connection, source: Connection, above: int) -> None:
    """Raise epochs, so that no earlier owner, of either ledger, is taken for the next one."""
    for row in source.execute(select(lane)):
        there = target.execute(select(lane).where(lane.c.id == row.id)).one_or_none()
        if there is None:
            target.execute(insert(lane).values(id=row.id, epoch=row.epoch, run=row.run + above))
        elif there.epoch < row.epoch:
            target.execute(lane.update().where(lane.c.id == row.id).values(epoch=row.epoch))


def _merge_notes(target: Connection, source: Connection) -> None:
    """Copy all notes but those of the ledger itself and of its live runs; of two waits the
    longer."""
    for key, value in source.execute(select(meta.c.key, meta.c.value)):
        if key in _OWN or key.startswith(_DRIVEN):
            continue
        known = note(target, key)
        if known and key.startswith(_COUNTED):
            set_note(target, key, str(max(int(known), int(value)) + 1))  # neither's plans are new
            continue
        if key.startswith(STAMPED) and known:
            set_note(target, key, joined_stamps(known, value))
            continue
        longer = key.startswith(_HOLD) and known and json.loads(known)[0] < json.loads(value)[0]
        if longer or not known:
            set_note(target, key, value)


def _advance_sequence(target: Connection, table: Table) -> None:
    """Let the next row of this table get a number that none has."""
    if last := _last(target, table):
        name = f"{table.name}_id_seq"
        target.execute(
            text(f"SELECT setval('{name}', greatest(:last, (SELECT last_value FROM {name})))"),
            {"last": last},
        )


@contextmanager
def _translate_copy_errors(target: Connection, place: str) -> Iterator[None]:
    """Translate the driver's own errors, which SQLAlchemy does not see."""
    driver: Any = target.dialect.dbapi
    try:
        yield
    except driver.Error as error:
        raise translate(error, place, lost=isinstance(error, driver.OperationalError)) from error
