"""Orphans: messages that are `sending` although their owner is gone."""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from runner.ledger.messages.outcomes import Result, record
from runner.ledger.schema import attempt, message, status_is
from runner.message.evidence import Evidence
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus


def recover_orphaned(connection: Connection, lane_id: str, at: float) -> int:
    """Put every `sending` message of a lane in doubt, since its owner is gone; return how many.

    For the lane's new owner only, before it sends anything.
    """
    lost = connection.execute(
        select(message.c.id, message.c.attempts)
        .join(
            attempt,
            and_(attempt.c.message == message.c.id, attempt.c.number == message.c.attempts),
        )
        .where(
            status_is(message, *OPEN),  # of these there is an index
            message.c.status == _S.SENDING,
            attempt.c.lane.concat("") == lane_id,  # not by the index of all its attempts
        )
    ).all()
    for start in range(0, len(lost), 500):
        record(
            connection,
            [
                Result(
                    message=row.id,
                    number=row.attempts,
                    evidence=Evidence.ORPHANED,
                    at=at,
                    reason="orphaned",
                    detail="the run that was sending it ended before an answer was recorded",
                    answered=False,
                )
                for row in lost[start : start + 500]
            ],
        )
    return len(lost)
