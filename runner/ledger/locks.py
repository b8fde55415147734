"""Every lock of a ledger, and the order in which they are taken.

SQLite has one writer: a transaction that writes takes the file's lock when it begins, so that a
ledger in a file needs only the locks of files here, and the functions for rows and names do nothing
there. Several locks are taken in this order, or two processes could wait for each other:

    Files, held by a process
    1. `.run-campaign/lane-HASH.lock` beside an SQLite ledger: a lane, while it is driven (all
       lanes, while the ledger moves).
    2. `LEDGER_ID.lock` in the user's state folder: what this machine has seen of a ledger, while
       it is compared with the ledger and advanced.

    Sessions of PostgreSQL
    3. Advisory (hashtextextended(lane)): a lane, while it is driven. It ends with its session.

    Transactions of PostgreSQL
    4. Advisory (SCHEMA_KEY, 0): the ledger as a whole; shared while a run takes a lane.
    5. Advisory (run-campaign, plan): plans, one at a time.
    6. The row `schema_version` of `meta`: shared for what changes many messages of one campaign,
       alone for what changes those of all.
    7. Advisory (run-campaign, campaign N): what changes many messages of a campaign.
    8. Rows of `lane`, by id: shared by each claim; alone for what no claim may overlap.
    9. Advisory (RECIPIENT_KEY, hashtext(recipient)), by key: claims of messages to one person.
    10. Rows of `message`, by id.
    11. Advisory (run-campaign, submit), then rows of `submission`, by campaign: what workers drive.

The modules that change the rows of the last two lock them themselves. A migration holds 4 alone,
and then whole tables in any order. An advisory lock of one big number has another key space than
those of two numbers, of which the first is the class. `tests/contract` watches the order of 4
to 11.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from runner.clock import iso
from runner.errors import LaneHeld
from runner.ledger.lanes import owner_of
from runner.ledger.schema import lane, message, meta

if TYPE_CHECKING:
    from filelock import FileLock

NAMELESS = "a process that has not recorded its name yet"

WAIT_FOR_IT = "wait for it (a run does, with --wait), or stop it with Ctrl-C there"
LET_IT_END = "let it end, or stop it with Ctrl-C there, then run this again"

NAMED_SECONDS = 1.0
"""Seconds within which a process that takes a lane's file lock has written down who it is."""

SEEN_SECONDS = 10.0
"""Seconds to wait for the lock of a seen ledger: a process that holds it longer is frozen."""

RECIPIENT_KEY = 0x7C0
SCHEMA_KEY = 0x7C1

_LANE_LOCKS = (
    "(SELECT pid, classid::bigint << 32 | objid::bigint AS key FROM pg_locks"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND {granted} AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())) {name}"
)

HELD_LANES = _LANE_LOCKS.format(granted="granted", name="held")
"""The sessions of PostgreSQL that hold lanes, by `hashtextextended` of their names: a lock of one
big number has its halves in classid and objid, and 1 in objsubid."""

AWAITED_LANES = _LANE_LOCKS.format(granted="NOT granted", name="awaited")
"""The sessions that wait for lanes, likewise."""


# Files --------------------------------------------------------------------------------------------


@contextmanager
def hold_lane_file(folder: Path, lane_id: str, what: str, at: float, wait: float) -> Iterator[None]:
    """Hold a lane's file lock, at most for as long as this process lives. `wait`: seconds, -1 for
    ever; `what`: the command that is run, for those who find it held.

    Raises LaneHeld, which says who holds it.
    """
    with _hold_file(folder, _file_name(lane_id), what, at, wait):
        yield


@contextmanager
def hold_all_lane_files(folder: Path, what: str, at: float) -> Iterator[None]:
    """Hold the file locks of all lanes that a ledger in this folder ever had, and one more, so
    that only one process does. Raises LaneHeld, which says who holds one."""
    names = {file.stem.removeprefix("lane-") for file in folder.glob("lane-*.lock")}
    with contextlib.ExitStack() as held:
        for name in [_file_name(what), *sorted(names - {_file_name(what)})]:
            try:
                held.enter_context(_hold_file(folder, name, what, at, 0.0))
            except LaneHeld as error:
                holder = str(error).partition(": ")[2]
                raise LaneHeld(f"a run is live on this ledger: {holder}", LET_IT_END) from None
        yield


