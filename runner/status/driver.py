"""Who sends a campaign now."""

from __future__ import annotations

import socket
from dataclasses import replace

from runner.ledger import lanes, locks
from runner.ledger.campaigns import brakes, submissions, workers
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.lanes import RunRow
from runner.ledger.ledger import Connection
from runner.status.status import Status, status_in


def status_now(connection: Connection, row: CampaignRow, now: float) -> Status:
    """How a campaign stands at `now` (Unix seconds), and who sends it."""
    status = status_in(connection, row, now)
    if status.waits_for:
        waits_for = [
            replace(each, settling=not each.doubts and _is_owned(connection, each.lane))
            for each in status.waits_for
        ]
        status = replace(status, waits_for=waits_for)
    if row.lane is None:
        return status
    owner = lanes.owner_of(connection, row.lane)
    owned = _is_owned(connection, row.lane)
    driven = ""
    if host := workers.host_of_driver(connection, row.lane):
        driven = f"by a worker on {host}"
    elif owned and owner and _is_of_a_run(connection, row, row.lane):
        driven = f"by process {owner[1]} on {owner[0]}"
    return replace(status, driven=driven, owned=owned)


def _is_owned(connection: Connection, lane: str | None) -> bool:
    """Whether whoever has a lane still lives."""
    if lane is None:
        return False
    if connection.dialect.name != "sqlite":
        return locks.is_lane_locked(connection, lane)
    # Not when only another host knows: nobody else shares a ledger in a file, and a container that
    # was replaced had another name.
    owner = lanes.owner_of(connection, lane)
    return owner is not None and _lives(*owner[:2]) is True


def _is_of_a_run(connection: Connection, row: CampaignRow, lane: str) -> bool:
    """Whether the run that has the lane drives this campaign, and no worker is to."""
    heard = brakes.acknowledged_by_driver(connection, lane, row.id)
    return heard is not None and not submissions.is_submitted(connection, row.id)


def is_alive(last: RunRow | None) -> bool | None:
    """Whether a run lives: None when only another host knows."""
    if last is None or last.ended_at is not None:
        return False
    return _lives(last.host, last.pid)


def _lives(host: str, pid: int) -> bool | None:
    return locks.is_process_alive(pid) if host == socket.gethostname() else None
