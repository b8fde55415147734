"""The status of a ledger's lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    select,
)

from runner.ledger.campaigns.workers import is_live_driver
from runner.ledger.queries.totals import counts
from runner.ledger.schema import campaign, lane, run, submission
from runner.message.status import MessageStatus

_S = MessageStatus


class LaneRow(NamedTuple):
    """A lane of workers as it stands. `host`, `pid`, `since`: the worker that has it now or had it
    last, empty for none; `driven`: whether it has it now, and lives."""

    lane: str
    campaigns: tuple[str, ...]
    token_env: str
    next_at: float | None
    trouble: str
    host: str
    pid: int
    since: float
    driven: bool
    epoch: int
    queued: int
    in_doubt: int


def lane_rows(connection: Connection) -> list[LaneRow]:
    """Return the lanes that workers drive, by name."""
    each = submission.c
    by_lane: dict[str, list[Any]] = {}
    for row in connection.execute(
        select(
            each.lane, each.token_env, each.next_at, each.trouble, campaign.c.id, campaign.c.name
        )
        .join(campaign, campaign.c.id == each.campaign)
        .order_by(each.lane, campaign.c.name)
    ):
        by_lane.setdefault(row.lane, []).append(row)
    return [_lane_row(connection, id, rows) for id, rows in by_lane.items()]


def _lane_row(connection: Connection, lane_id: str, rows: Sequence[Any]) -> LaneRow:
    owner = connection.execute(
        select(lane.c.epoch, lane.c.run, run.c.host, run.c.pid, run.c.started_at, run.c.beat_at)
        .join(run, run.c.id == lane.c.run)
        .where(lane.c.id == lane_id)
    ).one_or_none()
    counted = [counts(connection, row.id) for row in rows]
    dues = [row.next_at for row in rows if row.next_at is not None]
    worker = owner is not None and owner.beat_at is not None
    return LaneRow(
        lane_id,
        tuple(row.name for row in rows),
        rows[0].token_env,
        min(dues, default=None),
        next((row.trouble for row in rows if row.trouble), ""),
        owner.host if owner and worker else "",
        owner.pid if owner and worker else 0,
        owner.started_at if owner and worker else 0.0,
        owner is not None and is_live_driver(connection, lane_id, owner.run),
        owner.epoch if owner else 0,
        sum(each[_S.QUEUED] for each in counted),
        sum(each[_S.SENDING] + each[_S.IN_DOUBT] for each in counted),
    )
