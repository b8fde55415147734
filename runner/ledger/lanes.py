"""Who drives a lane: an epoch in the ledger, and on SQLite a file lock that dies with its owner."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update

from runner.ledger.schema import lane, run

if TYPE_CHECKING:
    pass
from dataclasses import dataclass


def begin_run(connection: Connection, at: float, version: str) -> int:
    """A new run's number."""
    made = connection.execute(
        insert(run)
        .values(started_at=at, host=socket.gethostname(), pid=os.getpid(), version=version)
        .returning(run.c.id)
    )
    id: int = made.scalar_one()
    return id


def end_run(connection: Connection, id: int, at: float, ending: str) -> None:
    """Write down how a run ended, in a word."""
    connection.execute(update(run).where(run.c.id == id).values(ended_at=at, ending=ending))


def take_lane(connection: Connection, lane_id: str, run_id: int) -> int:
    """Make this run the lane's owner; its epoch. Every earlier owner is fenced from here on."""
    moved: int | None = connection.execute(
        update(lane)
        .where(lane.c.id == lane_id)
        .values(epoch=lane.c.epoch + 1, run=run_id)
        .returning(lane.c.epoch)
    ).scalar_one_or_none()
    if moved is None:
        connection.execute(insert(lane).values(id=lane_id, epoch=1, run=run_id))
        return 1
    return moved


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `ended_at` is None while it lives, or when it was killed."""

    id: int
    started_at: float
    ended_at: float | None
    ending: str
    host: str
    pid: int


def last_run(connection: Connection) -> RunRow | None:
    """The newest run of this ledger."""
    row = connection.execute(
        select(run.c.id, run.c.started_at, run.c.ended_at, run.c.ending, run.c.host, run.c.pid)
        .order_by(run.c.id.desc())
        .limit(1)
    ).one_or_none()
    return RunRow(*row) if row else None
