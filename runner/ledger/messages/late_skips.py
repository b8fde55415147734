"""Late skips: messages that may not go any more since the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, update

from runner.ledger.messages.follow_ups import TO_COME, follow_after
from runner.ledger.schema import message, status_is
from runner.message.status import MessageStatus, SkipReason

_S = MessageStatus


@dataclass(frozen=True, slots=True)
class LateSkip:
    """The reason why a queued message was not sent, newer than its plan: it is `skipped` now."""

    reason: SkipReason
    detail: str
    free_at: float = 0.0


def skip_late(connection: Connection, skipped: dict[int, LateSkip]) -> dict[int, LateSkip]:
    """Skip messages that are not begun, and what follows them."""
    if skipped:
        values: list[dict[str, Any]] = [
            {"_id": id, "reason": why.reason, "detail": why.detail, "not_before": why.free_at}
            for id, why in sorted(skipped.items())
        ]
        connection.execute(
            update(message)
            .where(message.c.id == bindparam("_id"), status_is(message, *TO_COME))
            .values(
                status=_S.SKIPPED,
                reason=bindparam("reason"),
                detail=bindparam("detail"),
                not_before=bindparam("not_before"),
            ),
            values,
        )
        follow_after(connection, sorted(skipped))
    return skipped
