"""Opening a ledger: its URL, its engine, and its schema brought up to date."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from runner.errors import LedgerError, LedgerTooNew, UsageError
from runner.installation import install_command
from runner.ledger.database import postgresql, sqlite
from runner.ledger.database.errors import damaged, no_ledger, translate_driver_errors
from runner.ledger.database.files import runs_took_place
from runner.ledger.database.moved_mark import refuse_moved
from runner.ledger.locks import lock_schema
from runner.ledger.migrations.ids import compose_ids
from runner.ledger.migrations.steps import migrate
from runner.ledger.schema import SCHEMA_VERSION, meta, metadata
from runner.passwords import hide_password, passwords_in

_NO_PATH = re.compile(r"postgres\w*(\+\w+)?:|.*\bpassword\s*=|[^/:\s]+:[^/@]+@", re.IGNORECASE)
"""Matches texts that are meant to be a database, and are no URL."""


def ledger_url(location: str) -> URL:
    """Return `location` as an SQLAlchemy URL; what holds no `://` is a file's path. Raises
    UsageError, which does not show it, for what is neither."""
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
    return UsageError("--state is not a database URL", "write postgresql+psycopg://…")


def place_of(url: URL) -> str:
    """Return a ledger's name for people: its file, or its URL without passwords."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return hide_password(url.render_as_string(hide_password=True))


def open_engine(
    location: str,
    *,
    read_only: bool = False,
    worker: bool = False,
    even_moved: bool = False,
    patient: bool = True,
    synced: bool = True,
) -> Engine:
    """Open an engine on the ledger at `location`: a file's path, or an SQLAlchemy URL. `worker`:
    others may take over from it.

    A missing SQLite file is made (mode 0600), its schema too, unless `read_only`. An older one is
    brought up to date; in PostgreSQL only `upgrade` does that, since other hosts may use it. One
    that has moved is refused, unless `read_only` or `even_moved`. Not `patient`, which is for
    reading: with few connections, and no statement longer than `VIEW_SECONDS`. Not `synced`: a file
    that is thrown away.

    Raises LedgerError (cannot be used), LedgerTooNew (made by a newer version), UsageError (bad
    URL).
    """
    return _open(
        location,
        read_only=read_only,
        worker=worker,
        even_moved=even_moved,
        patient=patient,
        synced=synced,
    )[0]


def upgrade(location: str) -> tuple[str, int | None, int]:
    """Bring the ledger at `location` up to date. Return its place, the schema that it had (None for
    none), and the one that it has.

    Raises LaneHeld when a run is live on it in PostgreSQL; otherwise as `open_engine`.
    """
    engine, before = _open(location, upgrading=True)
    engine.dispose()
    return place_of(ledger_url(location)), before, SCHEMA_VERSION


def _open(
    location: str,
    *,
    read_only: bool = False,
    worker: bool = False,
    even_moved: bool = False,
    patient: bool = True,
    synced: bool = True,
    upgrading: bool = False,
) -> tuple[Engine, int | None]:
    """Return the engine, and the schema that the ledger had before."""
    url = ledger_url(location)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database in (None, "", ":memory:"):
        raise UsageError(
            f"--state: {hide_password(location)!r} names no file", "name one: --state PATH"
        )
    file = Path(url.database or "") if is_sqlite else None
    made = file is not None and sqlite.make_file(file, read_only=read_only)
    engine = _create(url, read_only=read_only, worker=worker, patient=patient)
    if is_sqlite:
        sqlite.configure(engine, read_only=read_only, synced=synced)
    else:
        postgresql.configure(engine, passwords_in(location), read_only=read_only, patient=patient)
    place = place_of(url)
    try:
        with translate_driver_errors(place), engine.begin() as connection:
            before = _bring_up_to_date(
                connection,
                place,
                file,
                made=made,
                read_only=read_only,
                even_moved=even_moved,
                migrating=is_sqlite or upgrading,
            )
    except BaseException:
        engine.dispose()
        if made and file is not None:
            sqlite.remove_files(file)
        raise
    return engine, before


def _create(url: URL, *, read_only: bool, worker: bool, patient: bool) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            return create_engine(sqlite.read_only_url(url) if read_only else url)
        return create_engine(
            url,
            connect_args=postgresql.connect_args(url, worker=worker),
            **postgresql.pool_args(worker=worker, patient=patient),
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError(
            f"--state: no driver for {place_of(url)}: {error}",
            f"PostgreSQL needs postgresql+psycopg://… and: {install_command('postgresql')}",
        ) from error
    except (ArgumentError, ValueError):  # of hosts and ports in its query
        raise _no_url() from None


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
    """Make the ledger one of this version, or refuse it. Return the schema that it had, None for
    none."""
    version = _read_schema_version(connection, place)
    if version is None and file is None and not read_only:
        lock_schema(connection)  # another first command may be making the same tables
        version = _read_schema_version(connection, place)
    if version is None:
        _create_tables(connection, place, file, read_only=read_only, made=made)
        return None
    if version > SCHEMA_VERSION:
        raise LedgerTooNew(
            f"the ledger has schema {version}, this program knows up to {SCHEMA_VERSION}",
            "upgrade run-campaign",
        )
    if file is not None and not read_only:
        sqlite.check_for_damage(connection, file)
    if version < SCHEMA_VERSION or not (read_only or even_moved):
        refuse_moved(connection, place)
    if version < SCHEMA_VERSION:
        if read_only or not migrating:
            raise _too_old(place, version, is_sqlite=file is not None)
        version = migrate(connection)
    if not (read_only or even_moved):
        compose_ids(connection)
    return version


def _read_schema_version(connection: Connection, place: str) -> int | None:
    """Return the version of a ledger's schema, None in an empty database."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"meta", "message"} <= tables:
        raise no_ledger()
    version = connection.scalar(select(meta.c.value).where(meta.c.key == "schema_version"))
    if not str(version).isdecimal():
        raise damaged(place, "it does not say which schema it has")
    return int(str(version))


def _create_tables(
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


def _too_old(place: str, version: int, *, is_sqlite: bool) -> LedgerError:
    first = "" if is_sqlite else ", once all runs and workers of the older version have ended"
    return LedgerError(
        f"the ledger {place} has schema {version}, this version needs {SCHEMA_VERSION}",
        f"run-campaign db upgrade{first}",
    )
