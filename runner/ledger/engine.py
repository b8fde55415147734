"""Opening a ledger: how it is made durable, and which schema it has."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from runner.errors import LedgerError, LedgerTooNew, UsageError
from runner.ledger.composed_ids import compose_ids
from runner.ledger.errors import BUSY_SECONDS, told_plainly
from runner.ledger.files import KEEP_IT, check_place, runs_took_place, wal_of
from runner.ledger.locks import hold_schema
from runner.ledger.migrations import migrate
from runner.ledger.moved_mark import refuse_moved
from runner.ledger.schema import SCHEMA_VERSION, as_postgresql_has_it, meta, metadata
from runner.passwords import hide_password, hide_passwords, passwords_in

_UNCONFIRMED = "unconfirmed"

QUICKLY_CHECKED = 4_000_000
"""Bytes up to which a ledger is checked for damage whenever it is opened to be written; checking
takes about 5 ms per megabyte. In a larger one damage is met when its page is read."""


PATIENCE: dict[str, object] = {
    "connect_timeout": 10,  # seconds
    "tcp_user_timeout": 15_000,  # milliseconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""How long a PostgreSQL that does not answer at all is waited for (libpq's own settings, its manual
34.1.2): a host that is cut off must find out."""

ALIVE = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
"""The same from PostgreSQL's side (its manual 20.3.2): the locks of a host that lost its power must
not outlive it by the two hours that are usual."""

SESSIONS = 15
"""What a worker keeps open at most: as many as its lanes ask at once, mostly five."""

IDLE_IN_TRANSACTION = "-c idle_in_transaction_session_timeout=10s"
"""What a worker's sessions are opened with: one that was frozen in the middle of a transaction is
ended by the database, so that it keeps nobody waiting."""


LOOK_SECONDS = 10
"""How long one statement of somebody who only looks may take in PostgreSQL. Our own choice."""

LOOKING_SESSIONS, MORE_LOOKING_SESSIONS = 2, 4
"""What somebody who only looks keeps open there, and for a moment has beside those."""


def open_engine(
    location: str,
    *,
    read_only: bool = False,
    worker: bool = False,
    even_moved: bool = False,
    patient: bool = True,
) -> Engine:
    """An engine on the ledger at `location`: a file's path, or an SQLAlchemy URL. `worker`: others
    may take over from it.

    A missing SQLite file is made (mode 0600), its schema too, unless `read_only`. An older one is
    brought up to date; in PostgreSQL only `upgrade` does that, since other hosts may use it. One
    that has moved is refused, unless `read_only` or `even_moved`. Not `patient`, which is for
    reading: with few connections, and no statement longer than `LOOK_SECONDS`.

    Raises LedgerError (cannot be used), LedgerTooNew (made by a newer version), UsageError (bad
    URL).
    """
    return _open(
        location, read_only=read_only, worker=worker, even_moved=even_moved, patient=patient
    )[0]


def upgrade(location: str) -> tuple[str, int | None, int]:
    """Bring the ledger at `location` up to date: its place, the schema that it had (None for none),
    and the one that it has.

    Raises LaneHeld when a run is live on it in PostgreSQL; otherwise as `open_engine`.
    """
    engine, found = _open(location, upgrading=True)
    engine.dispose()
    return place_of(ledger_url(location)), found, SCHEMA_VERSION


