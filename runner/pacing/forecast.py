"""The forecast: when a queue is done, and which limit binds; pacing and schedule played forward."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runner.clock import iso
from runner.pacing.pacer import Pacer
from runner.pacing.projection import Projection, SenderProjection
from runner.pacing.windows import DAY
from runner.schedule import Hours, next_close, next_open

SIMULATED = 220_000
"""Messages played forward: two days at the API's own limit of 100,000 a day. Beyond them the
simulated days repeat."""
TURN_CHECKS = 220_000
"""Checks of a sender before campaigns are no more made to take turns exactly: senders of several
campaigns that may all go at once are all checked for each message."""

WEEK = 7 * DAY

BY_SCHEDULE = "the schedule"


@dataclass(frozen=True, slots=True)
class Share:
    """A sender's messages of a campaign in one zone. `hours`: the schedule, None for
    always; `first` and `last`: where it stands in the campaign's queue, as parts of its length;
    `turn`: the campaign's place among those that take turns."""

    sender: str
    count: int
    hours: Hours | None = None
    zone: str = ""
    first: float = 0.0
    last: float = 1.0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast. `seconds`: from now until the last message, infinity for never; `by_sender` the
    same per sender; `binds`: what was waited for longest, empty when nothing was; `first`: seconds
    until the first message, infinity for never."""

    seconds: float
    by_sender: Mapping[str, float]
    binds: str
    first: float = 0.0

    def finish_at(self, now: float) -> float | None:
        """Return when it ends (Unix seconds), None for never."""
        return now + self.seconds if self.seconds < math.inf else None


def finish_as_json(forecast: Forecast | None, now: float) -> dict[str, Any]:
    """Return the public form: names stay. Without a forecast nothing is known."""
    if forecast is None:
        return {"finish_at": None, "finish_by_sender": {}, "binds": ""}
    return {
        "finish_at": iso(forecast.finish_at(now)) or None,
        "finish_by_sender": {
            sender: iso(now + seconds) if seconds < math.inf else None
            for sender, seconds in sorted(forecast.by_sender.items())
        },
        "binds": forecast.binds,
    }


@dataclass(slots=True)
class _Queue:
    """A share as it is used up. Its messages are taken to be spread evenly from its first to its
    last."""

    share: Share
    ahead: float  # wall time less boot time
    sent: int = 0
    _opens: float = -math.inf
    _closes: float = -math.inf

    @property
    def place(self) -> float:
        """Return the place of its next message in the campaign's queue, as a part of its length."""
        share = self.share
        return share.first + (share.last - share.first) * (self.sent + 0.5) / share.count

    def opens(self, at: float) -> float:
        """Return when the next of it may go by the schedule, from `at` on (boot seconds)."""
        hours, zone = self.share.hours, self.share.zone
        if hours is None:
            return at
        if at >= self._closes:
            wall = next_open(hours, zone, at + self.ahead)
            closes = next_close(hours, zone, wall) if wall < math.inf else math.inf
            self._opens, self._closes = wall - self.ahead, closes - self.ahead
        return max(at, self._opens)

    def open_spans(self, at: float, until: float = math.inf) -> Iterator[tuple[float, float]]:
        """Yield from when to when it may go, from `at` on (boot seconds)."""
        hours, zone = self.share.hours, self.share.zone
        while at < until and hours is not None:
            begin = next_open(hours, zone, at + self.ahead) - self.ahead
            if begin >= until or begin == math.inf:
                return
            at = next_close(hours, zone, begin + self.ahead) - self.ahead
            yield begin, at
        if hours is None:
            yield at, math.inf


@dataclass(slots=True)
class _Sender:
    pace: SenderProjection
    queues: list[_Queue]
    ends: list[float] = field(default_factory=list)
    count: int = 0
    served: dict[int, int] = field(default_factory=dict)  # campaigns: last turn

    def opens(self, at: float) -> float:
        """Return when the first of its queues may go by the schedule, from `at` on."""
        if len(self.queues) == 1:
            return self.queues[0].opens(at)
        return min((queue.opens(at) for queue in self.queues), default=math.inf)

    def next(self, at: float) -> tuple[int, _Queue]:
        """Return whose turn it is, the first message of those that may go at `at`, of the campaign
        that has waited longest; and since which turn."""
        if len(self.queues) == 1:
            return self.served.get(self.queues[0].share.turn, -1), self.queues[0]
        orders = [
            ((self.served.get(q.share.turn, -1), q.share.turn, q.place), number)
            for number, q in enumerate(self.queues)
            if q.opens(at) <= at
        ]
        order, number = min(orders)
        return order[0], self.queues[number]

    def send(self, queue: _Queue, at: float, turn: int) -> None:
        """Use up a message of this queue: of all senders, it is the one of this number."""
        self.pace.sent(at)
        self.served[queue.share.turn] = turn
        queue.sent += 1
        if queue.sent == queue.share.count:
            self.queues.remove(queue)
        self.ends.append(at)


