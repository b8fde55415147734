"""Copying a whole SQLite ledger into one in PostgreSQL, in one transaction there, and back out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Table, delete, func, insert, select, text

from runner.errors import LedgerError
from runner.ledger.copies import staleness
from runner.ledger.errors import plainly
from runner.ledger.locks import hold_schema, keep_runs_out
from runner.ledger.messages.usage import STAMPED, joined_stamps
from runner.ledger.moved_mark import MARK, Moved, set_mark
from runner.ledger.schema import (
    action,
    attempt,
    brake,
    campaign,
    hold,
    lane,
    message,
    meta,
    metadata,
    note,
    request,
    row_skip,
    run,
    set_note,
    suppression,
    word,
)

COPIED = (run, message, row_skip, attempt, word, brake, action, request)
"""What is copied as it is, but for its numbers; whatever names another row comes after it."""
NUMBERED = (campaign, run, message, brake, action, request)

_LEAVING = (
    *(word.c.message, attempt.c.message, row_skip.c.campaign, message.c.id),
    *(brake.c.id, action.c.id, request.c.id, lane.c.run, run.c.id, campaign.c.id),
)
"""By which column's numbers what was brought is removed again, in an order that may be."""

AT_ONCE = 5000
"""Rows of one COPY. PostgreSQL keeps what it has to check of each until the statement ends."""

BACK = "back"  # what was moved here has been taken back

_OWN = ("schema_version", "ledger_id", "changes", "attempts_lost", MARK)
_DRIVEN, _HOLD = "driven ", "hold "

Copied = Callable[[int], None]
"""Told how many more rows have been copied."""


def rows_of(source: Connection) -> int:
    """How many rows are to be copied."""
    counts = [select(func.count()).select_from(table) for table in (*COPIED, suppression, hold)]
    return sum(source.execute(each).scalar_one() for each in counts)


def names(connection: Connection) -> list[str]:
    """Every campaign of a ledger that is no test."""
    return list(connection.execute(select(campaign.c.name).where(~campaign.c.is_test)).scalars())


def refuse_known(target: Connection, wanted: list[str], place: str) -> None:
    """Raise LedgerError if a campaign is in the ledger at `place` already."""
    known = sorted(set(names(target)) & set(wanted))
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
    """Whether the ledger of that number is here; waits for whoever is just bringing it."""
    hold_schema(target)
    return note(target, _from(ledger)) not in ("", BACK)


def bring(
    target: Connection,
    source: Connection,
    folder: Path,
    place: str,
    copied: Copied,
    *,
    seen: bool,
) -> None:
    """Copy all of `source`, a ledger in `folder`, into the ledger at `place`, if that has not been
    done. `seen`: it is known to have arrived once.

    Raises LaneHeld if a run is live there, LedgerError for a campaign that is there.
    """
    hold_schema(target)
    ledger = staleness.ledger_id(source)
    if _arrival(target, ledger, seen=seen):
        return  # and may be in use already
    _alone(target)
    refuse_known(target, names(source), place)
    above = {table.name: _last(target, table) for table in NUMBERED}
    _copy_campaigns(target, source, above, folder, ledger)
    with _telling_plainly(target, place):
        for table in COPIED:
            _copy(target, source, table, above, copied)
        _merge_suppressions(target, source, copied)
        _merge_holds(target, source, copied)
    _merge_lanes(target, source, above["run"])
    _merge_notes(target, source)
    for table in NUMBERED:
        _go_on_counting(target, table)
    target.execute(text(f"ANALYZE {', '.join(metadata.tables)}"))  # its statistics are stale
    upto = {table.name: _last(target, table) for table in NUMBERED}
    changes = staleness.advance(target).changes
    set_note(target, _from(ledger), json.dumps({"changes": changes, "above": above, "upto": upto}))


