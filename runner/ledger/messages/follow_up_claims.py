"""Claims of follow-ups: what has to hold in the claim's own transaction, and what the thread is
judged by before."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    literal_column,
    select,
    update,
)

from runner.ledger.messages.follow_ups import ANSWERED, IS_BEFORE, REPLIES, before_it, stops_on
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.schema import attempt, campaign, feed, inbound, message, read_back, status_is
from runner.ledger.statements import Prepared, given, is_one_of
from runner.message.evidence import MAY_HAVE_SENT
from runner.message.follow_up import Before, StopOn, stop_on_of
from runner.message.status import MessageStatus, SkipReason

if TYPE_CHECKING:
    from runner.ledger.messages.claims import SendRequest

_S = MessageStatus

_theirs = message.alias("theirs")
_IS_THEIRS = (
    _theirs.c.campaign == message.c.campaign,
    _theirs.c.platform == message.c.platform,
    _theirs.c.id_type == message.c.id_type,
    _theirs.c.recipient == message.c.recipient,
)
_HAS_ANSWERED = exists().where(
    *_IS_THEIRS,
    inbound.c.answers == _theirs.c.id,
    inbound.c.kind.in_(REPLIES),
)
_IS_OPEN = inbound.c.kind == literal_column("'open'")  # in words, as its index has it


def is_heard() -> ColumnElement[bool]:
    """Return the condition that the message before a follow-up is sent, and the replies of `lane`
    (to be given) are read up to a time at which the follow-up was due already, after whatever the
    person was sent last: in its own thread too, and nothing there is left to be matched."""
    lane, thread = given("lane"), before_it.c.thread_id
    return exists().where(
        IS_BEFORE,
        before_it.c.status == _S.SENT,
        feed.c.lane == lane,
        feed.c.read_at > message.c.not_before,
        ~exists()
        .where(*_IS_THEIRS, _theirs.c.sent_at + message.c.after >= feed.c.read_at)
        .correlate_except(_theirs),
        ~exists().where(read_back.c.lane == lane, read_back.c.thread_id == thread),
        ~exists().where(inbound.c.lane == lane, _IS_OPEN, inbound.c.thread_id == thread),
    )


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
        is_heard(),
    ).where(is_one_of(message.c.id, "ids", database))
)


def before(connection: Connection, id: int) -> Before | None:
    """Return the message before a follow-up, None where that is not sent."""
    found = _BEFORE.rows(connection, id=id)
    if not found:
        return None
    [(message_id, thread, at, due_at, stop_on)] = found
    dismissed = frozenset(id for (id,) in _DISMISSED.rows(connection, thread=thread))
    return Before(message_id or "", thread or "", at, due_at, stop_on_of(stop_on), dismissed)


def _before() -> Select[Any]:
    tried = attempt.c.message == before_it.c.id, attempt.c.outcome.in_(MAY_HAVE_SENT)
    began = select(func.min(attempt.c.server_at)).where(*tried).scalar_subquery()
    last = select(func.max(attempt.c.server_at)).where(*tried).scalar_subquery()
    return (
        select(
            before_it.c.message_id,
            before_it.c.thread_id,
            func.coalesce(began, before_it.c.sent_at),
            func.coalesce(last, before_it.c.sent_at) + message.c.after,
            campaign.c.stop_on,
        )
        .join(before_it, IS_BEFORE)
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(message.c.id == given("id"), status_is(before_it, _S.SENT))
    )


_BEFORE = Prepared(lambda _: _before())
_DISMISSED = Prepared(
    lambda _: select(inbound.c.message_id).where(
        inbound.c.thread_id == given("thread"), inbound.c.kind == literal_column("'dismissed'")
    )
)


def has_answered(connection: Connection, id: int) -> bool:
    """Return whether the person of a message has answered any of its campaign."""
    return bool(_ANSWERED.rows(connection, id=id))


_ANSWERED = Prepared(
    lambda _: select(message.c.id).where(message.c.id == given("id"), _HAS_ANSWERED)
)


def put_off(connection: Connection, id: int, until: float, why: str) -> None:
    """Leave a queued follow-up alone until then (Unix s)."""
    _put_off(connection, message.c.id == id, until, why)


def put_all_off(connection: Connection, campaign: int, until: float, why: str) -> None:
    """Leave all follow-ups of a campaign alone until then (Unix s): no thread can be read."""
    follows = message.c.campaign == campaign, message.c.previous != literal_column("''")
    _put_off(connection, and_(*follows, message.c.not_before < until), until, why)


def _put_off(connection: Connection, these: ColumnElement[bool], until: float, why: str) -> None:
    connection.execute(
        update(message)
        .where(these, status_is(message, _S.QUEUED))
        .values(not_before=until, detail=why)
    )


def ours_among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of these messages of the API that this ledger has sent."""
    wanted = select(message.c.message_id).where(message.c.message_id.in_(list(ids)))
    return set(connection.execute(wanted).scalars())
