"""Claims of follow-ups: what has to hold in the claim's own transaction, and what the thread is
judged by before."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, update

from runner.ledger.messages.follow_ups import ANSWERED, IS_BEFORE, before_it, stops_on
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.schema import attempt, campaign, feed, inbound, message, read_back
from runner.ledger.statements import Prepared, each_of, given
from runner.message.evidence import MAY_HAVE_SENT
from runner.message.follow_up import Before, StopOn, stop_on_of
from runner.message.status import MessageStatus, SkipReason

if TYPE_CHECKING:
    from runner.ledger.messages.claims import SendRequest

_S = MessageStatus

REPLIES = ("reply", "unread")
"""Kinds of inbound messages that are answers."""

DISMISSED = "dismissed"
"""The kind of those of which a person said that they are none."""

_theirs = message.alias("theirs")
_IS_THEIRS = and_(
    _theirs.c.campaign == message.c.campaign,
    _theirs.c.platform == message.c.platform,
    _theirs.c.id_type == message.c.id_type,
    _theirs.c.recipient == message.c.recipient,
)
_HAS_ANSWERED = exists().where(
    _IS_THEIRS, inbound.c.answers == _theirs.c.id, inbound.c.kind.in_(REPLIES)
)
_IS_HEARD = exists().where(
    feed.c.lane == given("lane"),
    feed.c.read_at > message.c.not_before,
)
_IS_READ_BACK = ~exists().where(
    read_back.c.lane == given("lane"),
    read_back.c.thread_id == before_it.c.thread_id,
)


def is_heard() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that the replies of `lane` (to be given) are read up to a time at which
    a follow-up was due already, in its own thread too, and that the message before it is sent."""
    in_its_thread = exists().where(IS_BEFORE, before_it.c.status == _S.SENT, _IS_READ_BACK)
    return _IS_HEARD, in_its_thread


def barred(connection: Connection, asked: Collection[SendRequest]) -> dict[int, LateSkip | None]:
    """Return the follow-ups among these requests that may not go: those of people who have
    answered, with the reason why they are skipped; and, with None, those that wait until replies
    are read up to now."""
    lanes: dict[str, list[int]] = {}
    for request in asked:
        if request.follows:
            lanes.setdefault(request.lane, []).append(request.message)
    found: dict[int, LateSkip | None] = {}
    for lane, ids in lanes.items():
        rows = _BARRED.rows(connection, ids=json.dumps(ids), lane=lane)
        for id, has_answered, may_go in rows:
            if has_answered:
                found[id] = LateSkip(SkipReason.REPLIED, ANSWERED)
            elif not may_go:
                found[id] = None
    return found


_BARRED = Prepared(
    lambda database: select(
        message.c.id,
        and_(
            exists().where(campaign.c.id == message.c.campaign, stops_on(StopOn.REPLY)),
            _HAS_ANSWERED,
        ),
        and_(*is_heard()),
    ).where(message.c.id.in_(each_of("ids", database)))
)


def before(connection: Connection, id: int) -> Before | None:
    """Return the message before a follow-up, None where that is not sent."""
    began = (
        select(func.min(attempt.c.server_at))
        .where(attempt.c.message == before_it.c.id, attempt.c.outcome.in_(MAY_HAVE_SENT))
        .scalar_subquery()
    )
    row = connection.execute(
        select(
            before_it.c.message_id,
            before_it.c.thread_id,
            func.coalesce(began, before_it.c.sent_at),
            campaign.c.stop_on,
        )
        .join(before_it, IS_BEFORE)
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(message.c.id == id, before_it.c.status == _S.SENT)
    ).one_or_none()
    if row is None:
        return None
    message_id, thread, at, stop_on = row
    dismissed = (
        select(inbound.c.message_id)
        .join(_theirs, inbound.c.answers == _theirs.c.id)
        .join(message, _IS_THEIRS)
        .where(message.c.id == id, inbound.c.kind == DISMISSED)
    )
    no_replies = frozenset(connection.execute(dismissed).scalars())
    return Before(message_id or "", thread or "", at, stop_on_of(stop_on), no_replies)


def put_off(connection: Connection, id: int, until: float, why: str) -> None:
    """Leave a queued follow-up alone until then (Unix s)."""
    connection.execute(
        update(message)
        .where(message.c.id == id, message.c.status == _S.QUEUED)
        .values(not_before=until, detail=why)
    )


def ours_among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of these messages of the API that this ledger has sent."""
    wanted = select(message.c.message_id).where(message.c.message_id.in_(list(ids)))
    return set(connection.execute(wanted).scalars())