def _file_name(lane_id: str) -> str:
    return hashlib.sha256(lane_id.encode()).hexdigest()[:16]


@contextmanager
def _hold_file(folder: Path, name: str, what: str, at: float, wait: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f"lane-{name}.lock", mode=0o600)
    holder = folder / f"lane-{name}.json"
    try:
        _acquire(lock, folder, wait)
    except Timeout:
        who = _wait_for_holder(holder)
        raise LaneHeld(f"another run holds this team: {who}", WAIT_FOR_IT) from None
    try:
        own = {"pid": os.getpid(), "host": socket.gethostname(), "since": at, "what": what}
        with contextlib.suppress(OSError):  # for people alone; the lock is what counts
            holder.write_text(json.dumps(own))
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


def _wait_for_holder(file: Path) -> str:
    """Return who holds a lock; a process that has only just taken it is given time to say so."""
    give_up = time.monotonic() + NAMED_SECONDS
    while not (holder := _read_holder(file)) and time.monotonic() < give_up:
        time.sleep(0.02)
    return holder or NAMELESS


def _read_holder(file: Path) -> str:
    """Read who holds a lock; empty for what a killed run has left."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        holder = json.loads(file.read_text())
        pid, since = int(holder["pid"]), iso(float(holder["since"]))
        if holder["host"] != socket.gethostname() or is_process_alive(pid):
            return f"process {pid} on {holder['host']} since {since} ({holder['what']})"
    return ""


def is_process_alive(pid: int) -> bool:
    """Return whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def hold_seen_file(file: Path) -> FileLock:
    """Return the lock of what this machine has seen of a ledger, as a context manager. It raises
    OSError where the folder cannot be written, or a frozen process holds the lock."""
    from filelock import FileLock

    return FileLock(file, mode=0o600, timeout=SEEN_SECONDS)


@contextmanager
def hold_live_file(file: Path) -> Iterator[None]:
    """Hold the file that says that a process of a run lives, and remove it after. Raises OSError
    where it cannot be written."""
    from filelock import FileLock

    with FileLock(file, mode=0o600, timeout=0.0):
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def is_live(file: Path) -> bool:
    """Return whether the process that made this file lives; one that a killed run has left is
    removed."""
    try:
        with hold_live_file(file):
            return False
    except TimeoutError:
        return True
    except OSError:
        return False


# Lanes, held by sessions of PostgreSQL ------------------------------------------------------------


def lock_lane(connection: Connection, lane_id: str, *, wait: bool) -> bool:
    """Take a lane's lock for this session, and return whether it has it now."""
    key = func.hashtextextended(lane_id, 0)
    if wait:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
    taken = connection.execute(
        select(func.pg_advisory_lock(key) if wait else func.pg_try_advisory_lock(key))
    ).scalar_one()
    connection.commit()  # the lock is the session's, not the transaction's
    return wait or bool(taken)


def try_lock_lanes(connection: Connection, lane_ids: list[str]) -> list[bool]:
    """Take lanes' locks for this session without waiting (a batch); return which it has now."""
    lock = func.pg_try_advisory_lock
    return [
        bool(connection.execute(select(lock(func.hashtextextended(id, 0)))).scalar_one())
        for id in lane_ids
    ]


def release_lanes(connection: Connection, lane_ids: list[str]) -> list[None]:
    """Give lanes' locks of this session back (a batch)."""
    for id in lane_ids:
        connection.execute(select(func.pg_advisory_unlock(func.hashtextextended(id, 0))))
    return [None] * len(lane_ids)


def release_all_lanes(connection: Connection) -> None:
    """Give all locks of this session back at once: PostgreSQL notices only some time later that it
    is closed, and a run that begins meanwhile would be refused."""
    with contextlib.suppress(DBAPIError):  # then it is gone, and they have ended with it
        connection.execute(select(func.pg_advisory_unlock_all()))


