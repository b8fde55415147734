"""The counters of a run, added up from its events."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runner.events import (
    Asking,
    Braked,
    Ended,
    Event,
    FollowUpsLeft,
    LaneStarted,
    MessageDeferred,
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
from runner.formats import by_handle
from runner.message.plan import FIRST_STEP

RATE_OVER = 60.0
"""Seconds over which the shown rate is counted."""

LONG_RATE_OVER = 3600.0
"""Seconds over which it is counted for slow senders: a few messages an hour say nothing by the
minute."""

UNDER_WAY = 10.0
"""Seconds that a request is taken to last at most; our own choice, for the display alone."""

LAST_EVENTS = 8
"""The newest events, kept to be shown."""

Now = Callable[[], float]


@dataclass(slots=True)
class CampaignCounts:
    """The counts of a campaign while it runs."""

    total: int = 0
    doubts_before: int = 0
    sent: int = 0
    rejected: int = 0
    failed: int = 0
    in_doubt: int = 0
    to_follow: int = 0  # follow-ups to come, not in `total`
    brake: Braked | None = None  # what stops it, while it does

    @property
    def queued(self) -> int:
        """Return the messages of which nothing is known yet; some of them may be on their way."""
        return max(0, self.total - self.sent - self.rejected - self.failed - self.in_doubt)


@dataclass(slots=True)
class SenderCounts:
    """The counts of a sender while it runs. `total`: all that it had, has, and had in doubt."""

    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # sent, rejected, failed, in_doubt
    stopped: str = ""  # why, if it is

    @property
    def queued(self) -> int:
        return max(0, self.total - sum(self.counts.values()))


@dataclass(slots=True)
class Tally:
    """The sum of the events. Locked, since a display reads it from its own thread."""

    now: Now = time.time
    campaigns: dict[str, CampaignCounts] = field(default_factory=dict)
    senders: dict[str, SenderCounts] = field(default_factory=dict)
    sent: int = 0  # by this run's own requests, settled ones not counted
    started: LaneStarted | None = None
    stopped: str = ""  # why the whole lane is, if it is
    waiting: Waiting | None = None
    reading: Reading | None = None
    asking: Asking | None = None
    handles: Mapping[str, str] = field(default_factory=dict)  # sender: as the API calls it
    last: deque[Event] = field(default_factory=lambda: deque(maxlen=LAST_EVENTS))
    last_sent: MessageSent | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    _doubtful: set[tuple[str, str]] = field(default_factory=set)
    _seconds: deque[tuple[int, int]] = field(default_factory=deque)  # (second, sent in it)
    _minutes: deque[tuple[int, int]] = field(default_factory=deque)  # the same by the minute

    def by_handle(self, text: str) -> str:
        """Return `text` with the ids of senders as `@handle` where that is known."""
        return by_handle(text, self.started.handles) if self.started is not None else text

    def watch(self, event: Event) -> None:
        """Add one event."""
        with self.lock:
            self._add(event)

    def _add(self, event: Event) -> None:
        if isinstance(event, MessageEvent):
            self._message(event, self.campaigns.setdefault(event.campaign, CampaignCounts()))
            return
        match event:
            case Reading():
                self.reading, self.asking = event, None
            case Asking():
                self.reading, self.asking = None, event
            case Planned():
                self.reading = self.asking = None
            case LaneStarted():
                self.started, self.handles = event, event.handles
                for sender, queued in event.by_sender.items():
                    self.senders[sender] = SenderCounts(queued)
                for name, queued in event.queued.items():
                    doubts, ended = event.in_doubt.get(name, 0), event.before.get(name, {})
                    total = queued + doubts + sum(ended.values())
                    self.campaigns[name] = CampaignCounts(
                        total,
                        doubts,
                        ended.get("sent", 0),
                        ended.get("rejected", 0),
                        ended.get("failed", 0),
                        in_doubt=doubts,
                        to_follow=event.to_follow.get(name, 0),
                    )
            case FollowUpsLeft():
                line = self.campaigns.setdefault(event.campaign, CampaignCounts())
                line.to_follow = event.left
            case Waiting():
                self.waiting = event
            case Stopped(sender=""):
                self.stopped = event.why
                self.last.append(event)
            case Stopped():
                self.senders.setdefault(event.sender, SenderCounts()).stopped = event.why
                self.last.append(event)
            case Braked():
                self.campaigns.setdefault(event.campaign, CampaignCounts()).brake = event
            case Released():
                self.campaigns.setdefault(event.campaign, CampaignCounts()).brake = None
            case Ended():
                self.waiting = None

    def _message(self, event: MessageEvent, line: CampaignCounts) -> None:
        who = (event.campaign, event.recipient)
        sender = self.senders.setdefault(event.sender, SenderCounts())
        if event.step != FIRST_STEP and who not in self._doubtful:
            _begin_follow_up(event, line, sender)
        if isinstance(event, MessageInDoubt):
            if who not in self._doubtful:
                self._doubtful.add(who)
                sender.counts["in_doubt"] += 1
                # Those of earlier runs are counted already, without their names.
                if line.doubts_before:
                    line.doubts_before -= 1
                    sender.total += 1
                else:
                    line.in_doubt += 1
                self.last.append(event)  # and not each time that it is looked up
            return
        may_settle = MessageSent | MessageDeferred | MessageFailed | MessageSkipped
        settled = isinstance(event, may_settle) and event.settled
        if who in self._doubtful:
            self._doubtful.discard(who)
            sender.counts["in_doubt"] -= 1
            line.in_doubt -= 1
        elif settled and line.doubts_before:
            line.doubts_before -= 1
            line.in_doubt -= 1
            sender.total += 1
        match event:
            case MessageSent():
                line.sent += 1
                sender.counts["sent"] += 1
                self._sent_while_waiting(event)
                self.last_sent = event
                if not settled:
                    self.sent += 1
                    second = int(self.now())
                    _count(self._seconds, second, RATE_OVER)
                    _count(self._minutes, second // 60, LONG_RATE_OVER / 60)
                return
            case MessageRejected():
                line.rejected += 1
                sender.counts["rejected"] += 1
            case MessageFailed():
                line.failed += 1
                sender.counts["failed"] += 1
            case MessageSkipped():
                line.total -= 1
                sender.total -= 1
        self.last.append(event)

    def _sent_while_waiting(self, event: MessageSent) -> None:
        """End a wait early only for a message that was not under way as it began."""
        waiting = self.waiting
        if waiting and (waiting.until is None or event.at > waiting.at + UNDER_WAY):
            self.waiting = None

    @property
    def finish_at(self) -> float | None:
        """Return the finish time as computed when the run began; None for never, or unknown."""
        return None if self.started is None else self.started.finish_at

    def per_minute(self) -> float:
        """Return the messages sent in the last minute, or as many as this pace would give in
        one."""
        now = self.now()
        recent = [(second, count) for second, count in self._seconds if second >= now - RATE_OVER]
        if not recent:
            return 0.0
        span = min(RATE_OVER, max(1.0, now - recent[0][0]))
        return sum(count for _, count in recent) * 60.0 / span

    def last_hour(self) -> int:
        """Return the messages sent in the last hour, to the minute."""
        since = self.now() // 60 - LONG_RATE_OVER / 60
        return sum(count for minute, count in self._minutes if minute > since)


def _begin_follow_up(event: MessageEvent, line: CampaignCounts, sender: SenderCounts) -> None:
    """Count a follow-up among the messages, from its first outcome on."""
    before = isinstance(event, MessageSent | MessageFailed | MessageSkipped) and event.settled
    if not before and not isinstance(event, MessageDeferred):
        line.to_follow = max(0, line.to_follow - 1)
        line.total += 1
        sender.total += 1


def _count(times: deque[tuple[int, int]], time: int, kept: float) -> None:
    """Count one more at this time; forget those longer ago than `kept`."""
    if times and times[-1][0] == time:
        times[-1] = (time, times[-1][1] + 1)
        return
    times.append((time, 1))
    while times[0][0] < time - kept:
        times.popleft()
