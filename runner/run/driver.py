"""Who sends a campaign now."""

from __future__ import annotations

import os
import socket

from runner.ledger import Connection, brakes, history, submissions
from runner.ledger.history import RunRow
from runner.ledger.planning import CampaignRow
from runner.report import Status, status_in


def status_now(connection: Connection, row: CampaignRow, now: float) -> Status:
    """How a campaign stands at `now` (Unix seconds), and who sends it."""
    return status_in(connection, row, now, _driver_of(connection, row))


def _driver_of(connection: Connection, row: CampaignRow) -> str:
    if row.lane is None:
        return ""
    if host := submissions.host_of_driver(connection, row.lane):
        return f"by a worker on {host}"
    last = history.last_run(connection)
    if last is None or is_alive(last) is False or submissions.is_submitted(connection, row.id):
        return ""
    heard = brakes.heard_by_driver(connection, row.lane, row.id)
    return "" if heard is None else f"by process {last.pid} on {last.host}"


def is_alive(last: RunRow | None) -> bool | None:
    """Whether a run lives: None when only another host knows."""
    if last is None or last.ended_at is not None:
        return False
    if last.host != socket.gethostname():
        return None
    try:
        os.kill(last.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
