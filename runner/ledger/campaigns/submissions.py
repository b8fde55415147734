"""Campaigns that were submitted to workers, and when their lanes are due.

Times are Unix seconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import NamedTuple
from unicodedata import normalize

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from runner.ledger.campaigns.registry import CampaignRow, find_campaign
from runner.ledger.locks import lock_submissions
from runner.ledger.people.erased import without_erased
from runner.ledger.schema import campaign, lane, message, submission
from runner.ledger.statements import texts_of
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus


class Submission(NamedTuple):
    """A campaign as it was submitted: its file's text, and what else a worker cannot read where it
    is. `start` is given instead of the file's, or empty."""

    row: CampaignRow
    lane: str
    token_env: str
    path: str
    file: str
    start: str
    suppressed: frozenset[str]
    submitted_at: float
    next_at: float | None


class DueLane(NamedTuple):
    """A lane that is due, and the variable that holds its token."""

    lane: str
    token_env: str


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
    """Submit a planned campaign to workers, or submit it again; it is due at once."""
    lock_submissions(connection)
    row = find_campaign(connection, name)
    assert row is not None
    woken = wakes(connection, lane_id)  # which must not begin at 0 again with its rows
    _lock_rows(connection, or_(submission.c.lane == lane_id, submission.c.campaign == row.id))
    connection.execute(delete(submission).where(submission.c.campaign == row.id))
    connection.execute(
        insert(submission).values(
            campaign=row.id,
            lane=lane_id,
            token_env=token_env,
            path=path,
            file=file,
            start=start,
            suppressed=json.dumps(without_erased(connection, sorted(suppressed))),
            submitted_at=at,
            said_by=by,
            wakes=woken,
        )
    )
    _wake(connection, lane_id, at)


def take_back(connection: Connection, id: int) -> bool:
    """Take a campaign back from the workers; return False where they do not have it."""
    lock_submissions(connection)
    _lock_rows(connection, submission.c.campaign == id)
    taken = connection.execute(delete(submission).where(submission.c.campaign == id))
    return taken.rowcount > 0


def of_lane(connection: Connection, lane_id: str) -> list[Submission]:
    """Read the submissions of a lane, in the order of submitting."""
    return _read(connection, submission.c.lane == lane_id)


def find(connection: Connection, id: int) -> Submission | None:
    """Find a campaign's submission, None when workers do not drive it."""
    return next(iter(_read(connection, submission.c.campaign == id)), None)


def _read(connection: Connection, wanted: ColumnElement[bool]) -> list[Submission]:
    each = submission.c
    rows = connection.execute(
        select(submission, campaign.c.name)
        .join(campaign, campaign.c.id == each.campaign)
        .where(wanted)
        .order_by(each.submitted_at, each.campaign)
    ).all()
    submissions: list[Submission] = []
    for row in rows:
        known = find_campaign(connection, row.name)
        assert known is not None
        ids = frozenset(normalize("NFC", each) for each in json.loads(row.suppressed))
        facts = (row.lane, row.token_env, row.path, row.file, row.start)
        submissions.append(Submission(known, *facts, ids, row.submitted_at, row.next_at))
    return submissions


def is_submitted(connection: Connection, id: int) -> bool:
    """Return whether workers drive this campaign."""
    asked = select(submission.c.campaign).where(submission.c.campaign == id)
    return connection.execute(asked).first() is not None


def due_lanes(connection: Connection, at: float) -> list[DueLane]:
    """List the lanes that are due at `at`."""
    each = submission.c
    rows = connection.execute(
        select(each.lane, func.min(each.token_env))
        .where(each.next_at <= at)
        .group_by(each.lane)
        .order_by(func.min(each.next_at), each.lane)
    )
    return [DueLane(*row) for row in rows]


def wake(connection: Connection, id: int, at: float) -> bool:
    """Make a campaign's lane due now; return False when it is none of the workers'."""
    of_it = select(submission.c.lane).where(submission.c.campaign == id)
    lane_id = connection.execute(of_it).scalar()
    if lane_id is None:
        return False
    _wake(connection, lane_id, at)
    return True


def wake_for(connection: Connection, recipients: Collection[str], at: float) -> None:
    """Make the lanes of campaigns with unsettled messages to these people due now."""
    these = texts_of("ids", connection.dialect.name)
    theirs = select(message.c.campaign).where(
        message.c.recipient.in_(these), message.c.status.in_((_S.QUEUED, *OPEN))
    )
    wanted = select(submission.c.lane).where(submission.c.campaign.in_(theirs)).distinct()
    found = connection.execute(
        wanted.order_by(submission.c.lane), {"ids": json.dumps([*recipients])}
    )
    for lane_id in found.scalars().all():
        _wake(connection, lane_id, at)


def _wake(connection: Connection, lane_id: str, at: float) -> None:
    lock_submissions(connection)
    _lock_rows(connection, submission.c.lane == lane_id)
    connection.execute(
        update(submission)
        .where(submission.c.lane == lane_id)
        .values(next_at=at, trouble="", wakes=wakes(connection, lane_id) + 1)
    )


def wakes(connection: Connection, lane_id: str) -> int:
    """Count how often a lane was woken."""
    most = select(func.max(submission.c.wakes)).where(submission.c.lane == lane_id)
    return connection.execute(most).scalar() or 0


def _lock_rows(connection: Connection, wanted: ColumnElement[bool]) -> None:
    """Lock rows of submissions, always in one order."""
    each = submission.c.campaign
    connection.execute(select(each).where(wanted).order_by(each).with_for_update())


def postpone(
    connection: Connection,
    lane_id: str,
    seen: int,
    next_at: float | None,
    trouble: str = "",
    owner: int | None = None,
) -> None:
    """Set when a lane is due again, None for not before it is woken; and what kept it from going
    on. One that was woken since it was `seen` (see `wakes`) stays due, and one that another run
    than the `owner` has taken meanwhile is left to that."""
    _lock_rows(connection, submission.c.lane == lane_id)
    wanted = update(submission).where(submission.c.lane == lane_id, submission.c.wakes == seen)
    if owner is not None:
        wanted = wanted.where(exists().where(lane.c.id == lane_id, lane.c.run == owner))
    connection.execute(wanted.values(next_at=next_at, trouble=trouble))
