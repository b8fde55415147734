"""The driver of a campaign: the run or the worker that sends it now."""

from __future__ import annotations

import socket

from runner.ledger import lanes, locks
from runner.ledger.campaigns import brakes, submissions, workers
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.lanes import RunRow
from runner.ledger.ledger import Connection


def driver_of(connection: Connection, row: CampaignRow) -> str:
    """Return who sends a campaign now, in words; empty for nobody."""
    if row.lane is None:
        return ""
    if host := workers.host_of_driver(connection, row.lane):
        return f"by a worker on {host}"
    owner = lanes.owner_of(connection, row.lane)
    if owner and is_owned(connection, row.lane) and _drives(connection, row, row.lane):
        return f"by process {owner[1]} on {owner[0]}"
    return ""


def is_owned(connection: Connection, lane: str | None) -> bool:
    """Return whether the process that owns a lane still lives."""
    if lane is None:
        return False
    if connection.dialect.name != "sqlite":
        return locks.is_lane_locked(connection, lane)
    # Not when only another host knows: hosts do not share a ledger in a file, and a container that
    # was replaced had another name.
    owner = lanes.owner_of(connection, lane)
    return owner is not None and _is_process_alive(*owner[:2]) is True


def is_alive(run: RunRow | None) -> bool | None:
    """Return whether a run lives; None when only another host knows."""
    if run is None or run.ended_at is not None:
        return False
    return _is_process_alive(run.host, run.pid)


def _drives(connection: Connection, row: CampaignRow, lane: str) -> bool:
    """Return whether the run that owns the lane drives this campaign, and no worker is to."""
    heard = brakes.acknowledged_by_driver(connection, lane, row.id)
    return heard is not None and not submissions.is_submitted(connection, row.id)


def _is_process_alive(host: str, pid: int) -> bool | None:
    return locks.is_process_alive(pid) if host == socket.gethostname() else None
