"""People who may not be written to any more since the plan, skipped in the claim's own
transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, or_, select, update

from runner.ledger.rehearsals import counts_for
from runner.ledger.schema import campaign, message, suppression
from runner.ledger.statements import Prepared, each_of
from runner.message.plan import Contact, describe_listed
from runner.message.status import OPEN, MessageStatus, SkipReason

_S = MessageStatus

_other = message.alias()


@dataclass(frozen=True, slots=True)
class LateSkip:
    """The reason why a queued message was not sent, newer than its plan: it is `skipped` now."""

    reason: SkipReason
    detail: str
    free_at: float = 0.0


_CONTACTED = Prepared(
    lambda database: (
        select(message.c.id, campaign.c.name, _other.c.sent_at)
        .join(_other, _same_recipient())
        .join(campaign, campaign.c.id == _other.c.campaign)
        .where(
            message.c.id.in_(each_of("ids", database)),
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
    rows = _CONTACTED.run(connection, ids=json.dumps(ids))
    skipped: dict[int, LateSkip] = {}
    waiting: set[int] = set()
    for row in rows:
        if row.sent_at is None:
            waiting.add(row.id)
        elif (bar := Contact(row.name, row.sent_at).bars(*asked[row.id])) is not None:
            skipped[row.id] = LateSkip(SkipReason.CONTACTED, *bar)
    return _skip(connection, skipped), waiting - skipped.keys()


def skip_suppressed(connection: Connection, these: ColumnElement[bool]) -> dict[int, LateSkip]:
    """Skip the queued ones of `these` messages whose recipients are on the do-not-contact list."""
    rows = connection.execute(
        select(message.c.id, suppression.c.reason, suppression.c.added_at)
        .join(suppression, suppression.c.recipient == message.c.recipient)
        .where(these, message.c.status == _S.QUEUED)
    )
    skipped = {
        row.id: LateSkip(SkipReason.SUPPRESSED, describe_listed(row.reason, row.added_at))
        for row in rows
    }
    return _skip(connection, skipped)


def skip_own_list(
    connection: Connection, these: ColumnElement[bool], listed: Mapping[str, str]
) -> dict[int, LateSkip]:
    """Skip the queued ones of `these` messages whose recipients are `listed`: id to where."""
    rows = connection.execute(
        select(message.c.id, message.c.recipient).where(these, message.c.status == _S.QUEUED)
    )
    skipped = {
        row.id: LateSkip(SkipReason.SUPPRESSED, f"is in {listed[row.recipient]}")
        for row in rows
        if row.recipient in listed
    }
    return _skip(connection, skipped)


def _skip(connection: Connection, skipped: dict[int, LateSkip]) -> dict[int, LateSkip]:
    if skipped:
        values: list[dict[str, Any]] = [
            {"_id": id, "reason": why.reason, "detail": why.detail, "not_before": why.free_at}
            for id, why in sorted(skipped.items())
        ]
        connection.execute(
            update(message)
            .where(message.c.id == bindparam("_id"), message.c.status == _S.QUEUED)
            .values(
                status=_S.SKIPPED,
                reason=bindparam("reason"),
                detail=bindparam("detail"),
                not_before=bindparam("not_before"),
            ),
            values,
        )
    return skipped


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
