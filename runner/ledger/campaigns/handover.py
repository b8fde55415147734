"""The handover of a lane from one worker to another: whether anything is gained by it.

On PostgreSQL alone, where workers are.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from sqlalchemy import Connection, text

from runner.ledger.campaigns import submissions, workers
from runner.ledger.locks import AWAITED_LANES, HELD_LANES

WAITS = 2.0
"""Seconds for which a due lane waits before it counts as one that finds no free worker: taking one
up is a matter of milliseconds."""


def awaited(connection: Connection, lane_ids: Collection[str]) -> list[str]:
    """Return which of these lanes a command waits for."""
    found = connection.execute(
        text(
            "SELECT id FROM unnest(CAST(:lanes AS text[])) id"
            f" WHERE hashtextextended(id, 0) IN (SELECT key FROM {AWAITED_LANES})"
        ),
        {"lanes": [*lane_ids]},
    )
    return [str(id) for id in found.scalars()]


def is_wanted(
    connection: Connection,
    lane_id: str,
    run_id: int,
    *,
    seen: int,
    token_envs: Collection[str],
    at: float,
    silent: float,
) -> bool:
    """Return whether a worker is to let go of a lane that it drives at `at` (Unix seconds): it was
    woken since it was `seen` (`submissions.wakes`), another lane of these tokens finds no free
    worker, or a worker that lives drives fewer. Without a sign of life for more than `silent`
    seconds one does not."""
    return (
        submissions.wakes(connection, lane_id) != seen
        or _waits_for_a_worker(connection, token_envs, at - WAITS)
        or _is_one_too_many(connection, lane_id, run_id, silent)
    )


def _waits_for_a_worker(connection: Connection, token_envs: Collection[str], since: float) -> bool:
    found = connection.execute(
        text(
            "SELECT 1 FROM submission"
            " WHERE next_at <= :since AND token_env = ANY(:names) AND hashtextextended(lane, 0)"
            f" NOT IN (SELECT key FROM {HELD_LANES}) LIMIT 1"
        ),
        {"since": since, "names": [*token_envs]},
    )
    return found.first() is not None


def _is_one_too_many(connection: Connection, lane_id: str, run_id: int, silent: float) -> bool:
    """Return whether a lane is among those by which a worker has more than its share. All of them
    are told apart by their keys, so that it lets go of no more than these."""
    found = connection.execute(
        text(
            "SELECT run.id, count(held.key) AS lanes,"
            " count(held.key) FILTER (WHERE held.key < hashtextextended(:lane, 0)) AS before"
            " FROM run JOIN pg_stat_activity session"
            " ON session.application_name = :name || run.id"
            " AND session.datname = current_database()"
            f" LEFT JOIN {HELD_LANES} ON held.pid = session.pid"
            " AND held.key <> hashtextextended(session.application_name, 0)"
            " WHERE run.ended_at IS NULL"
            f" AND {workers.SILENCE} <= :silent GROUP BY run.id"
        ),
        {"lane": lane_id, "name": workers.WORKER, "silent": silent},
    ).all()
    share = math.ceil(sum(each.lanes for each in found) / len(found)) if found else math.inf
    return any(each.id == run_id and each.before < each.lanes - share for each in found)
