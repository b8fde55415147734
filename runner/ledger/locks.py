"""Every lock of a ledger: rows, advisory locks of PostgreSQL, files beside an SQLite file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from runner.clock import iso
from runner.errors import LaneHeld
from runner.ledger.schema import lane, meta, run

if TYPE_CHECKING:
    from filelock import FileLock
from collections.abc import Collection

from runner.ledger.schema import message

NAMELESS = "a process that has not said its name yet"

WAIT_FOR_IT = "wait for it (a run does, with --wait), or stop it with Ctrl-C there"
LET_IT_END = "let it end, or stop it with Ctrl-C there, then run this again"

HELD = (
    "(SELECT pid, classid::bigint << 32 | objid::bigint AS key FROM pg_locks"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())) held"
)
"""Which session of PostgreSQL holds which lane, by `hashtextextended` of its name: a lock of one
big number has its halves in classid and objid, and 1 in objsubid."""

NAMED_WITHIN = 1.0
"""Seconds within which whoever takes a lock has written down who it is."""


def owns(connection: Connection, lane_id: str, epoch: int) -> bool:
    """Whether nobody has taken the lane since."""
    newest = connection.scalar(select(lane.c.epoch).where(lane.c.id == lane_id))
    return newest == epoch


def owner_of(connection: Connection, lane_id: str) -> tuple[str, int, float] | None:
    """(host, pid, since) of the run that took the lane last, None if it has ended."""
    row = connection.execute(
        select(run.c.host, run.c.pid, run.c.started_at)
        .join(lane, lane.c.run == run.c.id)
        .where(lane.c.id == lane_id, run.c.ended_at.is_(None))
    ).one_or_none()
    return (row.host, row.pid, row.started_at) if row else None


def is_held(connection: Connection, lane_id: str) -> bool:
    """Whether a session of PostgreSQL holds a lane."""
    asked = text(f"SELECT 1 FROM {HELD} WHERE key = hashtextextended(:lane, 0)")
    return connection.execute(asked, {"lane": lane_id}).first() is not None


def one_at_a_time(connection: Connection, id: int | None = None) -> None:
    """Wait for whoever else changes many messages at once: in another order of rows the two could
    wait for each other. Of one campaign's, or of all (None). SQLite has one writer anyway."""
    if connection.dialect.name == "sqlite":
        return
    everybody = select(meta.c.key).where(meta.c.key == "schema_version")
    connection.execute(everybody.with_for_update(read=id is not None))
    if id is not None:
        # Not the campaign's own row: a live lane changes that after its messages and its lane's
        # row, which are waited for with this in hand.
        take_turns(connection, f"campaign {id}")


def take_turns(connection: Connection, what: str) -> None:
    """Until this transaction ends nobody else does the same."""
    if connection.dialect.name != "sqlite":
        # Two numbers: one big one would be the lock of a lane.
        key = func.hashtext("run-campaign"), func.hashtext(what)
        connection.execute(select(func.pg_advisory_xact_lock(*key)))


def keep_intents_out(connection: Connection) -> None:
    """Until this transaction ends no lane commits an intent."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(lane.c.id).order_by(lane.c.id).with_for_update())


def let_go(connection: Connection) -> None:
    """End all locks of a session at once: PostgreSQL notices only some time later that it is
    closed, and a run that begins meanwhile would be refused."""
    with contextlib.suppress(DBAPIError):  # then it is gone, and they have ended with it
        connection.execute(select(func.pg_advisory_unlock_all()))


def advisory_lock(connection: Connection, lane_id: str, *, wait: bool) -> bool:
    """Take PostgreSQL's lock of a lane for this connection; whether it has it now."""
    key = func.hashtextextended(lane_id, 0)
    if wait:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
    taken = connection.execute(
        select(func.pg_advisory_lock(key) if wait else func.pg_try_advisory_lock(key))
    ).scalar_one()
    connection.commit()  # the lock is the session's, not the transaction's
    return wait or bool(taken)


def refuse_live_runs(connection: Connection) -> None:
    """Raise LaneHeld if another session holds a lane of a PostgreSQL ledger."""
    held = connection.execute(
        text(
            f"SELECT held.pid, lane.id FROM {HELD}"
            " LEFT JOIN lane ON hashtextextended(lane.id, 0) = held.key"
            " WHERE held.pid <> pg_backend_pid() ORDER BY lane.id"
        )
    ).first()
    if held is None:
        return
    owner = None if held.id is None else owner_of(connection, held.id)
    told = f"session {held.pid} of the database" if owner is None else _named(*owner)
    raise LaneHeld(f"a run is live on this ledger: {told}", LET_IT_END)


