"""What a run has come to, added up from its events."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from runner.events import (
    Braked,
    Ended,
    Event,
    LaneStarted,
    MessageEvent,
    MessageFailed,
    MessageInDoubt,
    MessageRejected,
    MessageSent,
    MessageSkipped,
    Planned,
    Reading,
    Released,
    Stopped,
    Waiting,
)

RATE_OVER = 60.0
"""Seconds that the shown rate looks back."""

LAST_EVENTS = 4
"""Events kept to be shown."""

Now = Callable[[], float]


@dataclass(slots=True)
class Line:
    """A campaign's figures while it runs."""

    total: int = 0
    doubts_before: int = 0
    sent: int = 0
    problems: int = 0  # rejected or failed
    in_doubt: int = 0
    brake: str = ""  # paused, cancelled or guarded, while it is


@dataclass(slots=True)
class Tally:
    """What the events have added up to. Locked, since a display reads it from its own thread."""

    now: Now = time.time
    campaigns: dict[str, Line] = field(default_factory=dict)
    sent: int = 0  # by this run's own requests, settled ones not counted
    finish_at: float | None = None
    waiting: Waiting | None = None
    reading: Reading | None = None
    last: deque[Event] = field(default_factory=lambda: deque(maxlen=LAST_EVENTS))
    lock: threading.Lock = field(default_factory=threading.Lock)
    _doubtful: set[tuple[str, str]] = field(default_factory=set)
    _seconds: deque[tuple[int, int]] = field(default_factory=deque)  # (second, sent in it)

    def watch(self, event: Event) -> None:
        """Add one event."""
        with self.lock:
            self._add(event)

    def _add(self, event: Event) -> None:
        if isinstance(event, MessageEvent):
            self._message(event, self.campaigns.setdefault(event.campaign, Line()))
            return
        match event:
            case Reading():
                self.reading = event
            case Planned():
                self.reading = None
            case LaneStarted():
                self.finish_at = event.finish_at
                for name, queued in event.queued.items():
                    doubts = event.in_doubt.get(name, 0)
                    self.campaigns[name] = Line(queued + doubts, doubts, in_doubt=doubts)
            case Waiting():
                self.waiting = event
            case Stopped():
                self.last.append(event)
            case Braked():
                self.campaigns.setdefault(event.campaign, Line()).brake = event.how
            case Released():
                self.campaigns.setdefault(event.campaign, Line()).brake = ""
            case Ended():
                self.waiting = None

    def _message(self, event: MessageEvent, line: Line) -> None:
        who = (event.campaign, event.recipient)
        if isinstance(event, MessageInDoubt):
            if who not in self._doubtful:
                self._doubtful.add(who)
                # Those of earlier runs are counted already, without their names.
                if line.doubts_before:
                    line.doubts_before -= 1
                else:
                    line.in_doubt += 1
            self.last.append(event)
            return
        settled = isinstance(event, MessageSent) and event.settled
        if who in self._doubtful:
            self._doubtful.discard(who)
            line.in_doubt -= 1
        elif settled and line.doubts_before:
            line.doubts_before -= 1
            line.in_doubt -= 1
        match event:
            case MessageSent():
                line.sent += 1
                self.waiting = None
                if not settled:
                    self.sent += 1
                    self._count_second()
            case MessageRejected() | MessageFailed():
                line.problems += 1
                self.last.append(event)
            case MessageSkipped():
                line.total -= 1
                self.last.append(event)
            case _:
                self.last.append(event)

    def _count_second(self) -> None:
        second = int(self.now())
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))
            while self._seconds[0][0] < second - RATE_OVER:
                self._seconds.popleft()

    def per_minute(self) -> float:
        """Messages sent in the last minute, or as many as this pace would give in one."""
        now = self.now()
        recent = [(second, count) for second, count in self._seconds if second >= now - RATE_OVER]
        if not recent:
            return 0.0
        span = min(RATE_OVER, max(1.0, now - recent[0][0]))
        return sum(count for _, count in recent) * 60.0 / span
