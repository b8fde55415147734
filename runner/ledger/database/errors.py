"""Errors of a database, translated into what a person can do about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from runner.errors import LedgerError, LedgerLocked
from runner.ledger.database.files import KEEP_IT, lock_holder
from runner.passwords import hide_passwords

BUSY_SECONDS = 30
"""Seconds that a write waits for another process's before it gives up. Planning a million rows
holds the write lock for about 20 s (`benchmarks/`)."""

AGAIN = "then run the same command again; nothing is lost"

_SQLITE = {
    "FULL": ("no space left for the ledger {place}", f"make room, {AGAIN}"),
    "IOERR": (
        "the disk of the ledger {place} failed ({reason}, {code})",
        f"see whether the disk is full, over a quota, or broken, {AGAIN}",
    ),
    "READONLY": ("the ledger {place} cannot be written ({reason})", f"let it be written, {AGAIN}"),
    "CANTOPEN": (
        "the ledger {place} cannot be opened ({reason})",
        "check the permissions of the file and its folder",
    ),
    "PERM": ("the ledger {place} cannot be opened ({reason})", "check its permissions"),
    "CORRUPT": (
        "{place} is damaged ({reason})",
        f"restore the newest `run-campaign db backup`; {KEEP_IT}",
    ),
    "NOTADB": (
        "{place} is damaged or not a ledger ({reason})",
        f"restore the newest `run-campaign db backup`; {KEEP_IT}",
    ),
    "NOMEM": ("no memory left for the ledger {place}", f"free some, {AGAIN}"),
}
"""By SQLite's primary result code (sqlite.org/rescode.html)."""

_SQLSTATE = {
    "08": ("the connection to {place} was lost", f"check the database, {AGAIN}"),
    "57": ("the connection to {place} was cut ({reason})", f"check the database, {AGAIN}"),
    "53": ("the database {place} lacks a resource ({reason})", f"check the database, {AGAIN}"),
    "58": ("the disk of {place} failed ({reason})", f"check the database, {AGAIN}"),
    "XX": ("the database {place} failed ({reason})", "look into the database's own log"),
    "25": ("the database {place} cannot be written ({reason})", f"let it be written, {AGAIN}"),
    "28": ("{place} refuses the login ({reason})", "check user and password in the URL"),
    "40": ("the database {place} rolled a change back ({reason})", f"wait a moment, {AGAIN}"),
}
"""By the class of PostgreSQL's error codes (its manual, appendix A)."""


@contextmanager
def translate_driver_errors(place: str) -> Iterator[None]:
    """Turn the database's errors into LedgerErrors that say what to do."""
    try:
        yield
    except DBAPIError as error:
        raise translate(error.orig, place, lost=error.connection_invalidated) from error
    except sqlite3.Error as error:
        raise translate(error, place) from error
    except PoolTimeout as error:
        raise LedgerError(f"too many connections to {place}", "wait a moment") from error


def translate(error: BaseException | None, place: str, *, lost: bool = False) -> LedgerError:
    """Make the LedgerError for the database's `error`. `lost`: its connection has ended."""
    reason = hide_passwords((str(error).strip().splitlines() or ["no reason given"])[0])
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorname", "")
        kind = code.removeprefix("SQLITE_").partition("_")[0]
        if kind in ("BUSY", "LOCKED", "PROTOCOL"):
            return _locked(place, lock_holder(Path(place)))
        if code == "SQLITE_CONSTRAINT_TRIGGER":  # of a ledger that moved while it was open
            return LedgerError(reason, f"name that one instead of {place}")
        entry = _SQLITE.get(kind)
    else:
        code = getattr(error, "sqlstate", None) or ("08" if lost else "")
        if code == "55P03":  # lock_not_available
            return _locked(place, "")
        if code == "57014":  # query_canceled
            return LedgerError(f"the database {place} took too long to answer", "try again later")
        entry = _SQLSTATE.get(code[:2])
    what, hint = entry or ("the ledger {place} failed: {reason}", "")
    return LedgerError(what.format(place=place, reason=reason, code=code), hint)


def no_ledger() -> LedgerError:
    """Make the error for another program's database."""
    return LedgerError(
        "this database holds tables, but no ledger", "name another file with --state"
    )


def damaged(place: str, how: str) -> LedgerError:
    """Make the error for a ledger that cannot be trusted."""
    how = how.replace("\n", " ")
    return LedgerError(
        f"{place} is damaged ({how})", f"restore the newest `run-campaign db backup`; {KEEP_IT}"
    )


def _locked(place: str, holder: str) -> LedgerLocked:
    return LedgerLocked(
        f"{holder or 'another program'} has held the ledger {place} for {BUSY_SECONDS} s",
        f"end it, or find what has the ledger open, {AGAIN}",
    )
