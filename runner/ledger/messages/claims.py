"""Claims: check that a message may be sent now, and put the intent on disk before it is.

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
from runner.ledger.messages import follow_up_claims
from runner.ledger.messages.eligibility import is_first_of, may_go
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.recontact import skip_contacted
from runner.ledger.messages.suppression import is_suppressed
from runner.ledger.people.holds import is_held
from runner.ledger.schema import attempt, lane, message
from runner.ledger.statements import Prepared, bound, is_one_of, texts_of
from runner.message.plan import FIRST_STEP
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus

_S = MessageStatus


class SendRequest(NamedTuple):
    """A message as it is about to be sent: the exact bytes, the key they go under, and who sends
    them. Committed as an attempt (the intent) before the request leaves.

    `is_repeat`: the same bytes under the same key once more, for a message in doubt. Times in Unix
    seconds, `server_at` by the server's clock; `contact_once_in` in seconds (see `Contact.bars`).
    """

    message: int
    campaign: int
    recipient: Recipient
    sender: str
    version: str
    base_url: str
    key: str
    body: bytes
    lane: str
    epoch: int
    run: int
    started_at: float
    server_at: float
    is_repeat: bool = False
    contact_once_in: float | None = None
    step: str = FIRST_STEP  # of one that follows another; tests of a campaign have other names

    @property
    def follows(self) -> bool:
        """Return whether it comes after another message to its recipient."""
        return self.step != FIRST_STEP


class NotClaimed(StrEnum):
    """The reason why a request was not committed; nothing may be sent."""

    MOVED = "moved"  # the message is no longer there to be sent
    FENCED = "fenced"  # another owner has the lane


def claim(
    connection: Connection, requests: list[SendRequest]
) -> list[int | NotClaimed | LateSkip | Brake]:
    """Commit intents: `queued` becomes `sending`; return the attempt's number, or why not.

    A message whose recipient may not be written to any more since the plan becomes `skipped`
    instead, and one to a recipient on hold stays as it is (`NotClaimed.MOVED`). Nothing of a
    campaign that a person has stopped is claimed, whatever its run knows of that.
    """
    lanes = json.dumps(sorted({request.lane for request in requests}))
    epochs: dict[str, int] = dict(_EPOCHS.rows(connection, lanes=lanes))
    owned = [request for request in requests if epochs.get(request.lane) == request.epoch]
    first_sends = {
        request.message: (request.contact_once_in, min(request.started_at, request.server_at))
        for request in owned
        if not request.is_repeat
    }
    lock_recipients(connection, first_sends)
    passed, waiting = skip_contacted(connection, first_sends)
    for id, why in follow_up_claims.barred(connection, owned).items():
        if why is None or id not in first_sends:
            waiting.add(id)
        else:
            passed |= skip_late(connection, {id: why})
    now = min((request.started_at for request in owned), default=0.0)
    numbers: dict[int, int] = {}
    for is_repeat in (False, True):
        ids = [
            request.message
            for request in owned
            if request.is_repeat is is_repeat and request.message not in waiting
        ]
        if not ids:
            continue
        moved = (_REPEAT if is_repeat else _BEGIN).rows(connection, ids=json.dumps(ids), now=now)
        numbers |= dict(moved)
    stopped = _stopped(connection, {each.message for each in owned} - numbers.keys())
    first: dict[int, SendRequest] = {}  # a message claimed twice in one batch is there once
    for request in owned:
        first.setdefault(request.message, request)
    intents = [
        {"number": numbers[message], **request._asdict()}
        for message, request in first.items()
        if message in numbers
    ]
    if intents:
        _INTENT.run_many(connection, intents)
    return [
        NotClaimed.FENCED
        if epochs.get(request.lane) != request.epoch
        else passed[request.message]
        if request.message in passed
        else numbers.pop(request.message, stopped.get(request.message, NotClaimed.MOVED))
        for request in requests
    ]


def _stopped(connection: Connection, ids: Collection[int]) -> dict[int, Brake]:
    """Return the brakes that kept messages from being claimed: a person has stopped their
    campaign."""
    if not ids:
        return {}
    rows = connection.execute(select(message.c.id, message.c.campaign).where(message.c.id.in_(ids)))
    campaign_of = dict(rows.all())
    brakes_now = brakes.active(connection, set(campaign_of.values()))
    by_people = {id: each for id, each in brakes_now.items() if each.kind in BY_A_PERSON}
    return {id: by_people[of] for id, of in campaign_of.items() if of in by_people}


_EPOCHS = Prepared(
    lambda database: (
        select(lane.c.id, lane.c.epoch)
        .where(lane.c.id.in_(texts_of("lanes", database)))
        .order_by(lane.c.id)  # always in one order, as they are locked elsewhere
        .with_for_update(read=True)
    )
)
_BEGIN = Prepared(
    lambda database: (
        update(message)
        .where(
            is_one_of(message.c.id, "ids", database),
            message.c.status.concat("") == _S.QUEUED,  # found by their ids: see `is_first_of`
            *may_go(),
            is_first_of("ids", database),
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
            is_one_of(message.c.id, "ids", database),
            message.c.status.concat("") == _S.IN_DOUBT,
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
        bound("number", *(name for name in SendRequest._fields if name in attempt.c))
    )
)
