"""People who may not be written to any more since the plan, skipped in the claim's own
transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.rehearsals import counts_for
from runner.ledger.schema import campaign, message
from runner.ledger.statements import Prepared, is_one_of
from runner.message.plan import Contact
from runner.message.status import OPEN, MessageStatus, SkipReason

_S = MessageStatus

_other = message.alias()


_CONTACTED = Prepared(
    lambda database: (
        select(message.c.id, campaign.c.name, _other.c.sent_at)
        .join(_other, _same_recipient())
        .join(campaign, campaign.c.id == _other.c.campaign)
        .where(
            is_one_of(message.c.id, "ids", database),
            message.c.status == _S.QUEUED,
            _other.c.campaign != message.c.campaign,
            _other.c.status.in_((_S.SENT, *OPEN)),
            counts_for(_other, message),
        )
        .order_by(_other.c.sent_at)
    )
)


def skip_contacted(
    connection: Connection, asked: Mapping[int, tuple[float | None, float]]
) -> tuple[dict[int, LateSkip], set[int]]:
    """Skip the queued ones of these messages whose recipients were written to by another campaign.
    `asked`: the campaign's `contact_once_in`, and the time now.

    Return also those whose recipients another campaign is writing to or has in doubt: they wait.
    Both come from one look, or an answer recorded between two looks would be seen by neither.
    """
    ids = [id for id, (within, _) in asked.items() if within is not None]
    if not ids:
        return {}, set()
    skipped: dict[int, LateSkip] = {}
    waiting: set[int] = set()
    for id, name, sent_at in _CONTACTED.rows(connection, ids=json.dumps(ids)):
        if sent_at is None:
            waiting.add(id)
        elif (bar := Contact(name, sent_at).bars(*asked[id])) is not None:
            skipped[id] = LateSkip(SkipReason.CONTACTED, *bar)
    return skip_late(connection, skipped), waiting - skipped.keys()


def _same_recipient() -> ColumnElement[bool]:
    return and_(
        _other.c.recipient == message.c.recipient,
        _other.c.platform == message.c.platform,
        _other.c.id_type == message.c.id_type,
    )


def may_be_free(connection: Connection, id: int, now: float) -> bool:
    """Return whether a person whom a campaign has skipped as contacted may be free now: the time
    has passed, or what was being sent or in doubt is settled."""
    still_open = exists().where(
        _other.c.campaign != message.c.campaign,
        _same_recipient(),
        _other.c.status.in_(OPEN),
        counts_for(_other, message),
    )
    freed = (
        select(message.c.id)
        .where(
            message.c.campaign == id,
            message.c.status == _S.SKIPPED,
            message.c.reason == SkipReason.CONTACTED,
            or_(message.c.not_before > 0, ~still_open),
            message.c.not_before <= now,
        )
        .limit(1)
    )
    return connection.execute(freed).first() is not None
