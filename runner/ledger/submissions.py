"""Campaigns that were handed to workers, and how the workers' lanes stand.

Times are Unix seconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from unicodedata import normalize

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from runner.ledger.brakes import is_driven_by
from runner.ledger.lanes import HELD, take_turns
from runner.ledger.notes import note, set_note
from runner.ledger.planning import CampaignRow, find_campaign
from runner.ledger.schema import campaign, lane, meta, run, submission
from runner.ledger.views import counts
from runner.message import MessageStatus

_S = MessageStatus

STALL = 10.0
"""Seconds without a sign of life after which a worker is taken for dead."""

WORKERS = "workers"
"""Where the ledger keeps which version of the program its workers are of."""


WORKER = "run-campaign worker "
"""What a worker's session is called in the database, before its run's number."""

TIDIED = "tidied"
"""Where it keeps when the engine's rows were last looked after."""


class Submission(NamedTuple):
    """A campaign as it was handed in: its file's text, and what else a worker cannot read where it
    is. `start` is what was said instead of the file's, or empty."""

    row: CampaignRow
    lane: str
    token_env: str
    path: str
    file: str
    start: str
    suppressed: frozenset[str]
    submitted_at: float
    next_at: float | None


class Due(NamedTuple):
    """A lane that wants to be driven, and the variable that holds its token."""

    lane: str
    token_env: str


class LaneRow(NamedTuple):
    """How a lane of workers stands. `host`, `pid`, `since`: the worker that has it now or had it
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


def submit(
    connection: Connection,
    name: str,
    *,
    lane_id: str,
    token_env: str,
    path: str,
    file: str,
    start: str,
    suppressed: Collection[str],
    at: float,
    by: str,
) -> None:
    """Hand a planned campaign to workers, or hand it in anew; it is due at once."""
    take_turns(connection, "submit")
    row = find_campaign(connection, name)
    assert row is not None
    woken = wakes(connection, lane_id)  # which must not begin anew with its rows
    _lock(connection, or_(submission.c.lane == lane_id, submission.c.campaign == row.id))
    connection.execute(delete(submission).where(submission.c.campaign == row.id))
    connection.execute(
        insert(submission).values(
            campaign=row.id,
            lane=lane_id,
            token_env=token_env,
            path=path,
            file=file,
            start=start,
            suppressed=json.dumps(sorted(suppressed)),
            submitted_at=at,
            said_by=by,
            wakes=woken,
        )
    )
    _wake(connection, lane_id, at)


def of_lane(connection: Connection, lane_id: str) -> list[Submission]:
    """What workers drive of a lane, in the order of handing in."""
    return _found(connection, submission.c.lane == lane_id)


def find(connection: Connection, id: int) -> Submission | None:
    """A campaign as it was handed in, if it was."""
    return next(iter(_found(connection, submission.c.campaign == id)), None)


def _found(connection: Connection, wanted: ColumnElement[bool]) -> list[Submission]:
    each = submission.c
    rows = connection.execute(
        select(submission, campaign.c.name)
        .join(campaign, campaign.c.id == each.campaign)
        .where(wanted)
        .order_by(each.submitted_at, each.campaign)
    ).all()
    found: list[Submission] = []
    for row in rows:
        known = find_campaign(connection, row.name)
        assert known is not None
        ids = frozenset(normalize("NFC", each) for each in json.loads(row.suppressed))
        facts = (row.lane, row.token_env, row.path, row.file, row.start)
        found.append(Submission(known, *facts, ids, row.submitted_at, row.next_at))
    return found


def is_submitted(connection: Connection, id: int) -> bool:
    """Whether workers drive this campaign."""
    asked = select(submission.c.campaign).where(submission.c.campaign == id)
    return connection.execute(asked).first() is not None


def due(connection: Connection, at: float) -> list[Due]:
    """The lanes that want to be driven at `at`."""
    each = submission.c
    rows = connection.execute(
        select(each.lane, func.min(each.token_env))
        .where(each.next_at <= at)
        .group_by(each.lane)
        .order_by(func.min(each.next_at), each.lane)
    )
    return [Due(*row) for row in rows]


def wake(connection: Connection, id: int, at: float) -> bool:
    """A campaign's lane has something to do now; False when it is none of the workers'."""
    of_it = select(submission.c.lane).where(submission.c.campaign == id)
    lane_id = connection.execute(of_it).scalar()
    if lane_id is None:
        return False
    _wake(connection, lane_id, at)
    return True


def _wake(connection: Connection, lane_id: str, at: float) -> None:
    take_turns(connection, "submit")
    _lock(connection, submission.c.lane == lane_id)
    connection.execute(
        update(submission)
        .where(submission.c.lane == lane_id)
        .values(next_at=at, trouble="", wakes=wakes(connection, lane_id) + 1)
    )


def wakes(connection: Connection, lane_id: str) -> int:
    """How often a lane was woken."""
    most = select(func.max(submission.c.wakes)).where(submission.c.lane == lane_id)
    return connection.execute(most).scalar() or 0


def _lock(connection: Connection, wanted: ColumnElement[bool]) -> None:
    """Always in one order, or two could wait for each other."""
    each = submission.c.campaign
    connection.execute(select(each).where(wanted).order_by(each).with_for_update())


def put_off(
    connection: Connection,
    lane_id: str,
    seen: int,
    next_at: float | None,
    trouble: str = "",
    owner: int | None = None,
) -> None:
    """When a lane is due again, None for not before it is woken; and what kept it from going on.
    One that was woken since it was `seen` (see `wakes`) stays due, and one that another run than
    the `owner` has taken meanwhile is left to that."""
    _lock(connection, submission.c.lane == lane_id)
    wanted = update(submission).where(submission.c.lane == lane_id, submission.c.wakes == seen)
    if owner is not None:
        wanted = wanted.where(exists().where(lane.c.id == lane_id, lane.c.run == owner))
    connection.execute(wanted.values(next_at=next_at, trouble=trouble))


def beat(connection: Connection, run_id: int) -> None:
    """A worker's sign of life."""
    connection.execute(update(run).where(run.c.id == run_id).values(beat_at=_clock(connection)))


