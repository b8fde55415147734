"""Doubts: messages in doubt, with what settling them needs."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    LABEL_STYLE_TABLENAME_PLUS_COL,
    Boolean,
    ColumnElement,
    Connection,
    Select,
    exists,
    literal_column,
    select,
)

from runner.ledger.messages.suppression import is_suppressed
from runner.ledger.people import holds
from runner.ledger.schema import attempt, message, status_is
from runner.ledger.statements import Prepared, given, is_one_of, texts_of
from runner.message.evidence import AttemptOutcome, Evidence
from runner.message.outcome import KEY_REUSED, NOT_AS_ASKED, UNCONFIRMED
from runner.message.plan import FIRST_STEP
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus

_S = MessageStatus


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message in doubt with what settling it needs: its first and last unproven attempts."""

    id: int
    campaign: int
    recipient: Recipient
    row: int
    columns: str  # JSON object of the prospect's cells
    text: str
    zone: str
    reason: str
    detail: str
    not_before: float
    sender: str
    version: str
    base_url: str
    lane: str
    key: str
    body: bytes
    first_at: float
    first_server_at: float
    last_at: float  # when the last was given up; when it began, if its owner died
    numbers: frozenset[int]  # of the unproven attempts
    unwanted: bool  # on the ledger's list, or gone from the prospects file
    held_until: float  # on hold until then (Unix s); infinity: until a person says otherwise
    asked_id: str  # the id that the API gave to ask after
    foreign: bool  # each attempt was told that the key is another request's: not one of ours
    unconfirmed: bool  # the API itself does not know: never to be repeated
    step: str
    follows: bool  # it comes after another message to its recipient
    presumed: bool  # no attempt of this ledger: a newer copy of it may have made one


_earlier = attempt.alias()


def _is_first_use() -> ColumnElement[bool]:
    """Return the condition that nothing of a message left this machine before an attempt, so that
    its key was new."""
    return ~exists().where(
        _earlier.c.message == attempt.c.message,
        _earlier.c.number < attempt.c.number,
        _earlier.c.evidence.is_distinct_from(Evidence.NOT_WRITTEN),
    )


def is_first_use(connection: Connection, id: int, number: int) -> bool:
    """Return whether nothing of a message left this machine before this attempt."""
    of = attempt.c.message == id, attempt.c.number == number
    return bool(connection.scalar(select(_is_first_use()).where(*of)))


def in_doubt(
    connection: Connection, campaigns: Collection[int], only: Collection[str] = ()
) -> list[Doubt]:
    """Return the messages in doubt, oldest first."""
    rows = _IN_DOUBT.run(
        connection,
        campaigns=json.dumps([*campaigns]),
        any_one=not only,
        only=json.dumps([*only]),
    )
    found: dict[int, Doubt] = {}
    for row in rows:
        before = found.get(row.doubt)
        found[row.doubt] = Doubt(
            id=row.doubt,
            campaign=row.message_campaign,
            recipient=Recipient(row.message_platform, row.message_id_type, row.message_recipient),
            row=row.message_row,
            columns=row.message_columns,
            text=row.message_text,
            zone=row.message_zone,
            reason=row.message_reason,
            detail=row.message_detail,
            not_before=row.message_not_before,
            sender=row.attempt_sender,
            version=row.attempt_version,
            base_url=row.attempt_base_url,
            lane=row.attempt_lane,
            key=row.attempt_key,
            body=row.attempt_body,
            first_at=before.first_at if before else row.attempt_started_at,
            first_server_at=before.first_server_at if before else row.attempt_server_at,
            last_at=row.attempt_ended_at or row.attempt_started_at,
            numbers=(before.numbers if before else frozenset()) | {row.attempt_number},
            unwanted=bool(row.unwanted),
            held_until=math.inf if row.held_without_end else row.held_until or 0.0,
            asked_id=row.attempt_message_id or (before.asked_id if before else ""),
            foreign=row.attempt_reason == KEY_REUSED
            and (before.foreign if before else bool(row.first_use)),
            unconfirmed=row.attempt_reason in (UNCONFIRMED, NOT_AS_ASKED)
            or (before is not None and before.unconfirmed),
            step=row.message_step if row.message_previous else FIRST_STEP,
            follows=row.message_previous != "",
            presumed=row.attempt_evidence == Evidence.PRESUMED
            and (before is None or before.presumed),
        )
    return list(found.values())


def _in_doubt(database: str) -> Select[Any]:
    unwanted = is_suppressed() | message.c.unplanned
    return (
        # `message_id` would be a name for two columns: the message's id, and the API's for it.
        select(
            message.c.id.label("doubt"),
            message,
            attempt,
            unwanted.label("unwanted"),
            _is_first_use().label("first_use"),
            holds.is_held_without_end().label("held_without_end"),
            holds.held_until().label("held_until"),
        )
        .join(attempt, attempt.c.message == message.c.id)
        .where(
            is_one_of(message.c.campaign, "campaigns", database),
            status_is(message, _S.IN_DOUBT),
            attempt.c.outcome == AttemptOutcome.UNKNOWN,
            given("any_one", Boolean) | message.c.recipient.in_(texts_of("only", database)),
        )
        .order_by(message.c.id, attempt.c.number)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )


_IN_DOUBT = Prepared(_in_doubt)


def is_taken(connection: Connection, message_id: str) -> bool:
    """Return whether an API message id is already proof of a message of this ledger."""
    if not message_id:
        return True  # it could be any message's, and proves none
    accepted = select(attempt.c.message_id).where(
        attempt.c.message_id == message_id,
        attempt.c.message_id != literal_column("''"),  # in words: else its index is not used
        attempt.c.outcome == AttemptOutcome.ACCEPTED,
    )
    sent = select(message.c.message_id).where(message.c.message_id == message_id)
    return any(connection.execute(each.limit(1)).first() for each in (sent, accepted))
