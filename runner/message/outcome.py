"""Outcomes of requests: of a send, and of a look-up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """The reach of an answer beyond its own message."""

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
    """The API refused this recipient or this text; nothing was sent."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Proven not sent, and may be tried again.

    `after`: seconds to wait if the API gave them, else None. `written`: False when no byte of the
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
"""The outcome of one request for one message."""

IN_PROGRESS = "sendInProgress"
UNCONFIRMED = "sendUnconfirmed"
KEY_REUSED = "idempotencyKeyReused"
"""The API's own codes that decide what is done."""

NOT_AS_ASKED = "notAsAsked"
"""The reason of an acceptance of something else than what was sent; never repeated: its key may be
another's."""

HELD_BACK = "held_back"
"""The reason of a message that was begun and did not go: the team, its sender, its campaign or its
recipient was to wait or to stop by then."""

SEND_BY = 5.0
"""Seconds from the claim until the body must be on its way, by the boot-time clock. A process
that was frozen longer wakes up and does not send."""

TOO_LATE = "too_late"
"""The reason of a message whose body was not on its way in time."""


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


LookupResult = Found | Absent | Unclear
"""The outcome of a look-up."""
