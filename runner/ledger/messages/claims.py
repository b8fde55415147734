"""Claims: whether a message may be sent now, and the intent on disk before it is.

Each function works inside one transaction, on a batch for the `Writer`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake
from runner.ledger.locks import lock_recipients
from runner.ledger.messages.eligibility import is_first_of, is_suppressed, may_go
from runner.ledger.messages.holds import is_held
from runner.ledger.messages.recontact import LateSkip, skip_contacted
from runner.ledger.schema import attempt, lane, message, status_is
from runner.ledger.statements import Prepared, bound, each_of, given, tuples
from runner.message.status import MessageStatus

_S = MessageStatus


class Intent(NamedTuple):
    """What is about to be sent: committed before the request leaves.

    `again`: the same bytes under the same key once more, for a message in doubt.
    """

    message: int
    lane: str
    epoch: int
    run: int
    sender: str
    version: str
    base_url: str
    key: str
    body: bytes
    started_at: float
    server_at: float
    again: bool = False
    contact_once_in: float | None = None  # seconds; see `Contact.bars`


class NotClaimed(StrEnum):
    """Why an intent was not committed; nothing may be sent."""

    MOVED = "moved"  # the message is no longer there to be sent
    FENCED = "fenced"  # another owner has the lane


def claim(
    connection: Connection, intents: list[Intent]
) -> list[int | NotClaimed | LateSkip | Brake]:
    """Commit intents: `queued` becomes `sending`; the attempt's number, or why not.

    Whoever may not be written to any more since the plan becomes `skipped` instead, and a message
    to somebody on hold stays as it is (`NotClaimed.MOVED`). Nothing of a
    campaign that a person has stopped is claimed, whatever its run has heard of that.
    """
    epochs = {
        name: _EPOCH.run(connection, lane=name).scalar()
        for name in sorted({intent.lane for intent in intents})
    }
    owned = [intent for intent in intents if epochs.get(intent.lane) == intent.epoch]
    asked = {
        intent.message: (intent.contact_once_in, min(intent.started_at, intent.server_at))
        for intent in owned
        if not intent.again
    }
    lock_recipients(connection, asked)
    passed, waiting = skip_contacted(connection, asked)
    now = min((intent.started_at for intent in owned), default=0.0)
    numbers: dict[int, int] = {}
    for again in (False, True):
        ids = [
            intent.message
            for intent in owned
            if intent.again is again and (again or intent.message not in waiting)
        ]
        if not ids:
            continue
        moved = (_REPEAT if again else _BEGIN).run(connection, ids=json.dumps(ids), now=now)
        numbers.update(tuples(moved))
    stopped = _stopped(connection, {each.message for each in owned} - numbers.keys())
    first: dict[int, Intent] = {}  # a message claimed twice in one batch is there once
    for intent in owned:
        first.setdefault(intent.message, intent)
    claimed = [intent for intent in first.values() if intent.message in numbers]
    if claimed:
        _INTENT.run_many(
            connection,
            [
                {
                    "message": intent.message,
                    "number": numbers[intent.message],
                    "run": intent.run,
                    "sender": intent.sender,
                    "version": intent.version,
                    "base_url": intent.base_url,
                    "lane": intent.lane,
                    "key": intent.key,
                    "body": intent.body,
                    "started_at": intent.started_at,
                    "server_at": intent.server_at,
                }
                for intent in claimed
            ],
        )
    return [
        NotClaimed.FENCED
        if epochs.get(intent.lane) != intent.epoch
        else passed[intent.message]
        if intent.message in passed
        else numbers.pop(intent.message, stopped.get(intent.message, NotClaimed.MOVED))
        for intent in intents
    ]


def _stopped(connection: Connection, ids: Collection[int]) -> dict[int, Brake]:
    """Which of these messages were not claimed because a person has stopped their campaign."""
    if not ids:
        return {}
    rows = connection.execute(select(message.c.id, message.c.campaign).where(message.c.id.in_(ids)))
    campaign_of = dict(rows.all())
    said = brakes.active(connection, set(campaign_of.values()))
    by_people = {id: each for id, each in said.items() if each.kind in BY_A_PERSON}
    return {id: by_people[of] for id, of in campaign_of.items() if of in by_people}


_EPOCH = Prepared(
    lambda _: select(lane.c.epoch).where(lane.c.id == given("lane")).with_for_update(read=True)
)
_BEGIN = Prepared(
    lambda database: (
        update(message)
        .where(
            message.c.id.in_(each_of("ids", database)),
            status_is(message, _S.QUEUED),
            *may_go(),
            is_first_of(each_of("ids", database)),
            ~brakes.STOPPED_BY_A_PERSON,
        )
        .values(status=_S.SENDING, reason="", detail="", attempts=message.c.attempts + 1)
        .returning(message.c.id, message.c.attempts)
    )
)
_REPEAT = Prepared(
    lambda database: (
        update(message)
        .where(
            message.c.id.in_(each_of("ids", database)),
            status_is(message, _S.IN_DOUBT),
            ~message.c.unplanned,
            ~is_suppressed(),
            ~is_held(),
            ~brakes.STOPPED_BY_A_PERSON,
        )
        .values(attempts=message.c.attempts + 1)
        .returning(message.c.id, message.c.attempts)
    )
)
_INTENT = Prepared(
    lambda _: insert(attempt).values(
        bound(
            "message",
            "number",
            "run",
            "sender",
            "version",
            "base_url",
            "lane",
            "key",
            "body",
            "started_at",
            "server_at",
        )
    )
)
