"""Runs, and the epochs of lanes that say which run owns one.

A lane is taken by raising its epoch: from then on nothing that an earlier owner begins is claimed.
"""

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
    """Add a run, and return its number."""
    added = connection.execute(
        insert(run)
        .values(started_at=at, host=socket.gethostname(), pid=os.getpid(), version=version)
        .returning(run.c.id)
    )
    id: int = added.scalar_one()
    return id


def end_run(connection: Connection, id: int, at: float, ending: str) -> None:
    """Write down how a run ended, in a word."""
    connection.execute(update(run).where(run.c.id == id).values(ended_at=at, ending=ending))


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
    """Find the newest run of this ledger."""
    row = connection.execute(
        select(run.c.id, run.c.started_at, run.c.ended_at, run.c.ending, run.c.host, run.c.pid)
        .order_by(run.c.id.desc())
        .limit(1)
    ).one_or_none()
    return RunRow(*row) if row else None


def take_lane(connection: Connection, lane_id: str, run_id: int) -> int:
    """Make this run the lane's owner, and return its epoch. Every earlier owner is fenced from here
    on."""
    epoch: int | None = connection.execute(
        update(lane)
        .where(lane.c.id == lane_id)
        .values(epoch=lane.c.epoch + 1, run=run_id)
        .returning(lane.c.epoch)
    ).scalar_one_or_none()
    if epoch is None:
        connection.execute(insert(lane).values(id=lane_id, epoch=1, run=run_id))
        return 1
    return epoch


def is_owner(connection: Connection, lane_id: str, epoch: int) -> bool:
    """Return whether no other run has taken the lane since this epoch."""
    newest = connection.scalar(select(lane.c.epoch).where(lane.c.id == lane_id))
    return newest == epoch


def owner_of(connection: Connection, lane_id: str) -> tuple[str, int, float] | None:
    """Return (host, pid, since) of the run that took the lane last, None if it has ended."""
    row = connection.execute(
        select(run.c.host, run.c.pid, run.c.started_at)
        .join(lane, lane.c.run == run.c.id)
        .where(lane.c.id == lane_id, run.c.ended_at.is_(None))
    ).one_or_none()
    return (row.host, row.pid, row.started_at) if row else None
