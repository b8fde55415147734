"""Request limits: exact sliding windows over everything one team asks, all endpoints together.

Default numbers and the three windows applying at once: docs.inboxapp.com reference/rate-limits and
InboxHQ/inboxapp-sdk spec/openapi.json. Whether v1 and v2 share a budget, whether a 429 counts and
which window the headers speak of are not documented: here they share one, a 429 does not count, and
the headers speak of the window with the fewest requests left.
"""

import json
import math
from collections import deque
from dataclasses import dataclass, field

from runner.sandbox.api.refusals import Refusal

PER_MINUTE = 300
PER_HOUR = 10_000
PER_DAY = 100_000


@dataclass(frozen=True)
class Standing:
    """One window at one moment: its name, limit, requests left, and when it next frees one."""

    window: str
    limit: int
    remaining: int
    reset_at: float

    def headers(self) -> dict[str, str]:
        """Return the X-RateLimit-* headers; the reset is in Unix seconds."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(self.reset_at)),
        }


@dataclass
class Window:
    """A sliding window: at most ``limit`` requests in any ``seconds`` seconds."""

    name: str
    seconds: float
    limit: int
    _taken: deque[float] = field(default_factory=deque)

    def standing(self, now: float) -> Standing:
        """Return the state of the window at ``now`` (Unix seconds)."""
        while self._taken and self._taken[0] + self.seconds <= now:
            self._taken.popleft()
        first = self._taken[0] if self._taken else now
        return Standing(self.name, self.limit, self.limit - len(self._taken), first + self.seconds)

    def take(self, now: float) -> None:
        """Count one request at ``now``."""
        self._taken.append(now)


class Limits:
    """The windows of one team. A limit of None switches its window off."""

    def __init__(
        self,
        per_minute: int | None = PER_MINUTE,
        per_hour: int | None = PER_HOUR,
        per_day: int | None = PER_DAY,
    ) -> None:
        wanted = (
            ("minute", 60.0, per_minute),
            ("hour", 3600.0, per_hour),
            ("day", 86400.0, per_day),
        )
        for name, _, limit in wanted:
            if limit is not None and limit < 1:
                raise ValueError(f"limit per {name} must be 1 or more, or None, not {limit}")
        self._windows = [
            Window(name, seconds, limit) for name, seconds, limit in wanted if limit is not None
        ]

    def take(self, now: float) -> Standing | None:
        """Count a request; give the exhausted window, uncounted, when there is one, else None."""
        full = [
            standing
            for standing in (window.standing(now) for window in self._windows)
            if standing.remaining < 1
        ]
        if full:
            # The longest wait is the one that lets the next request through.
            return max(full, key=lambda standing: standing.reset_at)
        for window in self._windows:
            window.take(now)
        return None

    def headers(self, now: float) -> dict[str, str]:
        """Return X-RateLimit-* headers of the tightest window; none when every window is off."""
        standings = [window.standing(now) for window in self._windows]
        if not standings:
            return {}
        return min(standings, key=lambda standing: standing.remaining).headers()


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
        """Return the entry of a key, None for a new one. Raises Refusal for another body."""
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
        """Return the entry of a key that is remembered."""
        return self._entries[key]

    def forget(self, key: str) -> None:
        """Drop a key whose request came to nothing."""
        del self._entries[key]

    def _same(self, first: bytes, second: bytes) -> bool:
        if self._compare == "bytes":
            return first == second
        # Every value of a valid body is a string or an object, so == has no 1 == True trap here.
        return bool(json.loads(first) == json.loads(second))
