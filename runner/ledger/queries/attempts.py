"""The newest attempts to send, cheap to read every second."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from runner.ledger.pagination import Page, page_of, parse_cursor
from runner.ledger.rehearsals import lane_name
from runner.ledger.schema import attempt, campaign, lane, message, status_is
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus

_S = MessageStatus

NEWEST_OF_LANE = 1000
"""The newest attempts of a lane among which a campaign's are searched. Our own choice: 5 ms."""

SLACK = 120.0
"""Seconds by which the time of sending, which is an attempt's end by our clock, may lie after its
beginning by the server's."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """An attempt, and the message that it was for as that is now. `at`: when it began, by the
    server's clock; `ended_at`: by ours, None while it goes on. `columns`: the prospect's cells."""

    status: MessageStatus
    columns: dict[str, str]
    at: float
    message: int
    number: int
    ended_at: float | None
    outcome: str
    evidence: str
    reason: str
    detail: str
    http_status: int
    sender: str
    campaign: int
    campaign_name: str
    row: int
    recipient: str

    @property
    def key(self) -> tuple[float, int, int]:
        """Return the key it is sorted by."""
        return self.at, self.message, self.number


_Key = tuple[float, int, int]
_NEWEST = (attempt.c.server_at.desc(), attempt.c.message.desc(), attempt.c.number.desc())
_MADE = attempt.c.evidence != Evidence.PRESUMED


def recent(
    connection: Connection, id: int | None = None, *, after: str = "", limit: int = 100
) -> Page[LogLine]:
    """Return the newest attempts of a campaign, or of the whole ledger (None).

    Exact for the ledger, and for a campaign among the newest `NEWEST_OF_LANE` attempts of its lane.
    Older ones of a campaign come by when they were sent; of those that were not sent, the last in
    the plan.
    """
    before: _Key | None = None
    if after:
        at, of, number = parse_cursor(after, float, int, int)
        before = at, of, number
    if id is None:
        lines = _of_ledger(connection, before, limit)
    else:
        lines = _of_campaign(connection, id, before, limit)
    return page_of(lines, limit, lambda each: each.key)


def _of_ledger(connection: Connection, before: _Key | None, limit: int) -> list[LogLine]:
    keys: list[_Key] = []
    for lane_id in connection.execute(select(lane.c.id)).scalars().all():
        keys += _newest_of_lane(connection, lane_id, before, limit)
    return _lines(connection, sorted(keys, reverse=True)[:limit])


def _of_campaign(connection: Connection, id: int, before: _Key | None, limit: int) -> list[LogLine]:
    bound = connection.execute(
        select(campaign.c.team, campaign.c.rehearsal).where(campaign.c.id == id)
    ).one_or_none()
    if bound is None or bound.team is None:
        return []
    lane = lane_name(bound.team, rehearsal=bound.rehearsal)
    newest = _newest_of_lane(connection, lane, before, NEWEST_OF_LANE)
    mine = _of_these(connection, id, {key[1] for key in newest})
    keys = [key for key in newest if key[1] in mine]
    if len(keys) < limit and len(newest) == NEWEST_OF_LANE:
        older = newest[-1]
        some = _older(connection, id, older, limit, len(keys))
        keys += sorted(some, reverse=True)
    return _lines(connection, keys[:limit])


def _newest_of_lane(
    connection: Connection, lane_id: str, before: _Key | None, limit: int
) -> list[_Key]:
    wanted = (
        select(attempt.c.server_at, attempt.c.message, attempt.c.number)
        .where(attempt.c.lane == lane_id, _MADE, *_before(before))
        .order_by(*_NEWEST)
        .limit(limit)
    )
    return [(at, of, number) for at, of, number in connection.execute(wanted)]


def _before(key: _Key | None) -> list[ColumnElement[bool]]:
    if key is None:
        return []
    at, of, number = key
    earlier = or_(
        attempt.c.server_at < at,
        attempt.c.message < of,
        and_(attempt.c.message == of, attempt.c.number < number),
    )
    return [attempt.c.server_at <= at, earlier]


def _of_these(connection: Connection, id: int, messages: Collection[int]) -> set[int]:
    """Return those of these messages that are of a campaign."""
    mine = select(message.c.id).where(message.c.id.in_(messages), message.c.campaign + 0 == id)
    return set(connection.execute(mine).scalars())


def _older(connection: Connection, id: int, than: _Key, limit: int, seen: int) -> set[_Key]:
    """Return a campaign's attempts before a moment, as far as its messages tell when they were
    made."""
    sent = (
        select(message.c.id)
        .where(
            message.c.campaign == id,
            status_is(message, _S.SENT),
            message.c.sent_at <= than[0] + SLACK,
        )
        .order_by(message.c.sent_at.desc())
        .limit(limit + seen)
    )
    ids = set(connection.execute(sent).scalars())
    for status in (_S.REJECTED, _S.FAILED, _S.IN_DOUBT, _S.SENDING):
        last = (
            select(message.c.id)
            .where(message.c.campaign == id, message.c.status == status)
            .order_by(message.c.id.desc())
            .limit(limit)
        )
        ids |= set(connection.execute(last).scalars())
    wanted = select(attempt.c.server_at, attempt.c.message, attempt.c.number).where(
        attempt.c.message.in_(ids), _MADE, *_before(than)
    )
    return {(at, of, number) for at, of, number in connection.execute(wanted)}


def _lines(connection: Connection, keys: Sequence[_Key]) -> list[LogLine]:
    """Return the attempts with these keys, newest first."""
    asked = set(keys)
    wanted = (
        select(
            message.c.status,
            message.c.columns,
            attempt.c.server_at,
            attempt.c.message,
            attempt.c.number,
            attempt.c.ended_at,
            attempt.c.outcome,
            attempt.c.evidence,
            attempt.c.reason,
            attempt.c.detail,
            attempt.c.http_status,
            attempt.c.sender,
            message.c.campaign,
            campaign.c.name,
            message.c.row,
            message.c.recipient,
        )
        .join(message, message.c.id == attempt.c.message)
        .join(campaign, campaign.c.id == message.c.campaign)
        # By messages alone: for pairs SQLite would go through every attempt there is.
        .where(attempt.c.message.in_({key[1] for key in asked}))
    )
    rows: Iterable[Any] = connection.execute(wanted)
    found = [LogLine(MessageStatus(row[0]), json.loads(row[1]), *row[2:]) for row in rows]
    mine = [each for each in found if each.key in asked]
    return sorted(mine, key=lambda each: each.key, reverse=True)
