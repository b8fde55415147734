"""The forecast: when a queue is done, and which limit binds; pacing and schedule played forward."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
BY_STEPS = "the time between steps"


class Following(NamedTuple):
    """A step that comes `after` seconds after the message before it, for this share of those."""

    after: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """A sender's messages of a campaign in one zone. `hours`: the schedule, None for
    always; `first` and `last`: where it stands in the campaign's queue, as parts of its length;
    `turn`: the campaign's place among those that take turns. `then`: what follows each of them;
    `due`: of follow-ups, when the first and the last of them may go (Unix s; between them evenly).
    """

    sender: str
    count: int
    hours: Hours | None = None
    zone: str = ""
    first: float = 0.0
    last: float = 1.0
    turn: int = 0
    then: tuple[Following, ...] = ()
    due: tuple[float, float] | None = None

    @property
    def follows(self) -> bool:
        """Return whether follow-ups are among what it comes to."""
        return bool(self.then) or self.due is not None


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast. `seconds`: from now until the last message, infinity for never; `by_sender` the
    same per sender; `binds`: what was waited for longest, empty when nothing was; `first`: seconds
    until the first message, infinity for never. Follow-ups are reckoned as if nobody answers;
    `earliest`: seconds until the last message if everybody does, None where nothing follows."""

    seconds: float
    by_sender: Mapping[str, float]
    binds: str
    first: float = 0.0
    earliest: float | None = None

    def finish_at(self, now: float) -> float | None:
        """Return when it ends (Unix seconds), None for never."""
        return now + self.seconds if self.seconds < math.inf else None

    def earliest_at(self, now: float) -> float | None:
        """Return when it ends if everybody answers (Unix seconds), None for never."""
        if self.earliest is None:
            return self.finish_at(now)
        return now + self.earliest if self.earliest < math.inf else None


def finish_as_json(forecast: Forecast | None, now: float) -> dict[str, Any]:
    """Return the public form: names stay. Without a forecast nothing is known."""
    if forecast is None:
        return {
            "finish_at": None,
            "finish_earliest_at": None,
            "finish_by_sender": {},
            "binds": "",
        }
    return {
        "finish_at": iso(forecast.finish_at(now)) or None,
        "finish_earliest_at": iso(forecast.earliest_at(now)) or None,
        "finish_by_sender": {
            sender: iso(now + seconds) if seconds < math.inf else None
            for sender, seconds in sorted(forecast.by_sender.items())
        },
        "binds": forecast.binds,
    }


@dataclass(slots=True)
class _Queue:
    """A share as it is used up. Its messages are taken to be spread evenly from its first to its
    last. `dues`: of follow-ups, when each may go (boot seconds), in order; `next_one`: what follows
    its messages, `before`: what it follows."""

    share: Share
    ahead: float  # wall time less boot time
    dues: deque[float] | None = None
    before: _Queue | None = None
    next_one: _Queue | None = None
    left: int = 0
    _owed: float = 0.5  # of a follow-up to come, for a share of them is no whole number
    _opens: float = -math.inf
    _closes: float = -math.inf

    @property
    def place(self) -> float:
        """Return the place of its next message in the campaign's queue, as a part of its length."""
        share = self.share
        sent = share.count - self.left
        return share.first + (share.last - share.first) * (sent + 0.5) / share.count

    @property
    def is_over(self) -> bool:
        """Return whether nothing of it is left, and nothing more of it is to come."""
        return not self.left and (self.before is None or self.before.is_over)

    def send(self, at: float, answering: float) -> None:
        """Use up its next message. `answering`: the share of people who answer it."""
        self.left -= 1
        if self.dues is not None:
            self.dues.popleft()
        if self.next_one is None:
            return
        following = self.share.then[0]
        self._owed += following.share * (1.0 - answering)
        if self._owed >= 1.0:
            self._owed -= 1.0
            assert self.next_one.dues is not None
            self.next_one.dues.append(at + following.after)
            self.next_one.left += 1

    def opens(self, at: float) -> float:
        """Return when the next of it may go by the schedule, from `at` on (boot seconds)."""
        if self.dues is not None:
            if not self.dues:
                return math.inf
            at = max(at, self.dues[0])
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


def _queues(share: Share, now: float, ahead: float) -> list[_Queue]:
    """Return a share's queue, and those of what follows it."""
    dues = None
    if share.due is not None:
        first, last = (max(now, at - ahead) for at in share.due)
        step = (last - first) / max(1, share.count - 1)
        dues = deque(first + n * step for n in range(share.count))
    found = [_Queue(share, ahead, dues, left=share.count)]
    for at in range(1, len(share.then) + 1):
        later = _Queue(replace(share, then=share.then[at:]), ahead, deque(), found[-1])
        found[-1].next_one = later
        found.append(later)
    return found


