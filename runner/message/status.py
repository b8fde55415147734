"""Statuses of a message, the moves between them, and the reasons why one is skipped."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class MessageStatus(StrEnum):
    """The status of a message. Each says how a message gets there and what takes it out; `MOVES`
    has every legal move."""

    QUEUED = "queued"
    """To be sent, not before its `not_before`. Put there by a plan, by an attempt that is proven
    not sent, or by a person (`retry`, `resolve`). Taken out by a claim, a skip or a cancellation.
    """

    WAITING = "waiting"
    """A follow-up whose time has not begun: the message before it is not sent yet. Put there by a
    plan. Taken out by that one's sending (`queued`), by an answer or another end of it (`skipped`),
    or by a person."""

    SENDING = "sending"
    """Claimed: the intent is committed, a request may be on its way. Taken out by what is learnt of
    the request; if its run dies, the next owner of the lane makes it `in_doubt`."""

    IN_DOUBT = "in_doubt"
    """May or may not have been sent. Put there by an attempt that ends without proof. Taken out by
    a repeat under its key, by a look-up, or by a person (`resolve`)."""

    SENT = "sent"
    """Accepted by the API; message and thread id known. Final, but for the undoing of a person's
    resolution before the next run."""

    REJECTED = "rejected"
    """Refused by the API for this recipient or text. A person may `retry` it."""

    FAILED = "failed"
    """Attempts used up, each proven not sent. A person may `retry` it."""

    SKIPPED = "skipped"
    """Not tried, with a reason: by a plan, by a claim, or by a do-not-contact list. A later plan
    queues it again when the reason is gone."""

    CANCELLED = "cancelled"
    """Withdrawn by a person before sending. A person may `retry` it."""


_S = MessageStatus
OPEN = (_S.SENDING, _S.IN_DOUBT)
"""Begun, and neither sent nor proven unsent."""

MOVES: Mapping[MessageStatus, frozenset[MessageStatus]] = {
    _S.QUEUED: frozenset({_S.SENDING, _S.WAITING, _S.SKIPPED, _S.CANCELLED, _S.SENT, _S.IN_DOUBT}),
    _S.WAITING: frozenset({_S.QUEUED, _S.SKIPPED, _S.CANCELLED, _S.SENT, _S.IN_DOUBT}),
    _S.SENDING: frozenset({_S.SENT, _S.REJECTED, _S.FAILED, _S.IN_DOUBT, _S.QUEUED}),
    _S.IN_DOUBT: frozenset({_S.SENT, _S.QUEUED, _S.FAILED, _S.REJECTED}),
    _S.SENT: frozenset(),
    _S.REJECTED: frozenset({_S.QUEUED, _S.SENT, _S.IN_DOUBT}),
    _S.FAILED: frozenset({_S.QUEUED, _S.SENT, _S.IN_DOUBT}),
    _S.SKIPPED: frozenset({_S.QUEUED, _S.WAITING, _S.SENT, _S.IN_DOUBT}),
    _S.CANCELLED: frozenset({_S.QUEUED, _S.WAITING, _S.SENT, _S.IN_DOUBT}),
}
"""Every legal move. `SENT` from anywhere is late truth, and `IN_DOUBT` from anywhere else is late
doubt: the end of an attempt that was under way when a person moved the message on."""


class SkipReason(StrEnum):
    """The reasons why a message was never tried."""

    NO_ID = "no_id"
    BAD_ID = "bad_id"
    UNKNOWN_HANDLE = "unknown_handle"
    DUPLICATE = "duplicate"
    SUPPRESSED = "suppressed"
    CONTACTED = "contacted"
    IN_TALKS = "in_talks"
    ASSIGNED = "assigned"
    STATUS = "status"
    TAG = "tag"
    ACCOUNT_GONE = "account_gone"
    MISSING_VALUE = "missing_value"
    EMPTY_TEXT = "empty_text"
    UNRENDERED = "unrendered"
    TOO_LONG = "too_long"
    TEMPLATE_ERROR = "template_error"
    UNKNOWN_SENDER = "unknown_sender"
    BAD_TIMEZONE = "bad_timezone"
    NOT_SELECTED = "not_selected"
    REMOVED = "removed"
    REPLIED = "replied"
    COLLEAGUE = "colleague"
    THREAD_GONE = "thread_gone"
    RESTRICTED = "restricted"
    STEP_BEFORE = "step_before"