def _open(
    location: str,
    *,
    read_only: bool = False,
    worker: bool = False,
    even_moved: bool = False,
    patient: bool = True,
    upgrading: bool = False,
) -> tuple[Engine, int | None]:
    """The engine, and the schema that the ledger had before."""
    url = ledger_url(location)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database in (None, "", ":memory:"):
        raise UsageError(
            f"--state: {hide_password(location)!r} names no file", "name one: --state PATH"
        )
    file = Path(url.database or "") if sqlite else None
    made = file is not None and _make_file(file, read_only)
    try:
        engine = create_engine(
            _read_only_url(url) if sqlite and read_only else url,
            connect_args={} if sqlite else _patience(url, worker),
            **({} if sqlite else _pool(worker, patient)),
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError(
            f"--state: no driver for {place_of(url)}: {error}",
            "PostgreSQL needs: pip install 'run-campaign[postgresql]' and postgresql+psycopg://…",
        ) from error
    except (ArgumentError, ValueError):  # of hosts and ports in its query
        raise _no_url() from None
    if url.get_backend_name() == "postgresql":
        # What it logs is raised too, and told in our words.
        logging.getLogger("psycopg").setLevel(logging.CRITICAL)
        as_postgresql_has_it()
        _never_tell(engine, passwords_in(location))
    if sqlite:
        _make_durable(engine, read_only)
    elif not read_only:
        _insist_on_durable(engine)
    elif not patient:
        _only_look(engine)
    place = place_of(url)
    try:
        with told_plainly(place), engine.begin() as connection:
            found = _bring_up_to_date(
                connection,
                place,
                file,
                made=made,
                read_only=read_only,
                even_moved=even_moved,
                migrating=sqlite or upgrading,
            )
    except BaseException:
        engine.dispose()
        if made and file is not None:
            _remove(file)
        raise
    return engine, found


def _patience(url: URL, worker: bool) -> dict[str, object]:
    """PostgreSQL's settings for a connection, where the URL does not say otherwise."""
    own = {"options": f"{ALIVE} {IDLE_IN_TRANSACTION}" if worker else ALIVE}
    return {name: value for name, value in {**PATIENCE, **own}.items() if name not in url.query}


def _pool(worker: bool, patient: bool) -> dict[str, Any]:
    """How many connections to PostgreSQL are kept. One that was lost while nobody looked is made
    anew."""
    if not patient:
        return {
            "pool_size": LOOKING_SESSIONS,
            "max_overflow": MORE_LOOKING_SESSIONS,
            "pool_pre_ping": True,
        }
    return {"pool_size": SESSIONS} if worker else {}


def place_of(url: URL) -> str:
    """A ledger's name for people: its file, or its URL without passwords."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return hide_password(url.render_as_string(hide_password=True))


def _make_file(path: Path, read_only: bool) -> bool:
    """Whether there was no file, so that one was made."""
    check_place(path, read_only=read_only)
    if read_only or path.exists():
        return False
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return True


def _remove(path: Path) -> None:
    """Leave nothing of a ledger that could not be made."""
    for each in (path, wal_of(path), Path(f"{path.resolve()}-shm")):
        each.unlink(missing_ok=True)


_NO_PATH = re.compile(r"postgres\w*(\+\w+)?:|.*\bpassword\s*=|[^/:\s]+:[^/@]+@", re.IGNORECASE)
"""What is meant to be a database, and is no URL."""


def ledger_url(location: str) -> URL:
    """`location` as an SQLAlchemy URL; what holds no `://` is a file's path. Raises UsageError,
    which does not show it, for what is neither."""
    if "://" not in location:
        if _NO_PATH.match(location):
            raise _no_url()
        return URL.create("sqlite", database=str(Path(location).absolute()))
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        raise _no_url() from None
    if "@" in (url.host or "") or (url.password is not None and "@" in (url.database or "")):
        raise UsageError(
            "--state: an @ of the user's name or the password ends it too early", "write it as %40"
        )
    return url


def _no_url() -> UsageError:
    # Not shown: it may hold a password.
    return UsageError("--state is no database URL", "write postgresql+psycopg://…")


def _never_tell(engine: Engine, passwords: set[str]) -> None:
    """Take passwords out of the driver's errors: it repeats what it cannot read."""

    @event.listens_for(engine, "handle_error")
    def _hide(context: ExceptionContext) -> None:
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None:
                error.args = tuple(
                    hide_passwords(each, passwords) if isinstance(each, str) else each
                    for each in error.args
                )


def _read_only_url(url: URL) -> URL:
    """For reading alone. Without a WAL nobody has the ledger open: it is then read as it lies,
    since even a reader would leave a WAL beside it."""
    query = {"mode": "ro", "uri": "true"}
    if not wal_of(Path(url.database or "")).exists():
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(url.database or '')}", query=query)


def _make_durable(engine: Engine, read_only: bool) -> None:
    """WAL and a sync for every commit; a transaction that writes takes its lock at once."""

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cell_size_check = ON")  # a damaged page is told, not believed
        if not read_only:
            _write_ahead(cursor)
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache too
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = read_only or connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch a ledger to a WAL, once. Another program's database is left as it is."""
    if cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        return
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master")}
    if tables and "message" not in tables:
        raise _no_ledger()
    if _switch_to_wal(cursor) != ("wal",):
        raise LedgerError(
            "SQLite cannot keep a write-ahead log there", "keep the ledger elsewhere: --state PATH"
        )


