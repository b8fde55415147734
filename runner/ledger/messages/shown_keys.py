"""Keys that the API has been shown, so that it may have used them up."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists

from runner.ledger.schema import attempt, message
from runner.message.evidence import Evidence


def is_key_shown() -> ColumnElement[bool]:
    """Return the condition that a request for the message has left this machine. Until then its key
    is kept whatever changes: it tells whether another ledger has used it."""
    return exists().where(
        attempt.c.message == message.c.id,
        attempt.c.evidence.is_distinct_from(Evidence.NOT_WRITTEN),
    )
