"""Opening a ledger: where it may lie, how it is made durable, which schema it has."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from runner.errors import LedgerError, LedgerLocked, LedgerTooNew, UsageError
from runner.ledger.schema import SCHEMA_VERSION, meta, metadata, word

BUSY_SECONDS = 30
"""How long a write waits for another process's before it gives up. Planning a million rows holds
the write lock for about 20 s (`benchmarks/`)."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
)
"""Their file locks are not to be trusted with a WAL (sqlite.org/wal.html: all processes must be
on the same host)."""


def _add_words(connection: Connection) -> None:
    word.create(connection)


MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _add_words}
"""Schema version -> what brings a ledger of that version to the next one."""


def open_engine(location: str, *, read_only: bool = False) -> Engine:
    """An engine on the ledger at `location`: a file's path, or an SQLAlchemy URL.

    A missing SQLite file is made (mode 0600), its schema too, unless `read_only`. Raises
    LedgerError (cannot be used), LedgerTooNew (made by a newer version), UsageError (bad URL).
    """
    url = ledger_url(location)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database in (None, "", ":memory:"):
        raise UsageError(f"--state: {location!r} names no file", "name one: --state PATH")
    if sqlite:
        _check_file(Path(url.database or ""), read_only)
    try:
        engine = create_engine(_read_only_url(url) if sqlite and read_only else url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError(
            f"--state: no driver for {url.render_as_string()}: {error}",
            "PostgreSQL needs: pip install 'run-campaign[postgresql]' and postgresql+psycopg://…",
        ) from error
    if sqlite:
        _make_durable(engine, read_only)
    try:
        with told_plainly(url.render_as_string()), engine.begin() as connection:
            _bring_up_to_date(connection, read_only)
    except BaseException:
        engine.dispose()
        raise
    return engine


def ledger_url(location: str) -> URL:
    """`location` as an SQLAlchemy URL; what holds no `://` is a file's path."""
    if "://" not in location:
        return URL.create("sqlite", database=str(Path(location).absolute()))
    try:
        return make_url(location)
    except ArgumentError:
        # Not shown: it may hold a password.
        raise UsageError("--state is no database URL", "write postgresql+psycopg://…") from None


def _read_only_url(url: URL) -> URL:
    """For reading alone. Without a WAL nobody has the ledger open: it is then read as it lies,
    since even a reader would leave a WAL beside it."""
    query = {"mode": "ro", "uri": "true"}
    if not Path(f"{url.database}-wal").exists():
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(url.database or '')}", query=query)


def _check_file(path: Path, read_only: bool) -> None:
    if path.is_dir():
        raise LedgerError(
            f"{path} is a folder, not a ledger", "name the file: --state DIR/state.db"
        )
    if not path.parent.is_dir():
        raise LedgerError(
            f"{path.parent} does not exist", "make the folder, or name another --state"
        )
    file_system = _file_system_of(path.parent)
    if file_system in NETWORK_FILE_SYSTEMS:
        raise LedgerError(
            f"{path} lies on a network file system ({file_system}), where SQLite's locks cannot be "
            "trusted",
            "keep the ledger on a local disk: --state PATH, or use PostgreSQL",
        )
    if not path.exists():
        if read_only:
            raise LedgerError(f"no ledger at {path}")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _file_system_of(folder: Path) -> str:
    """The file system's type by Linux's mount table; empty where there is none (macOS)."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    best = ("", "")
    resolved = str(folder.resolve())
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _make_durable(engine: Engine, read_only: bool) -> None:
    """WAL and a sync for every commit; a transaction that writes takes its lock at once."""

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache too
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = read_only or connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _bring_up_to_date(connection: Connection, read_only: bool) -> None:
    if not inspect(connection).has_table("meta"):
        if read_only:
            raise LedgerError("the ledger is empty")
        if inspect(connection).get_table_names():
            raise LedgerError(
                "this database holds tables, but no ledger", "name another file with --state"
            )
        metadata.create_all(connection)
        connection.execute(
            insert(meta),
            [
                {"key": "schema_version", "value": str(SCHEMA_VERSION)},
                {"key": "ledger_id", "value": uuid.uuid4().hex},
            ],
        )
        return
    version = int(
        connection.execute(select(meta.c.value).where(meta.c.key == "schema_version")).scalar_one()
    )
    if version > SCHEMA_VERSION:
        raise LedgerTooNew(
            f"the ledger has schema {version}, this program knows up to {SCHEMA_VERSION}",
            "upgrade run-campaign",
        )
    while version < SCHEMA_VERSION:
        if read_only:
            raise LedgerError("the ledger is of an older version", "run-campaign db upgrade")
        MIGRATIONS[version](connection)
        version += 1
        connection.execute(
            meta.update().where(meta.c.key == "schema_version").values(value=str(version))
        )


def _plainly(error: DBAPIError, place: str) -> LedgerError:
    """What the database said, as what a person can do about it."""
    said = str(error.orig)
    if "locked" in said or "busy" in said:
        return LedgerLocked(
            f"another program has held the ledger {place} for {BUSY_SECONDS} s",
            "find what has it open, then run the same command again; nothing is lost",
        )
    if "full" in said:
        return LedgerError(
            f"no space left for the ledger {place}",
            "make room, then run the same command again; nothing is lost",
        )
    if "malformed" in said or "not a database" in said:
        return LedgerError(
            f"{place} is damaged or no ledger ({said})",
            "restore the newest `run-campaign db backup`; do not delete it: it knows who was "
            "written to",
        )
    if "readonly" in said or "unable to open" in said:
        return LedgerError(
            f"the ledger {place} cannot be written ({said})", "check its permissions"
        )
    return LedgerError(f"the ledger {place} failed: {said.strip().splitlines()[0]}")


@contextmanager
def told_plainly(place: str) -> Iterator[None]:
    """Turns the database's errors into LedgerErrors that say what to do."""
    try:
        yield
    except DBAPIError as error:
        raise _plainly(error, place) from error


def sqlite_backup(engine: Engine, target: Path) -> None:
    """A consistent copy of a live SQLite ledger at `target`, which must not exist yet."""
    if target.exists():
        raise LedgerError(f"{target} exists already", "name a new file")
    partial = target.with_name(target.name + ".partial")
    os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600))
    with engine.connect().execution_options(reading=True) as connection:
        source: Any = connection.connection.driver_connection
        copy = sqlite3.connect(partial)
        try:
            source.backup(copy)
        finally:
            copy.close()
    partial.replace(target)
