"""Who sends a campaign now."""

from __future__ import annotations

import os
import socket

from runner.ledger import Connection, brakes, lanes, submissions
from runner.ledger.history import RunRow
from runner.ledger.planning import CampaignRow
from runner.report import Status, status_in


def status_now(connection: Connection, row: CampaignRow, now: float) -> Status:
    """How a campaign stands at `now` (Unix seconds), and who sends it."""
    if row.lane is None:
        return status_in(connection, row, now)
    owner = lanes.owner_of(connection, row.lane)
    shared = connection.dialect.name != "sqlite"
    owned = lanes.is_held(connection, row.lane) if shared else owner is not None and _lives(owner)
    driven = ""
    if host := submissions.host_of_driver(connection, row.lane):
        driven = f"by a worker on {host}"
    elif owned and owner and _is_of_a_run(connection, row, row.lane):
        driven = f"by process {owner[1]} on {owner[0]}"
    return status_in(connection, row, now, driven, owned=owned)


def _is_of_a_run(connection: Connection, row: CampaignRow, lane: str) -> bool:
    """Whether the run that has the lane drives this campaign, and no worker is to."""
    heard = brakes.heard_by_driver(connection, lane, row.id)
    return heard is not None and not submissions.is_submitted(connection, row.id)


def _lives(owner: tuple[str, int, float]) -> bool:
    """Not when only another host knows: nobody else shares a ledger in a file, and a container that
    was replaced had another name."""
    host, pid, _ = owner
    return host == socket.gethostname() and _is_there(pid)


def is_alive(last: RunRow | None) -> bool | None:
    """Whether a run lives: None when only another host knows."""
    if last is None or last.ended_at is not None:
        return False
    if last.host != socket.gethostname():
        return None
    return _is_there(last.pid)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
