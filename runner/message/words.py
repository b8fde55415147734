"""Who is written to, where a message stands, and what one request for it came to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

FIRST_STEP = "1"
"""Step id of a campaign's only message; sequences will add more."""


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


class Recipient(NamedTuple):
    """The id written to. `id_type` is `platform` (the platform's user id) or `inbox`."""

    platform: str
    id_type: str
    id: str

    def __str__(self) -> str:
        return self.id


class Prospect(NamedTuple):
    """A row of the prospects file with a usable id. `row` is its line in the sheet, header = 1;
    `zone`: the row's own time zone (IANA), empty for the campaign's."""

    row: int
    recipient: Recipient
    columns: Mapping[str, str]
    zone: str = ""


class RowSkip(NamedTuple):
    """A row that cannot be a message: no usable id, or a repeat of an earlier row."""

    row: int
    reason: SkipReason
    detail: str
    columns: Mapping[str, str]
    recipient: Recipient | None = None


class PlannedMessage(NamedTuple):
    """What the files ask for one recipient now: a text to send, or the reason why not.

    `free_at`: when that reason is over by itself (Unix s), 0 if nobody can tell.
    """

    row: int
    recipient: Recipient
    sender: str
    text: str
    columns: Mapping[str, str]
    skip: SkipReason | None = None
    detail: str = ""
    free_at: float = 0.0
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """The last message of another campaign to somebody. `at`: when it was sent (Unix s); infinite
    while it is being sent or in doubt."""

    campaign: str
    at: float = math.inf

    def bars(self, within: float | None, now: float) -> tuple[str, float] | None:
        """Why the person is not written to by others for `within` seconds (None: they are), and
        when that is over by itself (Unix s; 0 while nobody can tell); None if it is over."""
        if within is None or self.at <= now - within:
            return None
        if self.at == math.inf:
            return f"a message of {self.campaign} to them is being sent or in doubt", 0.0
        free_at = self.at + within
        told = f"contacted by {self.campaign} on {_day(self.at)}; free from {_day(free_at)}"
        return told, free_at


def told_as_listed(reason: str, at: float) -> str:
    """Since when somebody is on the ledger's do-not-contact list, and why."""
    told = f"on the ledger's list since {_day(at)}"
    return f"{told}: {reason}" if reason else told


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


class Known(NamedTuple):
    """What the ledger has for a recipient. `status` is None when only another campaign has
    written to them; then only the sender and that `contact` matter."""

    sender: str
    status: MessageStatus | None = None
    text: str = ""
    row: int = 0
    reason: str = ""
    detail: str = ""
    zone: str = ""
    contact: Contact | None = None


class Change(StrEnum):
    """What a plan means for one recipient's message."""

    NEW = "new"
    SAME = "same"
    REQUEUED = "requeued"  # was skipped, and the reason is gone
    REVISED = "revised"  # not sent yet, and its text or sender differs: needs a person's word
    SKIPPED = "skipped"  # queued until now, and has a reason to be skipped
    KEPT = "kept"  # sent, or perhaps sent: the files no longer matter


class Entry(NamedTuple):
    """One recipient of a plan."""

    planned: PlannedMessage
    change: Change
    known: Known | None = None


class Scope(StrEnum):
    """How far an answer reaches beyond its own message."""

    MESSAGE = "message"
    SENDER = "sender"  # this account link must wait, or be seen to by a person
    LANE = "lane"  # nothing of this team can be sent now


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API took the message. `replay`: it answered with an earlier send of the same key."""

    message_id: str
    thread_id: str
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The API said no for this recipient or this text; nothing was sent."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Proven not sent, and may be tried again.

    `after`: seconds to wait if the API said so, else None. `written`: False when no byte of the
    body left this machine. `stop`: what a person must do first; within `scope` nothing more is
    sent in this run.
    """

    reason: str
    detail: str = ""
    after: float | None = None
    scope: Scope = Scope.MESSAGE
    written: bool = True
    stop: str = ""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """May or may not have been sent. `message_id`: the id that the API gave to ask after."""

    reason: str
    detail: str = ""
    message_id: str = ""
    after: float | None = None
    scope: Scope = Scope.MESSAGE
    stop: str = ""


Outcome = Accepted | Rejected | Deferred | InDoubt
"""What one request for one message came to."""

IN_PROGRESS = "sendInProgress"
UNCONFIRMED = "sendUnconfirmed"
NOT_AS_ASKED = "notAsAsked"
"""An acceptance of something else than what was sent; never repeated: its key may be another's."""

KEY_REUSED = "idempotencyKeyReused"
HELD_BACK = "held_back"
"""Why a message that was begun did not go: the team, its sender, its campaign or its recipient was
to wait or to stop by then."""

SEND_BY = 5.0
"""Seconds from the claim until the body must be on its way, by the boot-time clock. A process
that was frozen longer wakes up and does not send."""

TOO_LATE = "too_late"
"""Reasons that the house acts on, beside the API's own codes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up shows the message."""

    message_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up that could have shown the message does not show it."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A look-up that proves nothing: syncing, failing, limited, or a text that differs.
    `asked`: False when the API could not even be reached."""

    reason: str
    after: float | None = None
    asked: bool = True


Finding = Found | Absent | Unclear
"""What a look-up came to."""