def take_back(target: Connection, ledger: str, *, seen: bool) -> None:
    """Remove what was brought from the ledger of that number; people on the do-not-contact list,
    and on hold, stay. `seen`: it is known to have arrived.

    Raises LaneHeld if a run is live, LedgerError if anything was done here since.
    """
    _alone(target)
    told = _arrival(target, ledger, seen=seen)
    if not told:
        return
    if told["changes"] != staleness.marks(target).changes:
        raise LedgerError(
            "the database has been used since the move: going back would forget what was done",
            "go on there; what it has since is nowhere else",
        )
    above, upto = told["above"], told["upto"]
    arrived = select(campaign.c.name).where(
        campaign.c.id > above["campaign"], campaign.c.id <= upto["campaign"]
    )
    for name in target.execute(arrived).scalars().all():
        staleness.forget_accepted(target, name)
        target.execute(
            delete(meta).where(meta.c.key.startswith("prospects "), meta.c.value == name)
        )
    gone = 0
    for column in _LEAVING:
        of = str(_numbers(column))
        its = column > above[of], column <= upto[of]
        removed = target.execute(delete(column.table).where(*its))
        gone += removed.rowcount if column.table is attempt else 0
    staleness.count_as_lost(target, gone)
    staleness.advance(target)
    set_note(target, _from(ledger), BACK)


def _from(ledger: str) -> str:
    return f"moved from {ledger}"


def _arrival(target: Connection, ledger: str, *, seen: bool) -> dict[str, Any]:
    """What was noted when the ledger of that number arrived; nothing if it is not here."""
    said = note(target, _from(ledger))
    if seen and not said:
        raise LedgerError(
            "the database knows nothing of the move: it is older than that, and may not know who "
            "was written to since",
            "restore its newest backup",
        )
    told: dict[str, Any] = {} if said in ("", BACK) else json.loads(said)
    return told


def _alone(target: Connection) -> None:
    """Let nobody else write until this transaction ends: ids are given out here."""
    keep_runs_out(target)
    tables = ", ".join(metadata.tables)
    target.execute(text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))


def _last(connection: Connection, table: Table) -> int:
    last: int = connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return last


def _numbers(column: Column[Any]) -> str | None:
    """The table whose numbers a column holds, None for any other column."""
    for key in column.foreign_keys:
        return str(key.column.table.name)
    if column is word.c.run:
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
    found = source.execution_options(yield_per=AT_ONCE).execute(select(*wanted))
    for rows in found.partitions():
        with cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row(tuple(row))
        copied(len(rows))


def _merge_suppressions(target: Connection, source: Connection, copied: Copied) -> None:
    """Whoever is on the list there already stays on it as they are."""
    target.execute(text("CREATE TEMP TABLE arriving (LIKE suppression) ON COMMIT DROP"))
    _copy(target, source, suppression, {}, copied, into="arriving")
    target.execute(
        text("INSERT INTO suppression SELECT * FROM arriving ON CONFLICT (recipient) DO NOTHING")
    )


def _merge_holds(target: Connection, source: Connection, copied: Copied) -> None:
    """Of two holds of one person the longer."""
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


def _merge_lanes(target: Connection, source: Connection, above: int) -> None:
    """No earlier owner, of either ledger, may be taken for the next one."""
    for row in source.execute(select(lane)):
        found = target.execute(select(lane).where(lane.c.id == row.id)).one_or_none()
        if found is None:
            target.execute(insert(lane).values(id=row.id, epoch=row.epoch, run=row.run + above))
        elif found.epoch < row.epoch:
            target.execute(lane.update().where(lane.c.id == row.id).values(epoch=row.epoch))


def _merge_notes(target: Connection, source: Connection) -> None:
    """All but what a ledger says of itself and of its live runs; of two waits the longer."""
    for key, value in source.execute(select(meta.c.key, meta.c.value)):
        if key in _OWN or key.startswith(_DRIVEN):
            continue
        known = note(target, key)
        if key.startswith(STAMPED) and known:
            set_note(target, key, joined_stamps(known, value))
            continue
        longer = key.startswith(_HOLD) and known and json.loads(known)[0] < json.loads(value)[0]
        if longer or not known:
            set_note(target, key, value)


def _go_on_counting(target: Connection, table: Table) -> None:
    """Let the next row of this table get a number that none has."""
    if last := _last(target, table):
        name = f"{table.name}_id_seq"
        target.execute(
            text(f"SELECT setval('{name}', greatest(:last, (SELECT last_value FROM {name})))"),
            {"last": last},
        )


@contextmanager
def _telling_plainly(target: Connection, place: str) -> Iterator[None]:
    """For the driver's own errors, which SQLAlchemy does not see."""
    driver: Any = target.dialect.dbapi
    try:
        yield
    except driver.Error as error:
        raise plainly(error, place, lost=isinstance(error, driver.OperationalError)) from error