def is_lane_locked(connection: Connection, lane_id: str) -> bool:
    """Return whether a session holds a lane."""
    held = text(f"SELECT 1 FROM {HELD_LANES} WHERE key = hashtextextended(:lane, 0)")
    return connection.execute(held, {"lane": lane_id}).first() is not None


def lane_held_by(owner: tuple[str, int, float] | None) -> LaneHeld:
    """Make the error for a lane that another run holds."""
    who = NAMELESS if owner is None else _named(*owner)
    return LaneHeld(f"another run holds this team: {who}", WAIT_FOR_IT)


def _named(host: str, pid: int, since: float) -> str:
    return f"process {pid} on {host} since {iso(since)}"


# The ledger as a whole ----------------------------------------------------------------------------


def lock_schema(connection: Connection, *, shared: bool = False) -> None:
    """Let no other process change a PostgreSQL ledger as a whole, nor, unless `shared`, a run
    begin, until this transaction ends."""
    if connection.dialect.name != "sqlite":
        lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        connection.execute(select(lock(SCHEMA_KEY, 0)))


def refuse_live_runs(connection: Connection) -> None:
    """Raise LaneHeld if a run is live on a PostgreSQL ledger, and let none begin until this
    transaction ends."""
    if connection.dialect.name == "sqlite":
        return
    lock_schema(connection)
    held = connection.execute(
        text(
            f"SELECT held.pid, lane.id FROM {HELD_LANES}"
            " LEFT JOIN lane ON hashtextextended(lane.id, 0) = held.key"
            " WHERE held.pid <> pg_backend_pid() ORDER BY lane.id"
        )
    ).first()
    if held is None:
        return
    owner = None if held.id is None else owner_of(connection, held.id)
    who = f"session {held.pid} of the database" if owner is None else _named(*owner)
    raise LaneHeld(f"a run is live on this ledger: {who}", LET_IT_END)


# Campaigns, claims and people, until a transaction ends -------------------------------------------


def lock_plans(connection: Connection) -> None:
    """Wait for any other plan that is being written."""
    _lock_name(connection, "plan")


def lock_campaign(connection: Connection, id: int) -> None:
    """Wait for others that change many messages of this campaign: in another order of rows the two
    could wait for each other."""
    if connection.dialect.name != "sqlite":
        connection.execute(_SCHEMA_VERSION.with_for_update(read=True))
        # Not the campaign's own row: a live lane changes that after its messages and its lane's
        # row, which are waited for with this in hand.
        _lock_name(connection, f"campaign {id}")


def lock_all_campaigns(connection: Connection) -> None:
    """Wait for others that change many messages of any campaign."""
    if connection.dialect.name != "sqlite":
        connection.execute(_SCHEMA_VERSION.with_for_update())


_SCHEMA_VERSION = select(meta.c.key).where(meta.c.key == "schema_version")


def lock_claims(connection: Connection) -> None:
    """Let no lane commit an intent."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(lane.c.id).order_by(lane.c.id).with_for_update())


def lock_recipients(connection: Connection, ids: Collection[int]) -> None:
    """Let no other lane claim a message to the recipients of these messages."""
    if not ids or connection.dialect.name == "sqlite":
        return
    key = func.hashtext(message.c.recipient).label("key")
    keys = select(key).where(message.c.id.in_(ids)).distinct().order_by(key).subquery()
    connection.execute(select(func.pg_advisory_xact_lock(RECIPIENT_KEY, keys.c.key))).all()


def lock_submissions(connection: Connection) -> None:
    """Wait for others that hand campaigns to workers, or wake a lane."""
    _lock_name(connection, "submit")


def _lock_name(connection: Connection, name: str) -> None:
    if connection.dialect.name != "sqlite":
        key = func.hashtext("run-campaign"), func.hashtext(name)
        connection.execute(select(func.pg_advisory_xact_lock(*key)))