def _switch_to_wal(cursor: sqlite3.Cursor) -> Any:
    """The one statement for which SQLite does not wait by itself, while another process makes the
    same new ledger."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _insist_on_durable(engine: Engine) -> None:
    """What PostgreSQL confirms must be on its disk, and a session's lock must be the session's."""

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT pg_backend_pid(), current_setting('fsync'),"
            " current_setting('synchronous_commit')"
        )
        pid, fsync, commit = cursor.fetchone()
        if connection.info.backend_pid != pid:
            raise LedgerError(
                "a connection pooler stands before the database: neither locks nor settings of a "
                "session are to be trusted through it",
                "connect to PostgreSQL itself",
            )
        if fsync == "off":
            raise LedgerError(
                "the database runs with fsync=off: what it confirms may be lost",
                "set fsync = on in postgresql.conf",
            )
        if commit != "remote_apply":  # which promises more
            cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        cursor.close()
        connection.commit()
        connection.add_notice_handler(partial(_hear_notice, record))


def _hear_notice(record: ConnectionPoolEntry, notice: Any) -> None:
    # Told as a mere warning of a commit that has succeeded. By its place in PostgreSQL's source:
    # its words are translated.
    if notice.source_function == "SyncRepWaitForLSN":
        record.info[_UNCONFIRMED] = True


def refuse_unconfirmed(connection: Connection) -> None:
    """Raise LedgerError when somebody has cancelled the wait of this connection's last commit for a
    synchronous standby: a failover would lose it."""
    if connection.info.pop(_UNCONFIRMED, False):
        raise LedgerError(
            "a commit was not confirmed by the database's standby: its wait was cancelled",
            "see to the standby, then run the same command again",
        )


def _only_look(engine: Engine) -> None:
    """Whoever looks changes nothing, and takes no longer than people wait."""

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET default_transaction_read_only = on")
        # One look is of one moment, as it is of a file.
        cursor.execute("SET default_transaction_isolation = 'repeatable read'")
        cursor.execute(f"SET statement_timeout = '{LOOK_SECONDS}s'")
        cursor.close()
        connection.commit()


def _bring_up_to_date(
    connection: Connection,
    place: str,
    file: Path | None,
    *,
    made: bool,
    read_only: bool,
    even_moved: bool,
    migrating: bool,
) -> int | None:
    """Make the ledger one of this version, or refuse it; the schema that it had, None for none."""
    found = _schema_of(connection, place)
    if found is None and file is None and not read_only:
        hold_schema(connection)  # another first command may be making the same tables
        found = _schema_of(connection, place)
    if found is None:
        _set_up(connection, place, file, read_only=read_only, made=made)
        return None
    _look_over(connection, place, file, found, read_only=read_only)
    if found < SCHEMA_VERSION or not (read_only or even_moved):
        refuse_moved(connection, place)
    if found < SCHEMA_VERSION:
        if read_only or not migrating:
            raise _too_old(place, found, sqlite=file is not None)
        found = migrate(connection)
    if not (read_only or even_moved):
        compose_ids(connection)
    return found


def _schema_of(connection: Connection, place: str) -> int | None:
    """The version of a ledger's schema, None in an empty database."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"meta", "message"} <= tables:
        raise _no_ledger()
    told = connection.execute(select(meta.c.value).where(meta.c.key == "schema_version")).scalar()
    if not str(told).isdecimal():
        raise _damaged(place, "it does not say which schema it has")
    return int(str(told))


def _set_up(
    connection: Connection, place: str, file: Path | None, *, read_only: bool, made: bool
) -> None:
    if not made and file is not None and runs_took_place(file):
        raise LedgerError(
            f"the ledger {place} is empty, but runs took place beside it: whom they wrote to "
            "is lost",
            "restore the newest `run-campaign db backup`; if it is to be a new ledger, remove "
            "the empty file first",
        )
    if read_only:
        raise LedgerError(f"the ledger {place} is empty")
    metadata.create_all(connection)
    connection.execute(
        insert(meta),
        [
            {"key": "schema_version", "value": str(SCHEMA_VERSION)},
            {"key": "ledger_id", "value": uuid.uuid4().hex},
        ],
    )


def _look_over(
    connection: Connection, place: str, file: Path | None, version: int, *, read_only: bool
) -> None:
    """Raise LedgerError for what this version cannot read."""
    if version > SCHEMA_VERSION:
        raise LedgerTooNew(
            f"the ledger has schema {version}, this program knows up to {SCHEMA_VERSION}",
            "upgrade run-campaign",
        )
    if file is not None and not read_only and file.stat().st_size <= QUICKLY_CHECKED:
        [found] = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars()
        if found != "ok":
            raise _damaged(place, found)


def _too_old(place: str, version: int, *, sqlite: bool) -> LedgerError:
    first = "" if sqlite else ", once all runs and workers of the older version have ended"
    return LedgerError(
        f"the ledger {place} has schema {version}, this version needs {SCHEMA_VERSION}",
        f"run-campaign db upgrade{first}",
    )


def _no_ledger() -> LedgerError:
    return LedgerError(
        "this database holds tables, but no ledger", "name another file with --state"
    )


def _damaged(place: str, how: str) -> LedgerError:
    how = how.replace("\n", " ")
    return LedgerError(
        f"{place} is damaged ({how})", f"restore the newest `run-campaign db backup`; {KEEP_IT}"
    )
