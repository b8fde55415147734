"""New ledgers that need not be made for each test, since that costs more than most of the tests: in
databases of the run's server, which tests have one after another, and in files."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from runner.ledger.ledger import open_ledger
from runner.ledger.schema import SCHEMA_VERSION
from tests.postgresql import new_database

_made: list[bytes] = []
"""A new ledger's file, once it was made."""


def put_new_ledger(path: Path) -> None:
    """Write a new ledger's file. All of a process are the same ledger: one for each test."""
    if not _made:
        with TemporaryDirectory() as folder:
            file = Path(folder, "state.db")
            open_ledger(str(file)).close()
            _made.append(file.read_bytes())
    path.touch(0o600)
    path.write_bytes(_made[0])


Row = tuple[Any, ...] | None

_ITSELF = (
    "SELECT d.oid, d.xmin::text,"
    " (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = d.oid)"
    " FROM pg_database d WHERE datname = current_database()"
)
"""Changes with what ALTER DATABASE does."""

_SHAPE = (
    "SELECT md5(string_agg(concat_ws(' ', c.oid, c.xmin, a.attnum, a.xmin), ',' "
    "ORDER BY c.oid, a.attnum)), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc),"
    " (SELECT count(*) FROM pg_constraint), (SELECT count(*) FROM pg_rewrite)"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relnamespace = 'public'::regnamespace"
)
"""Changes with every statement that changes a table, an index or a trigger."""

_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND datname = current_database() AND backend_type = 'client backend'"
)

_EMPTY = (
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
    "ALTER SCHEMA public OWNER TO pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC"
)

_NO_ROWS = """
SET LOCAL session_replication_role = replica;
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DELETE FROM public.%I', each.tablename);
    END LOOP;
    PERFORM setval(oid, 1, false) FROM pg_class
        WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
END $$
"""

_NEW_LEDGER = "INSERT INTO meta (key, value) VALUES ('schema_version', %s), ('ledger_id', %s)"


class Databases:
    """Gives empty databases and new ledgers to one test after another, and takes them back.

    What a test has used is put in order only when another asks for one: by then all processes of
    the first have ended. What was changed more than that can mend is not used again.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._used: list[tuple[str, Row]] = []
        self._used_ledgers: list[tuple[str, Row, Row]] = []

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The ledger's URL of a database without tables."""
        url, itself = self._take()
        yield url
        self._used.append((url, itself))

    @contextmanager
    def ledger(self) -> Iterator[str]:
        """The URL of a new ledger."""
        url, itself, shape = self._take_ledger()
        yield url
        self._used_ledgers.append((url, itself, shape))

    def _take(self) -> tuple[str, Row]:
        while self._used:
            url, itself = self._used.pop()
            with suppress(psycopg.Error), _session(url, itself) as session:
                session.execute(_EMPTY)
                return url, itself
        url = new_database(self._uri)
        with psycopg.connect(_plain(url)) as session:
            return url, session.execute(_ITSELF).fetchone()

    def _take_ledger(self) -> tuple[str, Row, Row]:
        while self._used_ledgers:
            url, itself, shape = self._used_ledgers.pop()
            with suppress(psycopg.Error), _session(url, itself) as session:
                if session.execute(_SHAPE).fetchone() == shape:
                    session.execute(_NO_ROWS)
                    session.execute(_NEW_LEDGER, (str(SCHEMA_VERSION), uuid.uuid4().hex))
                    return url, itself, shape
            self._used.append((url, itself))
        url, itself = self._take()
        open_ledger(url).close()
        with psycopg.connect(_plain(url)) as session:
            return url, itself, session.execute(_SHAPE).fetchone()


@contextmanager
def _session(url: str, itself: Row) -> Iterator[psycopg.Connection]:
    """The only session of a database. Raises psycopg's error for one that is not as it was."""
    with psycopg.connect(_plain(url)) as session:
        session.execute(_END_SESSIONS)
        if session.execute(_ITSELF).fetchone() != itself:
            raise psycopg.DataError("the database was altered")
        yield session


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
