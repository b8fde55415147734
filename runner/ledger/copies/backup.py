"""Backups: a copy of a ledger that may be in use. Neither is changed by it, whatever schema they
have."""

from __future__ import annotations

import glob
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from runner.errors import LedgerError, RunnerError
from runner.ledger.database.errors import BUSY_SECONDS, translate_driver_errors
from runner.ledger.database.files import check_place
from runner.ledger.engine import ledger_url, place_of
from runner.ledger.locks import is_process_alive


def back_up(location: str, target: Path) -> str:
    """Copy the SQLite ledger at `location` to `target`, which must not exist yet, and return its
    place. The copy appears under its name when it is whole and on disk, readable by its owner only.

    Raises LedgerError for the ledger, RunnerError for a target that cannot be written.
    """
    url = ledger_url(location)
    if url.get_backend_name() != "sqlite":
        raise LedgerError(f"{place_of(url)} is not an SQLite file", "use pg_dump for PostgreSQL")
    source = Path(url.database or "")
    if os.path.lexists(target):
        raise LedgerError(f"{target} exists already", "name a new file")
    check_place(source, read_only=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        _remove_leftovers(target)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with (
            translate_driver_errors(str(source)),
            closing(
                sqlite3.connect(
                    f"file:{quote(str(source))}?mode=rw", uri=True, timeout=BUSY_SECONDS
                )
            ) as live,
        ):
            if not live.execute("SELECT 1 FROM sqlite_master WHERE name = 'message'").fetchone():
                raise LedgerError(f"{source} is not a ledger", "name one: --state PATH")
            _copy(live, partial, target)
        partial.replace(target)
        _sync(target.parent)
        return str(source)
    except OSError as error:
        raise RunnerError(f"{target}: cannot be written ({error.strerror})") from None
    finally:
        _remove(partial)


def _remove_leftovers(target: Path) -> None:
    """Remove what processes that were killed have left of copies to `target`."""
    for left in target.parent.glob(f"{glob.escape(target.name)}.*.partial"):
        pid = left.name.removeprefix(f"{target.name}.").removesuffix(".partial")
        if pid.isdecimal() and not is_process_alive(int(pid)):
            _remove(left)


def _remove(partial: Path) -> None:
    for each in (partial, partial.with_name(f"{partial.name}-journal")):
        each.unlink(missing_ok=True)


def _copy(live: sqlite3.Connection, partial: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(partial)) as copy:
            live.backup(copy)
    except sqlite3.OperationalError as error:
        name = error.sqlite_errorname
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")):
            raise RunnerError(
                f"{target}: the copy cannot be written ({error})", "make room, or name another disk"
            ) from error
        raise


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
