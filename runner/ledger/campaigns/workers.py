"""Workers: their heartbeats, their sessions, their version, and how a dead one is put out.

Times are seconds by the database's clock.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Float, cast, func, select, text, update

from runner.ledger.campaigns.brakes import is_driven_by
from runner.ledger.locks import HELD_LANES
from runner.ledger.schema import lane, meta, note, run, set_note

STALL = 10.0
"""Seconds without a sign of life after which a worker is taken for dead."""

WORKERS = "workers"
"""The note of the program's version that this ledger's workers have."""

WORKER = "run-campaign worker "
"""The name of a worker's session in the database, before its run's number."""

SILENCE = "extract(epoch FROM clock_timestamp()) - run.beat_at"
"""The seconds since a worker's last sign of life, in PostgreSQL's SQL."""

TIDIED = "tidied"
"""The note of when the engine's rows were cleaned up last."""


def beat(connection: Connection, run_id: int) -> None:
    """Write down a worker's sign of life."""
    connection.execute(update(run).where(run.c.id == run_id).values(beat_at=_clock(connection)))


def beat_age(connection: Connection, lane_id: str) -> float | None:
    """Return the seconds since the last sign of life of the worker that took a lane last; None when
    that was no worker."""
    row = connection.execute(
        select((_clock(connection) - run.c.beat_at).label("age"))
        .join(lane, lane.c.run == run.c.id)
        .where(lane.c.id == lane_id, run.c.ended_at.is_(None))
    ).one_or_none()
    return None if row is None or row.age is None else float(row.age)


def host_of_driver(connection: Connection, lane_id: str) -> str:
    """Return the host of the live worker that drives a lane now; empty for none."""
    owner = connection.execute(
        select(lane.c.run, run.c.host).join(run, run.c.id == lane.c.run).where(lane.c.id == lane_id)
    ).one_or_none()
    return owner.host if owner and is_live_driver(connection, lane_id, owner.run) else ""


def is_live_driver(connection: Connection, lane_id: str, run_id: int) -> bool:
    """Return whether a run, which took the lane last, is a live worker that drives it now."""
    age = beat_age(connection, lane_id)
    return age is not None and age <= STALL and is_driven_by(connection, lane_id, run_id)


def _clock(connection: Connection) -> ColumnElement[float]:
    if connection.dialect.name == "sqlite":
        return (func.julianday("now") - 2440587.5) * 86400.0
    return cast(func.extract("epoch", func.clock_timestamp()), Float)


def take_cleanup_turn(connection: Connection, every: float) -> bool:
    """Return whether this worker is to clean up the engine's rows now: one is, `every` seconds. No
    lock is held for it, so that no frozen worker can hold it."""
    now = connection.execute(select(_clock(connection))).scalar_one()
    last = note(connection, TIDIED)
    if last and 0 <= now - float(last) < every:
        return False
    if not last:
        set_note(connection, TIDIED, repr(float(now)))
        return True
    moved = connection.execute(
        update(meta)
        .where(meta.c.key == TIDIED, meta.c.value == last)
        .values(value=repr(float(now)))
    )
    return moved.rowcount == 1


def worker_name(run_id: int) -> str:
    """Return the name of a worker's session in the database."""
    return f"{WORKER}{run_id}"


def name_session(connection: Connection, run_ids: list[int]) -> list[None]:
    """Give this session, which will hold lanes' locks, its worker's name (a batch)."""
    for id in run_ids:
        connection.execute(select(func.set_config("application_name", worker_name(id), False)))
    return [None] * len(run_ids)


def evict(connection: Connection, lane_id: str, silent: float) -> int:
    """End the session that holds a lane, and with it all that it might still commit, if it is that
    of a worker without a sign of life for more than `silent` seconds. Return how many there were.

    The lane's owner does not tell: a worker that was frozen before it took the lane holds it too.
    """
    ended = connection.execute(
        text(
            f"SELECT pg_terminate_backend(held.pid) FROM {HELD_LANES}"
            " JOIN pg_stat_activity session ON session.pid = held.pid"
            " JOIN run ON session.application_name = :name || run.id"
            " WHERE held.key = hashtextextended(:lane, 0)"
            f" AND {SILENCE} > :silent"
        ),
        {"name": WORKER, "lane": lane_id, "silent": silent},
    )
    return len(ended.all())


def workers_version(connection: Connection) -> str:
    """Return the version that this ledger's workers have; empty before `db upgrade`."""
    return note(connection, WORKERS)


def set_workers_version(connection: Connection, version: str) -> None:
    """Set that version: workers of any other stop."""
    set_note(connection, WORKERS, version)
