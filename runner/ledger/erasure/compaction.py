"""The compaction of a ledger: what was deleted from its rows goes from its files too.

Each function takes the driver's own connection, since neither database does this in a transaction.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Table

from runner.ledger.erasure.columns import FATES, Fate, may_hold_text

OLD_READERS_SECONDS = 10.0
"""Seconds to wait for transactions that began before, and may still read what was deleted. Our own
choice."""

AGAIN = "run the same command again later"


def compact_file(connection: Any) -> list[str]:
    """Write an SQLite ledger again without its free pages, and empty its log. Returns what could
    not be done, in words."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("VACUUM")
    busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    cursor.close()
    if busy:
        return [f"another program reads the ledger, whose log (-wal) still has it; {AGAIN}"]
    return []


def compact_tables(connection: Any) -> list[str]:
    """Write the tables of a PostgreSQL ledger that may have held something of a person again, and
    what the database noted of their values. Returns what could not be done, in words."""
    tables = [table for table, fates in FATES.items() if {*fates.values()} != {Fate.KEPT}]
    told: list[str] = []
    running = ""

    def note_skipped(notice: Any) -> None:
        if notice.severity_nonlocalized == "WARNING":
            told.append(f"{notice.message_primary}; let the owner of the database run: {running}")

    connection.set_autocommit(True)
    connection.add_notice_handler(note_skipped)
    try:
        cursor = connection.cursor()
        if not _old_readers_end(cursor):
            return [
                "a transaction of this database server began before the erasing, and keeps what "
                f"was erased in the tables; {AGAIN}"
            ]
        for table in tables:
            running = f"VACUUM (FULL, ANALYZE) {table.name}"
            cursor.execute(running)
            if cursor.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is None:
                _forget_statistics(cursor, table)
        running = "VACUUM FULL pg_catalog.pg_statistic"
        cursor.execute(running)
        cursor.close()
    finally:
        connection.remove_notice_handler(note_skipped)
        connection.set_autocommit(False)
    return told


def _forget_statistics(cursor: Any, table: Table) -> None:
    """Drop the samples of an empty table's values, which ANALYZE leaves as they were. To give a
    column the type that it has does it (PostgreSQL's manual, ALTER TABLE)."""
    for column in table.c:
        if may_hold_text(column.type) and not column.foreign_keys:
            cursor.execute(
                f'ALTER TABLE {table.name} ALTER COLUMN "{column.name}" TYPE {column.type}'
            )


_READERS = (
    "SELECT pid, xact_start FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
)
_OLDEST_WRITER = "SELECT txid_snapshot_xmin(txid_current_snapshot())"


def _old_readers_end(cursor: Any) -> bool:
    """Wait until no transaction is left that began before, and return whether that is so: of any
    database of the server where it writes, since no younger snapshot gets past it, the one that
    VACUUM takes neither."""
    give_up = time.monotonic() + OLD_READERS_SECONDS
    [ours] = cursor.execute("SELECT txid_current()").fetchone()
    while cursor.execute(_OLDEST_WRITER).fetchone()[0] <= ours:
        if time.monotonic() > give_up:
            return False
        cursor.execute("SELECT pg_sleep(0.05)")
    before = set(cursor.execute(_READERS).fetchall())
    while before:
        if time.monotonic() > give_up:
            return False
        cursor.execute("SELECT pg_sleep(0.05)")
        before &= set(cursor.execute(_READERS).fetchall())
    return True
