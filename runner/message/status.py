"""Who is written to, where a message stands, and what one request for it came to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class MessageStatus(StrEnum):
    """Where a message stands. `MOVES` says what each may become."""

    QUEUED = "queued"  # to be sent, not before its `not_before`
    SENDING = "sending"  # intent committed; a request may be on its way
    IN_DOUBT = "in_doubt"  # may or may not have been sent
    SENT = "sent"  # accepted by the API; message and thread id known
    REJECTED = "rejected"  # the API said no for this recipient or text
    FAILED = "failed"  # attempts used up, each proven not sent
    SKIPPED = "skipped"  # never tried, with a reason
    CANCELLED = "cancelled"  # withdrawn by a person before sending


_S = MessageStatus
OPEN = (_S.SENDING, _S.IN_DOUBT)
"""Begun, and neither sent nor proven unsent."""

MOVES: Mapping[MessageStatus, frozenset[MessageStatus]] = {
    _S.QUEUED: frozenset({_S.SENDING, _S.SKIPPED, _S.CANCELLED, _S.SENT, _S.IN_DOUBT}),
    _S.SENDING: frozenset({_S.SENT, _S.REJECTED, _S.FAILED, _S.IN_DOUBT, _S.QUEUED}),
    _S.IN_DOUBT: frozenset({_S.SENT, _S.QUEUED, _S.FAILED, _S.REJECTED}),
    _S.SENT: frozenset(),
    _S.REJECTED: frozenset({_S.QUEUED, _S.SENT, _S.IN_DOUBT}),
    _S.FAILED: frozenset({_S.QUEUED, _S.SENT, _S.IN_DOUBT}),
    _S.SKIPPED: frozenset({_S.QUEUED, _S.SENT, _S.IN_DOUBT}),
    _S.CANCELLED: frozenset({_S.QUEUED, _S.SENT, _S.IN_DOUBT}),
}
"""Every legal move. `SENT` from anywhere is late truth, and `IN_DOUBT` from anywhere else is late
doubt: the end of an attempt that was under way when the message moved on by a person's word."""


class SkipReason(StrEnum):
    """Why a row was never tried."""

    NO_ID = "no_id"
    BAD_ID = "bad_id"
    DUPLICATE = "duplicate"
    SUPPRESSED = "suppressed"
    CONTACTED = "contacted"
    MISSING_VALUE = "missing_value"
    EMPTY_TEXT = "empty_text"
    UNRENDERED = "unrendered"
    TOO_LONG = "too_long"
    TEMPLATE_ERROR = "template_error"
    BAD_TIMEZONE = "bad_timezone"
    NOT_SELECTED = "not_selected"
    REMOVED = "removed"
