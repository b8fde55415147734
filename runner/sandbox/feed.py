"""The feed of events: kept for a time, shown after a delay, numbered with oddities."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from runner.sandbox.people import made_up_id

if TYPE_CHECKING:
    from runner.sandbox.store import Message, Thread

EVENT_LIFE = 7 * 86400.0
"""Seconds for which events are kept (InboxHQ/inboxapp-sdk spec/openapi.json)."""

EVENTS_KEPT = 25_000
"""Events kept per team, all types together (InboxHQ/inboxapp-sdk spec/openapi.json)."""


@dataclass
class FeedSettings:
    """The feed's habits. ``delay`` in seconds, besides ``show_after``; ``page``: most events of
    a page, whatever is asked for; ``hole_every`` and ``double_every``: after so many events a
    number is left out, or an event stands twice; ``refuse_old``: a number before the oldest kept
    event is a bad request instead of a silent loss. None of these four is documented."""

    life: float = EVENT_LIFE
    kept: int = EVENTS_KEPT
    delay: float = 0.0
    page: int | None = None
    hole_every: int = 0
    double_every: int = 0
    refuse_old: bool = False

    def __post_init__(self) -> None:
        for name in ("life", "delay"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"feed: {name} must be seconds from 0, not {value!r}")
        for name in ("kept", "page", "hole_every", "double_every"):
            value = getattr(self, name)
            least = 0 if name.endswith("every") else 1
            if value is None and name == "page":
                continue
            if type(value) is not int or value < least:
                raise ValueError(f"feed: {name} must be a whole number from {least}, not {value!r}")


def feed_settings(values: Mapping[str, Any]) -> FeedSettings:
    """Read the settings of a feed by their names. Raises ValueError."""
    known = [one.name for one in fields(FeedSettings)]
    for name in values:
        if name not in known:
            raise ValueError(f"feed: unknown setting {name!r}; known: {', '.join(known)}")
    return FeedSettings(**values)


def parse_feed(text: str) -> FeedSettings:
    """Read ``delay=5,page=10,refuse_old``. Raises ValueError."""
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        try:
            number = float(value)
            values[name] = number if name in ("life", "delay") else int(value)
        except ValueError:
            if equals or name != "refuse_old":
                raise ValueError(f"feed: {part!r} is not NAME=NUMBER") from None
            values[name] = True
    return feed_settings(values)


@dataclass(frozen=True)
class Event:
    """Something that happened: ``kind`` is the API's type, ``data`` what changed by it."""

    id: str
    seq: int
    kind: str
    at: float
    thread: "Thread"
    message: "Message | None" = None
    data: Mapping[str, str] = field(default_factory=dict)


class Feed:
    """The events of a team in the order of their numbers."""

    def __init__(self, settings: FeedSettings, seed: int) -> None:
        self.settings = settings
        self._seed = seed
        self._events: list[Event] = []
        self._seqs: list[int] = []
        self._seq = 0
        self._noted = 0
        self._torn_at = 0

    def note(
        self,
        kind: str,
        at: float,
        thread: "Thread",
        message: "Message | None" = None,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """Add an event; as the settings say twice, and a number left out after it."""
        self._noted += 1
        number = self._noted
        event_id = made_up_id("event", self._seed, number)
        twice = self.settings.double_every and number % self.settings.double_every == 0
        for _ in range(2 if twice else 1):
            self._seq += 1
            self._seqs.append(self._seq)
            self._events.append(
                Event(event_id, self._seq, kind, at, thread, message, dict(data or {}))
            )
        if self.settings.hole_every and number % self.settings.hole_every == 0:
            self._seq += 1

    def after(self, seq: int, now: float, *, most: int | None = None) -> list[Event]:
        """Return the events after a number that are kept and shown by ``now``; ``most`` are kept in
        all."""
        first = bisect_right(self._seqs, seq)
        if most is not None:
            first = max(first, len(self._events) - most)
        return [one for one in self._events[first:] if self._shows(one, now)]

    def tear(self) -> None:
        """Lose all events so far, and refuse from now on to read on from any of them."""
        self._events.clear()
        self._seqs.clear()
        self._torn_at = self._seq

    def refuses(self, seq: int, now: float) -> bool:
        """Return whether reading on from a number is a bad request."""
        if 0 < seq < self._torn_at:
            return True
        oldest = self.oldest(now) if self.settings.refuse_old and seq else None
        return oldest is not None and seq < oldest.seq - 1

    def oldest(self, now: float) -> Event | None:
        """Return the oldest event that is kept and shown."""
        kept = self._events[-self.settings.kept :]
        return next((one for one in kept if self._shows(one, now)), None)

    def _shows(self, event: Event, now: float) -> bool:
        return now - self.settings.life < event.at <= now - self.settings.delay
