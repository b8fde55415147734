"""Handles: the names by which people know an account, and the ids that were found for them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple
from unicodedata import normalize


class HandleAnswer(StrEnum):
    """The answer to the question whose a handle is. Only `found` gives an id to write to."""

    FOUND = "found"
    NOT_A_CONTACT = "not_a_contact"  # Inbox knows its team's contacts only
    NOT_FOUND = "not_found"
    SUSPENDED = "suspended"
    SEVERAL = "several"
    CHANGED = "changed"  # it was another account's when it was resolved before
    UNANSWERED = "unanswered"


class KeptHandle(NamedTuple):
    """A handle as it was resolved: by `source` (`inbox` or `x`) at `asked_at` (Unix s). `id` is
    empty where there is none; `before`: the id that it had when it was asked before, if another.
    `shown` and `name` are as the platform has them."""

    handle: str
    answer: HandleAnswer
    id: str
    shown: str
    name: str
    source: str
    asked_at: float
    before: str = ""


def one_handle(handle: str) -> str:
    """Return a handle as it is compared: upper and lower case are the same."""
    if handle.isascii():
        return handle.lower()
    # Not casefold, of which straße and strasse are one.
    return normalize("NFC", normalize("NFC", handle).lower())
