"""Idempotency keys of v2, scoped to the team (InboxHQ/inboxapp-sdk spec/openapi.json)."""

import json
from dataclasses import dataclass

from .refusals import Refusal


@dataclass
class KeyEntry:
    """One key: the request it was used for and, once that is over, how it ended."""

    body: bytes
    message_id: str
    at: float
    result: bytes | None = None
    refusal: Refusal | None = None

    @property
    def running(self) -> bool:
        """Say whether the first request is still being worked on."""
        return self.result is None and self.refusal is None


class Keys:
    """Every key that is remembered. ``life`` is in seconds from first use; None is for ever."""

    def __init__(self, compare: str, life: float | None) -> None:
        self._compare = compare
        self._life = life
        self._entries: dict[str, KeyEntry] = {}

    def find(self, key: str, body: bytes, now: float) -> KeyEntry | None:
        """The entry of a key, None for a new one. Raises Refusal for another body."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._life is not None and not entry.running and entry.at + self._life <= now:
            del self._entries[key]
            return None
        if not self._same(entry.body, body):
            raise Refusal("idempotencyKeyReused")
        return entry

    def begin(self, key: str, body: bytes, message_id: str, now: float) -> KeyEntry:
        """Remember a key whose request starts now."""
        entry = KeyEntry(body, message_id, now)
        self._entries[key] = entry
        return entry

    def entry(self, key: str) -> KeyEntry:
        """The entry of a key that is remembered."""
        return self._entries[key]

    def forget(self, key: str) -> None:
        """Drop a key whose request came to nothing."""
        del self._entries[key]

    def _same(self, first: bytes, second: bytes) -> bool:
        if self._compare == "bytes":
            return first == second
        # Every value of a valid body is a string or an object, so == has no 1 == True trap here.
        return bool(json.loads(first) == json.loads(second))
