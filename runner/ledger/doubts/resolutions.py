"""A person's resolutions of messages in doubt, and their undoing before the next run."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from runner.ledger.doubts.settlements import Settlement, settle
from runner.ledger.locks import lock_campaign
from runner.ledger.messages import follow_ups
from runner.ledger.messages.outcomes import OUTCOME_COLUMNS, Recorded, invalidate_plan
from runner.ledger.schema import attempt, campaign, message, resolution, run
from runner.message.evidence import AttemptOutcome
from runner.message.status import MessageStatus

_S = MessageStatus

_MESSAGE = ("status", "reason", "detail", "not_before", "tries", "unplanned", "outdated")
_ATTEMPT = ("number", *OUTCOME_COLUMNS)


RESOLVED_AT_ONCE = 500
"""Messages resolved at once."""


def resolve(
    connection: Connection, id: int, resolutions: Sequence[Settlement]
) -> list[Recorded | None]:
    """Settle a campaign's messages in doubt as a person resolves them, and keep how they were."""
    lock_campaign(connection, id)  # a plan that ends meanwhile would not see it
    recorded: list[Recorded | None] = []
    for start in range(0, len(resolutions), RESOLVED_AT_ONCE):
        recorded += _resolve_part(connection, id, resolutions[start : start + RESOLVED_AT_ONCE])
    return recorded


def _resolve_part(
    connection: Connection, id: int, resolutions: Sequence[Settlement]
) -> list[Recorded | None]:
    ids = [each.message for each in resolutions]
    before = _read_before(connection, ids)
    recorded = settle(connection, list(resolutions))
    last, planned_at = _last_run(connection), _planned_at(connection, id)
    connection.execute(delete(resolution).where(resolution.c.message.in_(ids)))
    kept = [
        {
            "message": each.message,
            "run": last,
            "status": done.status,
            "before": json.dumps(before[each.message] | {"planned_at": planned_at}),
        }
        for each, done in zip(resolutions, recorded, strict=True)
        if done is not None
    ]
    if kept:
        connection.execute(insert(resolution), kept)
    return recorded


def _read_before(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Read messages and their unproven attempts, as JSON takes them."""
    before: dict[int, dict[str, Any]] = {}
    columns = [message.c[name] for name in _MESSAGE]
    for row in connection.execute(select(message.c.id, *columns).where(message.c.id.in_(ids))):
        values = row._asdict()
        before[values.pop("id")] = {"message": values, "attempts": []}
    wanted = select(attempt.c.message, *(attempt.c[name] for name in _ATTEMPT)).where(
        attempt.c.message.in_(ids), attempt.c.outcome == AttemptOutcome.UNKNOWN
    )
    for row in connection.execute(wanted.order_by(attempt.c.number)):
        values = row._asdict()
        before[values.pop("message")]["attempts"].append(values)
    return before


def _last_run(connection: Connection) -> int:
    last: int = connection.execute(select(func.coalesce(func.max(run.c.id), 0))).scalar_one()
    return last


def _planned_at(connection: Connection, id: int) -> float | None:
    when = select(campaign.c.planned_at).where(campaign.c.id == id)
    planned_at: float | None = connection.execute(when).scalar_one()
    return planned_at


@dataclass(slots=True)
class Undone:
    """Recipients whose message is in doubt again, and those for whom it is too late."""

    back: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)


def undo(connection: Connection, id: int, recipients: Collection[str] = ()) -> Undone:
    """Undo a person's resolutions of a campaign's messages (empty `recipients`: of all) since the
    last run began: they are in doubt again, as they were.

    The only move out of `sent`, and only where nothing but a resolution had made it so.
    """
    lock_campaign(connection, id)
    last, planned_at = _last_run(connection), _planned_at(connection, id)
    wanted = (
        select(resolution, message.c.recipient, message.c.status.label("now"), message.c.unplanned)
        .join(message, message.c.id == resolution.c.message)
        .where(message.c.campaign == id)
        .order_by(message.c.id)
        .with_for_update(of=message)
    )
    chosen = message.c.recipient.in_(recipients) if recipients else resolution.c.run == last
    wanted = wanted.where(chosen)
    undone = Undone()
    for row in connection.execute(wanted).all():
        moved_on = row.now != row.status or (row.now == _S.QUEUED and not row.unplanned)
        if row.run != last or moved_on or _is_proven(connection, row.message):
            undone.too_late.append(row.recipient)
            continue
        _restore(connection, row.message, json.loads(row.before), planned_at)
        connection.execute(delete(resolution).where(resolution.c.message == row.message))
        undone.back.append(row.recipient)
    if undone.back:
        invalidate_plan(connection, id)
    return undone


def _is_proven(connection: Connection, id: int) -> bool:
    """Return whether an answer of the API proves meanwhile that the message was accepted."""
    accepted = select(attempt.c.number).where(
        attempt.c.message == id,
        attempt.c.outcome == AttemptOutcome.ACCEPTED,
        attempt.c.message_id != "",
    )
    return connection.execute(accepted.limit(1)).first() is not None


def _restore(
    connection: Connection, id: int, before: dict[str, Any], planned_at: float | None
) -> None:
    values = before["message"] | {"message_id": None, "thread_id": None, "sent_at": None}
    if before.get("planned_at") != planned_at:
        # The plan made since has left it alone, and may no longer know its recipient.
        values |= {"outdated": True, "unplanned": True}
    connection.execute(update(message).where(message.c.id == id).values(**values))
    follow_ups.follow_after(connection, [id])
    for values in before["attempts"]:
        connection.execute(
            update(attempt)
            .where(attempt.c.message == id, attempt.c.number == values.pop("number"))
            .values(**values)
        )
