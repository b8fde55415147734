"""SQLite ledgers: the file, its durability, and the check for damage."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL

from runner.errors import LedgerError
from runner.ledger.database.errors import BUSY_SECONDS, damaged, no_ledger
from runner.ledger.database.files import check_place, wal_of

QUICKLY_CHECKED = 4_000_000
"""Bytes up to which a ledger is checked for damage whenever it is opened to be written; checking
takes about 5 ms per megabyte. In a larger one damage is met when its page is read."""


def make_file(path: Path, *, read_only: bool) -> bool:
    """Make a ledger's file (mode 0600) where there is none, unless `read_only`. Return whether it
    was made."""
    check_place(path, read_only=read_only)
    if read_only or path.exists():
        return False
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return True


def remove_files(path: Path) -> None:
    """Remove a ledger that could not be made."""
    for each in (path, wal_of(path), Path(f"{path.resolve()}-shm")):
        each.unlink(missing_ok=True)


def read_only_url(url: URL) -> URL:
    """Return the URL for reading alone. Without a WAL no process has the ledger open: it is then
    read as it lies, since even a reader would leave a WAL beside it."""
    query = {"mode": "ro", "uri": "true"}
    if not wal_of(Path(url.database or "")).exists():
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(url.database or '')}", query=query)


def configure(engine: Engine, *, read_only: bool, synced: bool = True) -> None:
    """Set a WAL and a sync for every commit, unless it is not to be `synced`; a transaction that
    writes takes its lock at once."""

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cell_size_check = ON")  # a damaged page is an error, not believed
        if not read_only:
            _use_wal(cursor)
            cursor.execute(f"PRAGMA synchronous = {'FULL' if synced else 'OFF'}")
            cursor.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache too
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = read_only or connection.get_execution_options().get("reading", False)
        connection.connection.cursor().execute("BEGIN" if reading else "BEGIN IMMEDIATE")


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch a ledger to a WAL, once. Another program's database is left as it is."""
    if cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        return
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master")}
    if tables and "message" not in tables:
        raise no_ledger()
    if _switch_to_wal(cursor) != ("wal",):
        raise LedgerError(
            "SQLite cannot keep its write-ahead log there",
            "keep the ledger elsewhere: --state PATH",
        )


def _switch_to_wal(cursor: sqlite3.Cursor) -> Any:
    """Run the one statement for which SQLite does not wait by itself, while another process makes
    the same new ledger."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def check_for_damage(connection: Connection, file: Path) -> None:
    """Raise LedgerError for a damaged file that is quickly checked."""
    if file.stat().st_size <= QUICKLY_CHECKED:
        [result] = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars()
        if result != "ok":
            raise damaged(str(file), result)
