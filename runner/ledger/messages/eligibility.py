"""Eligibility: conditions that a queued message meets when it may go now."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    exists,
    select,
    union_all,
)

from runner.ledger.messages.suppression import is_suppressed
from runner.ledger.people import holds
from runner.ledger.rehearsals import counts_for
from runner.ledger.schema import message, status_is, suppression
from runner.ledger.statements import given, is_one_of
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus


other_message = message.alias()
"""Made once: an alias builds every column again, and each claim needs these."""

IS_QUEUED = status_is(message, _S.QUEUED)
OPEN_ELSEWHERE = (
    other_message.c.recipient == message.c.recipient,
    other_message.c.platform == message.c.platform,
    other_message.c.id_type == message.c.id_type,
    status_is(other_message, *OPEN),
    counts_for(other_message, message),
)


def may_go() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a queued message is in its campaign's plan, and that its recipient
    wants messages, is not on hold at `now` (to be given) and has none on its way or in doubt: that
    is settled before anything else goes to the same person. Tests to oneself hold no other message
    up."""
    return (
        ~message.c.unplanned,
        ~is_suppressed(),
        ~holds.is_held(),
        ~exists().where(*OPEN_ELSEWHERE),
    )


def barred_messages() -> CompoundSelect[tuple[int]]:
    """Return the queued messages of `campaign` (to be given) that may not go, and all to people
    with a hold: the opposite of `may_go`, from the few that there are of each kind instead of
    message by message."""
    # SQLite, which has no figures of how long they are, would begin at the queue, the longest:
    # `+ 0` and the empty text hide its indexes.
    its = given("campaign")
    queued_too = message.c.campaign + 0 == its, message.c.status.concat("") == "queued"
    each = (
        (message.c.campaign == its, message.c.unplanned.is_(True), IS_QUEUED),
        (message.c.recipient.in_(select(suppression.c.recipient)), is_suppressed(), *queued_too),
        (message.c.recipient.in_(holds.people()), *queued_too),
        (*OPEN_ELSEWHERE, *queued_too),
    )
    # On their own: as parts of the statement around them they would be read for each of its rows.
    return union_all(*(select(message.c.id).where(*those).correlate(None) for those in each))


def is_first_of(ids: str, database: str) -> ColumnElement[bool]:
    """Return the condition that no earlier one of these queued messages goes to the same recipient:
    an update does not see its own moves."""
    # After a plan PostgreSQL's figures are of the ledger before it. It would take the queue to be
    # short, and look through it for each claim: the empty text hides its index.
    return ~exists().where(
        other_message.c.recipient == message.c.recipient,
        other_message.c.platform == message.c.platform,
        other_message.c.id_type == message.c.id_type,
        other_message.c.status.concat("") == _S.QUEUED,
        other_message.c.id < message.c.id,
        is_one_of(other_message.c.id, ids, database),
        counts_for(other_message, message),
    )
