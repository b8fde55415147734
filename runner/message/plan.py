"""The plan of a row: the message, what is known of it, and what changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from runner.message.prospect import Recipient
from runner.message.status import MessageStatus, SkipReason

FIRST_STEP = "1"
"""Step id of a campaign's first message, which others may follow."""


class PlannedMessage(NamedTuple):
    """The message that the files ask for one recipient now: a text to send, or the reason why not.

    `free_at`: when that reason is over by itself (Unix s), 0 if that is not known.
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
    variant: str = ""
    chosen: bool = False  # the variant, by a person; not dealt
    step: str = FIRST_STEP
    previous: str = ""  # of a follow-up: the step before it
    after: float = 0.0  # and how long after that is sent (s)


@dataclass(frozen=True, slots=True)
class Contact:
    """The last message of another campaign to a person. `at`: when it was sent (Unix s); infinite
    while it is being sent or in doubt."""

    campaign: str
    at: float = math.inf

    def bars(self, within: float | None, now: float) -> tuple[str, float] | None:
        """Return why the person is not written to by others for `within` seconds (None: they are),
        and when that is over by itself (Unix s; 0 while that is not known); None if it is over."""
        if within is None or self.at <= now - within:
            return None
        if self.at == math.inf:
            return f"a message of {self.campaign} to them is being sent or in doubt", 0.0
        free_at = self.at + within
        why = f"contacted by {self.campaign} on {_day(self.at)}; free from {_day(free_at)}"
        return why, free_at


def describe_listed(reason: str, at: float) -> str:
    """Describe since when a person is on the ledger's do-not-contact list, and why."""
    since = f"on the ledger's list since {_day(at)}"
    return f"{since}: {reason}" if reason else since


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


class Known(NamedTuple):
    """The ledger's knowledge of a recipient. `status` is None when only another campaign has
    written to them; then only the sender and that `contact` matter."""

    sender: str
    status: MessageStatus | None = None
    text: str = ""
    row: int = 0
    reason: str = ""
    detail: str = ""
    zone: str = ""
    contact: Contact | None = None
    variant: str = ""
    chosen: bool = False
    previous: str = ""
    after: float = 0.0
    later: Mapping[str, Known] = MappingProxyType({})  # its follow-ups, by step


class Change(StrEnum):
    """The change that a plan makes to one recipient's message."""

    NEW = "new"
    SAME = "same"
    REQUEUED = "requeued"  # was skipped, and the reason is gone
    REVISED = "revised"  # not sent yet, and its text or sender differs: a person must accept it
    SKIPPED = "skipped"  # queued until now, and has a reason to be skipped
    KEPT = "kept"  # sent, or perhaps sent: the files no longer matter


class Entry(NamedTuple):
    """One recipient of a plan. `later`: their follow-ups."""

    planned: PlannedMessage
    change: Change
    known: Known | None = None
    later: tuple[Entry, ...] = ()