@dataclass(slots=True)
class _Sender:
    pace: SenderProjection
    queues: list[_Queue]
    ends: list[float] = field(default_factory=list)
    count: int = 0  # about, where a share of the people answers
    served: dict[int, int] = field(default_factory=dict)  # campaigns: last turn

    def opens(self, at: float) -> float:
        """Return when the first of its queues may go by the schedule, from `at` on."""
        if len(self.queues) == 1:
            return self.queues[0].opens(at)
        return min((queue.opens(at) for queue in self.queues), default=math.inf)

    def waits_for_steps(self, at: float) -> bool:
        """Return whether all that is left are follow-ups that are not due at `at`."""
        return all(
            queue.dues is not None and (not queue.dues or queue.dues[0] > at)
            for queue in self.queues
        )

    def next(self, at: float) -> tuple[int, _Queue]:
        """Return whose turn it is, of those that may go at `at` the first message of the campaign
        that has waited longest, its follow-ups before its first messages; and since which turn."""
        if len(self.queues) == 1:
            return self.served.get(self.queues[0].share.turn, -1), self.queues[0]
        orders = [
            (
                self.served.get(q.share.turn, -1),
                q.share.turn,
                q.dues is None,
                q.dues[0] if q.dues else q.place,
                number,
            )
            for number, q in enumerate(self.queues)
            if q.opens(at) <= at
        ]
        order = min(orders)
        return order[0], self.queues[order[-1]]

    def send(self, queue: _Queue, at: float, turn: int, answering: float) -> None:
        """Use up a message of this queue: of all senders, it is the one of this number."""
        self.pace.sent(at)
        self.served[queue.share.turn] = turn
        queue.send(at, answering)
        if not queue.left:
            self.queues = [each for each in self.queues if not each.is_over]
        self.ends.append(at)


def forecast(
    pacer: Pacer, queue: Sequence[Share], now: float, wall: float = 0.0, *, answering: float = 0.0
) -> Forecast:
    """Play `queue` through `pacer`, which is used up by it; `now` and `wall` are the same moment.
    `answering`: the share of people who answer each message, and get nothing more then.

    The API's answers are taken to come at once, so that a slow API takes longer than told.
    """
    if pacer.is_unlimited and not any(share.hours or share.follows for share in queue):
        return Forecast(0.0, {share.sender: 0.0 for share in queue if share.count > 0}, "")
    played = _play(pacer, queue, now, wall, answering=answering)
    first, waited = played.first, played.waited
    by_sender = {name: _end(sender, now) - now for name, sender in played.senders.items()}
    seconds = max(by_sender.values(), default=0.0)
    if seconds == math.inf:
        return Forecast(seconds, by_sender, BY_SCHEDULE, first)
    slowest = max(waited, key=lambda why: waited[why], default="")
    return Forecast(seconds, by_sender, slowest, first)


def first_messages(queue: Sequence[Share]) -> list[Share]:
    """Return a queue as it is if everybody answers: without what follows."""
    return [replace(share, then=()) for share in queue if share.due is None]


def sent_until(
    pacer: Pacer, queue: Sequence[Share], now: float, wall: float, until: float
) -> Counter[str]:
    """Return how many messages of each sender go from `now` until `until` (boot seconds), by the
    same play as `forecast`."""
    if pacer.is_unlimited and not any(share.hours or share.follows for share in queue):
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


def _count(share: Share, answering: float) -> int:
    """Return about how many messages a share comes to."""
    each = found = float(share.count)
    for following in share.then:
        each *= following.share * (1.0 - answering)
        found += each
    return round(found)


def _play(
    pacer: Pacer,
    queue: Sequence[Share],
    now: float,
    wall: float,
    until: float = math.inf,
    answering: float = 0.0,
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
            sender.queues += _queues(share, now, wall - now)
            sender.count += _count(share, answering)
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
        sender.send(following, at, number, answering)
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
        at, binds = opens, BY_STEPS if sender.waits_for_steps(ready) else BY_SCHEDULE


def _end(sender: _Sender, now: float) -> float:
    """Return when the last of a sender's messages goes out. What is beyond the simulated ones goes
    out as those did: week after week, or day after day where there is no schedule."""
    if sender.opens(sender.ends[-1] if sender.ends else now) == math.inf and sender.queues:
        return math.inf
    times, left = sender.ends, sender.count - len(sender.ends)
    if left <= 0 or not times or not sender.queues:
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
    queue = max(sender.queues, key=lambda queue: queue.left)
    until = now + whole * DAY if whole else times[-1]  # of whole days, if there are any
    opened = sum(min(end, until) - begin for begin, end in queue.open_spans(now, until))
    due = left * opened / max(1, bisect_left(times, until))
    for begin, end in queue.open_spans(times[-1]):
        if end - begin >= due:
            return begin + due
        due -= end - begin
    return math.inf
