"""Settlements of messages in doubt, by a look-up or by a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select, update

from runner.ledger.doubts.in_doubt import is_taken
from runner.ledger.messages.outcomes import Recorded, Result, record, unproven_attempts
from runner.ledger.schema import message
from runner.message.evidence import EVIDENCE, AttemptOutcome, Evidence
from runner.message.status import MessageStatus

_S = MessageStatus

_TAKEN = "the message that a look-up shows already belongs to another one of this ledger"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The result of a look-up, or a person's resolution, for a whole message in doubt: for every
    unproven attempt."""

    message: int
    evidence: Evidence
    at: float
    reason: str = ""
    detail: str = ""
    message_id: str = ""
    thread_id: str = ""
    not_before: float = 0.0
    numbers: frozenset[int] = frozenset()  # the attempts it speaks of; empty: all unproven
    sent_at: float | None = None  # when it was sent, if that is another time than `at`
    attempts_allowed: int | None = None  # a retry beyond so many tries is `failed`


def settle(connection: Connection, settlements: list[Settlement]) -> list[Recorded | None]:
    """Settle messages in doubt. Return None for one that is no longer in doubt, unless it is found:
    late truth is welcome."""
    ids = [item.message for item in settlements]
    rows = {
        row.id: row
        for row in connection.execute(
            select(message.c.id, message.c.status)
            .where(message.c.id.in_(ids))
            .order_by(message.c.id)
            .with_for_update()
        )
    }
    unproven = unproven_attempts(connection, ids)
    return [_settle_one(connection, item, rows[item.message], unproven) for item in settlements]


def _settle_one(
    connection: Connection, item: Settlement, row: Any, unproven: dict[int, set[int]]
) -> Recorded | None:
    still = unproven.get(item.message, set())
    numbers = sorted(still & item.numbers if item.numbers else still)
    late = item.evidence is Evidence.FOUND and row.status != _S.IN_DOUBT
    if item.evidence is Evidence.FOUND and is_taken(connection, item.message_id):
        item = replace(item, evidence=Evidence.UNCLEAR, reason="unclear", detail=_TAKEN)
        late = False
    elif late:
        numbers = numbers or sorted(item.numbers)
    if not numbers or (row.status != _S.IN_DOUBT and not late):
        return None
    if EVIDENCE[item.evidence].attempt is AttemptOutcome.UNKNOWN:
        # It proves nothing: the attempts keep their own reasons, the message has the new one.
        connection.execute(
            update(message)
            .where(message.c.id == item.message)
            .values(reason=item.reason, detail=item.detail, not_before=item.not_before)
        )
        return Recorded(_S.IN_DOUBT)
    if item.evidence in (Evidence.FOUND, Evidence.SAID_SENT):
        numbers = numbers[:1]  # one message was accepted: by one of them
    return _settle_each(connection, item, numbers)


def _settle_each(connection: Connection, item: Settlement, numbers: list[int]) -> Recorded:
    counts = item.attempts_allowed is not None
    results = [
        Result(
            message=item.message,
            number=number,
            evidence=item.evidence,
            at=item.at,
            sent_at=item.sent_at,
            reason=item.reason,
            detail=item.detail,
            message_id=item.message_id,
            thread_id=item.thread_id,
            not_before=item.not_before,
            counts=counts and number == numbers[-1],
            attempts_allowed=item.attempts_allowed or 1,
        )
        for number in numbers
    ]
    return record(connection, results)[-1]
