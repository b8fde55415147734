"""PostgreSQL ledgers: connections, timeouts, and what a server must promise."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from runner.errors import LedgerError
from runner.ledger.database.errors import BUSY_SECONDS
from runner.ledger.schema import set_partial_indexes
from runner.passwords import hide_passwords

TIMEOUTS: dict[str, object] = {
    "connect_timeout": 10,  # seconds
    "tcp_user_timeout": 15_000,  # milliseconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""Settings that bound how long a PostgreSQL that does not answer at all is waited for (libpq's own,
its manual 34.1.2): a host that is cut off must find out."""

KEEPALIVES = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
"""The same from PostgreSQL's side (its manual 20.3.2): the locks of a host that lost its power must
not outlive it by the two hours that are usual."""

IDLE_IN_TRANSACTION = "-c idle_in_transaction_session_timeout=10s"
"""The setting that ends a worker's session frozen in the middle of a transaction, so that it keeps
no other waiting."""

WORKER_SESSIONS = 15
"""Connections that a worker keeps open at most: as many as its lanes ask at once, mostly five."""

VIEW_SECONDS = 10
"""Seconds that one statement of a process that only shows things may take. Our own choice."""

VIEW_SESSIONS, MORE_VIEW_SESSIONS = 2, 4
"""Connections that such a process keeps open, and has for a moment beside those."""

_UNCONFIRMED = "unconfirmed"


def connect_args(url: URL, *, worker: bool) -> dict[str, object]:
    """Return the settings of a connection, where the URL does not say otherwise."""
    options = f"{KEEPALIVES} {IDLE_IN_TRANSACTION}" if worker else KEEPALIVES
    settings = {**TIMEOUTS, "options": options}
    return {name: value for name, value in settings.items() if name not in url.query}


def pool_args(*, worker: bool, patient: bool) -> dict[str, Any]:
    """Return how many connections are kept. One that was lost while it was idle is replaced."""
    if not patient:
        return {
            "pool_size": VIEW_SESSIONS,
            "max_overflow": MORE_VIEW_SESSIONS,
            "pool_pre_ping": True,
        }
    return {"pool_size": WORKER_SESSIONS} if worker else {}


def configure(engine: Engine, passwords: set[str], *, read_only: bool, patient: bool) -> None:
    """Check the server and set each session as its use asks; keep `passwords` out of errors."""
    # What it logs is raised too, and translated.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    set_partial_indexes()
    _hide_in_errors(engine, passwords)
    if not read_only:
        _require_durability(engine)
    elif not patient:
        _limit_views(engine)


def _hide_in_errors(engine: Engine, passwords: set[str]) -> None:
    """Take passwords out of the driver's errors: it repeats what it cannot read."""

    @event.listens_for(engine, "handle_error")
    def _hide(context: ExceptionContext) -> None:
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None:
                error.args = tuple(
                    hide_passwords(each, passwords) if isinstance(each, str) else each
                    for each in error.args
                )


def _require_durability(engine: Engine) -> None:
    """Refuse a server whose confirmed commits may be lost, or whose sessions are not ours."""

    @event.listens_for(engine, "connect")
    def _check(connection: Any, record: ConnectionPoolEntry) -> None:
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
        connection.add_notice_handler(partial(_note_unconfirmed, record))


def _note_unconfirmed(record: ConnectionPoolEntry, notice: Any) -> None:
    # A mere warning of a commit that has succeeded. By its place in PostgreSQL's source: its words
    # are translated.
    if notice.source_function == "SyncRepWaitForLSN":
        record.info[_UNCONFIRMED] = True


def refuse_unconfirmed(connection: Connection) -> None:
    """Raise LedgerError when the wait of this connection's last commit for a synchronous standby
    was cancelled: a failover would lose it."""
    if connection.info.pop(_UNCONFIRMED, False):
        raise LedgerError(
            "a commit was not confirmed by the database's standby: its wait was cancelled",
            "check the standby, then run the same command again",
        )


def _limit_views(engine: Engine) -> None:
    """Let sessions change nothing, and take no longer than people wait."""

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET default_transaction_read_only = on")
        cursor.execute(f"SET statement_timeout = '{VIEW_SECONDS}s'")
        cursor.close()
        connection.commit()