def held_by(owner: tuple[str, int, float] | None) -> LaneHeld:
    """The error for a lane that another run holds."""
    told = NAMELESS if owner is None else _named(*owner)
    return LaneHeld(f"another run holds this team: {told}", WAIT_FOR_IT)


def _named(host: str, pid: int, since: float) -> str:
    return f"process {pid} on {host} since {iso(since)}"


@contextmanager
def lane_lock(folder: Path, lane_id: str, what: str, at: float, wait: float) -> Iterator[None]:
    """Hold a lane's file lock for as long as this process lives. `wait`: seconds, -1 for ever.

    Raises LaneHeld, which says who holds it. `what`: what is being run, for that message.
    """
    with _file_lock(folder, _file_name(lane_id), what, at, wait):
        yield


@contextmanager
def every_lane_lock(folder: Path, what: str, at: float) -> Iterator[None]:
    """Hold the file locks of all lanes that a ledger in this folder ever had, and one more, so
    that only one process does. Raises LaneHeld, which says who holds one."""
    found = {file.stem.removeprefix("lane-") for file in folder.glob("lane-*.lock")}
    with contextlib.ExitStack() as held:
        for name in [_file_name(what), *sorted(found - {_file_name(what)})]:
            try:
                held.enter_context(_file_lock(folder, name, what, at, 0.0))
            except LaneHeld as error:
                told = str(error).partition(": ")[2]
                raise LaneHeld(f"a run is live on this ledger: {told}", LET_IT_END) from None
        yield


def _file_name(lane_id: str) -> str:
    return hashlib.sha256(lane_id.encode()).hexdigest()[:16]


@contextmanager
def _file_lock(folder: Path, name: str, what: str, at: float, wait: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f"lane-{name}.lock", mode=0o600)
    holder = folder / f"lane-{name}.json"
    try:
        _acquire(lock, folder, wait)
    except Timeout:
        raise LaneHeld(f"another run holds this team: {_told(holder)}", WAIT_FOR_IT) from None
    try:
        told = {"pid": os.getpid(), "host": socket.gethostname(), "since": at, "what": what}
        with contextlib.suppress(OSError):  # it only tells; the lock is what counts
            holder.write_text(json.dumps(told))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, folder: Path, wait: float) -> None:
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock.acquire(timeout=wait)
        except FileNotFoundError:
            continue  # a cleaner has removed the folder meanwhile
        return


def _told(holder: Path) -> str:
    """Who holds a lock. Whoever has only just taken it is waited for to say its name."""
    give_up = time.monotonic() + NAMED_WITHIN
    while not (told := _name_in(holder)) and time.monotonic() < give_up:
        time.sleep(0.02)
    return told or NAMELESS


def _name_in(holder: Path) -> str:
    """What the holder's file says; nothing while it is what a killed run has left."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(holder.read_text())
        pid, since = int(told["pid"]), iso(float(told["since"]))
        if told["host"] != socket.gethostname() or is_alive(pid):
            return f"process {pid} on {told['host']} since {since} ({told['what']})"
    return ""


def is_alive(pid: int) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


PEOPLE_KEY = 0x7C0
"""PostgreSQL's locks of recipients are of this class; those of lanes have none."""


def keep_others_out(connection: Connection, ids: Collection[int]) -> None:
    """Until this transaction ends, no other lane claims a message to the same recipients. SQLite
    has one writer anyway."""
    if not ids or connection.dialect.name == "sqlite":
        return
    key = func.hashtext(message.c.recipient).label("key")
    keys = select(key).where(message.c.id.in_(ids)).distinct().order_by(key).subquery()
    # Always in one order, or two of these could wait for each other.
    connection.execute(select(func.pg_advisory_xact_lock(PEOPLE_KEY, keys.c.key))).all()


SCHEMA_KEY = 0x7C1
"""PostgreSQL's lock of the ledger as a whole is of this class; those of lanes have none."""


def hold_schema(connection: Connection, *, shared: bool = False) -> None:
    """Until this transaction ends nobody else changes a PostgreSQL ledger as a whole; not `shared`:
    nor does a run begin. SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        connection.execute(select(lock(SCHEMA_KEY, 0)))


def keep_runs_out(connection: Connection) -> None:
    """Raise LaneHeld if a run is live on a PostgreSQL ledger; until this transaction ends none
    begins."""
    if connection.dialect.name != "sqlite":
        hold_schema(connection)
        refuse_live_runs(connection)