def forecast(pacer: Pacer, queue: Sequence[Share], now: float, wall: float = 0.0) -> Forecast:
    """Play `queue` through `pacer`, which is used up by it; `now` and `wall` are the same moment.

    Answers are taken to come at once, so that a slow API takes longer than told.
    """
    if pacer.is_unlimited and all(share.hours is None for share in queue):
        return Forecast(0.0, {share.sender: 0.0 for share in queue if share.count > 0}, "")
    played = _play(pacer, queue, now, wall)
    first, waited = played.first, played.waited
    by_sender = {name: _end(sender, now) - now for name, sender in played.senders.items()}
    seconds = max(by_sender.values(), default=0.0)
    if seconds == math.inf:
        return Forecast(seconds, by_sender, BY_SCHEDULE, first)
    slowest = max(waited, key=lambda why: waited[why], default="")
    return Forecast(seconds, by_sender, slowest, first)


def sent_until(
    pacer: Pacer, queue: Sequence[Share], now: float, wall: float, until: float
) -> Counter[str]:
    """Return how many messages of each sender go from `now` until `until` (boot seconds), by the
    same play as `forecast`."""
    if pacer.is_unlimited and all(share.hours is None for share in queue):
        found: Counter[str] = Counter()
        for share in queue:
            found[share.sender] += share.count
        return found
    played = _play(pacer, queue, now, wall, until)
    return Counter({id: len(sender.ends) for id, sender in played.senders.items()})


class _Played(NamedTuple):
    senders: dict[str, _Sender]
    waited: dict[str, float]  # seconds, by what was waited for
    first: float  # seconds until the first message


def _play(
    pacer: Pacer, queue: Sequence[Share], now: float, wall: float, until: float = math.inf
) -> _Played:
    """Play the queue forward, until it is used up, as far as is simulated, and not past `until`."""
    ahead = Projection(pacer)
    senders: dict[str, _Sender] = {}
    served: dict[int, int] = {}
    for share in queue:
        if share.count > 0:
            sender = senders.get(share.sender)
            if sender is None:
                sender = _Sender(ahead.sender(share.sender), [], served=served)
                senders[share.sender] = sender
            sender.queues.append(_Queue(share, wall - now))
            sender.count += share.count
    waited: dict[str, float] = {}  # seconds
    # A sender's place in the heap is a lower bound: limits and others' turns only ever push it
    # later. Of those that may go now, the campaign and then the sender that have waited longest
    # go, as in the dispatcher.
    heap = [(now, -1, 0, sender) for sender in sorted(senders)]
    heapq.heapify(heap)
    alone = len({share.turn for share in queue}) == 1  # no campaign waits for another
    at, checks = now, 0
    first = math.inf
    for number in range(SIMULATED):
        while heap:
            checks += 1
            bound, _, turns, name = heapq.heappop(heap)
            sender = senders[name]
            ready, binds = _ready(sender, max(at, bound))
            waits, following = (-1, None) if ready == math.inf else sender.next(ready)
            if alone or checks > TURN_CHECKS:
                waits = -1
            if not heap or (ready, waits, turns) <= heap[0][:3]:
                break
            heapq.heappush(heap, (ready, waits, turns, name))
        else:
            break
        if following is None:
            break
        if ready > until:
            break
        if ready > at:
            if binds:
                waited[binds] = waited.get(binds, 0.0) + ready - at
            at = ready
        first = min(first, at - now)
        sender.send(following, at, number)
        if sender.queues:
            heapq.heappush(heap, (at, -1, turns + 1, name))
    return _Played(senders, waited, first)


def _ready(sender: _Sender, at: float) -> tuple[float, str]:
    """Return when a sender may send by its limits and the schedule, and which of the two binds."""
    binds = ""
    while True:
        ready, why = sender.pace.ready(at)
        opens = sender.opens(ready) if ready < math.inf else math.inf
        if opens <= ready or opens == math.inf:
            return max(opens, ready), binds or why
        at, binds = opens, BY_SCHEDULE


def _end(sender: _Sender, now: float) -> float:
    """Return when the last of a sender's messages goes out. What is beyond the simulated ones goes
    out as those did: week after week, or day after day where there is no schedule."""
    if sender.opens(sender.ends[-1] if sender.ends else now) == math.inf and sender.queues:
        return math.inf
    times, left = sender.ends, sender.count - len(sender.ends)
    if left <= 0 or not times:
        return times[-1] if times else now
    took = times[-1] - now
    scheduled = any(queue.share.hours is not None for queue in sender.queues)
    period = WEEK if took >= WEEK else DAY
    whole = int(took // period)
    if whole and (period == WEEK or not scheduled):
        # The later ones: a warm-up is rather over by then.
        early = whole // 2
        first, last = (bisect_left(times, now + n * period) for n in (early, whole))
        each = max(1, (last - first) // (whole - early))
        more = -(-left // each)
        return times[len(times) + left - 1 - more * each] + more * period
    if not scheduled:
        return times[-1] + left * took / len(times)
    queue = max(sender.queues, key=lambda queue: queue.share.count - queue.sent)
    until = now + whole * DAY if whole else times[-1]  # of whole days, if there are any
    opened = sum(min(end, until) - begin for begin, end in queue.open_spans(now, until))
    due = left * opened / max(1, bisect_left(times, until))
    for begin, end in queue.open_spans(times[-1]):
        if end - begin >= due:
            return begin + due
        due -= end - begin
    return math.inf