def beat_age(connection: Connection, lane_id: str) -> float | None:
    """Seconds since the last sign of life of the worker that took a lane last; None when that was
    no worker."""
    row = connection.execute(
        select((_clock(connection) - run.c.beat_at).label("age"))
        .join(lane, lane.c.run == run.c.id)
        .where(lane.c.id == lane_id, run.c.ended_at.is_(None))
    ).one_or_none()
    return None if row is None or row.age is None else float(row.age)


def host_of_driver(connection: Connection, lane_id: str) -> str:
    """The host of the live worker that drives a lane now; empty for none."""
    owner = connection.execute(
        select(lane.c.run, run.c.host).join(run, run.c.id == lane.c.run).where(lane.c.id == lane_id)
    ).one_or_none()
    return owner.host if owner and _drives(connection, lane_id, owner.run) else ""


def _drives(connection: Connection, lane_id: str, run_id: int) -> bool:
    """Whether a run, which took the lane last, is a live worker that drives it now."""
    age = beat_age(connection, lane_id)
    return age is not None and age <= STALL and is_driven_by(connection, lane_id, run_id)


def _clock(connection: Connection) -> ColumnElement[float]:
    if connection.dialect.name == "sqlite":
        return (func.julianday("now") - 2440587.5) * 86400.0
    return cast(func.extract("epoch", func.clock_timestamp()), Float)


def my_turn_to_tidy(connection: Connection, every: float) -> bool:
    """Whether whoever asks is the one to look after the engine's rows now: one is, `every` seconds.
    No lock is held for it, so that none can be held by who was frozen meanwhile."""
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


def try_hold(connection: Connection, lane_ids: list[str]) -> list[bool]:
    """Take PostgreSQL's locks of lanes for this session (a batch); which of them it has now."""
    lock = func.pg_try_advisory_lock
    return [
        bool(connection.execute(select(lock(func.hashtextextended(id, 0)))).scalar_one())
        for id in lane_ids
    ]


def let_go(connection: Connection, lane_ids: list[str]) -> list[None]:
    """Give such locks back (a batch)."""
    for id in lane_ids:
        connection.execute(select(func.pg_advisory_unlock(func.hashtextextended(id, 0))))
    return [None] * len(lane_ids)


def worker_name(run_id: int) -> str:
    """What a worker's session is called in the database."""
    return f"{WORKER}{run_id}"


def introduce(connection: Connection, run_ids: list[int]) -> list[None]:
    """Say in this session, which will hold lanes' locks, whose it is (a batch)."""
    for id in run_ids:
        connection.execute(select(func.set_config("application_name", worker_name(id), False)))
    return [None] * len(run_ids)


def evict(connection: Connection, lane_id: str, silent: float) -> int:
    """End the session that holds a lane, and with it all that it might still commit, if it is that
    of a worker without a sign of life for more than `silent` seconds. How many there were.

    Not by who took the lane last: who was frozen before it came to that holds it too.
    """
    ended = connection.execute(
        text(
            f"SELECT pg_terminate_backend(held.pid) FROM {HELD}"
            " JOIN pg_stat_activity session ON session.pid = held.pid"
            " JOIN run ON session.application_name = :name || run.id"
            " WHERE held.key = hashtextextended(:lane, 0)"
            " AND extract(epoch FROM clock_timestamp()) - run.beat_at > :silent"
        ),
        {"name": WORKER, "lane": lane_id, "silent": silent},
    )
    return len(ended.all())


def workers_version(connection: Connection) -> str:
    """Which version of the program this ledger's workers are of; empty before `db upgrade`."""
    return note(connection, WORKERS)


def set_workers_version(connection: Connection, version: str) -> None:
    """From here on workers of any other version stop."""
    set_note(connection, WORKERS, version)


def lane_rows(connection: Connection) -> list[LaneRow]:
    """How the lanes stand that workers drive, by name."""
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
        owner is not None and _drives(connection, lane_id, owner.run),
        owner.epoch if owner else 0,
        sum(each[_S.QUEUED] for each in counted),
        sum(each[_S.SENDING] + each[_S.IN_DOUBT] for each in counted),
    )
