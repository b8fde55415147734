"""When it will be done, and what makes it take that long: the pacing itself, played forward."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from runner.pacing import DAY, Pacer

SIMULATED = 220_000
"""Messages played forward: two days at the API's own limit of 100,000 a day. Beyond them the
simulated days repeat."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`seconds` from now until the last message; `by_sender` the same per sender; `binds`: the
    limit that was waited for most, empty when none was."""

    seconds: float
    by_sender: Mapping[str, float]
    binds: str


def forecast(pacer: Pacer, queue: Mapping[str, int], now: float) -> Forecast:
    """Play `queue` (messages per sender) through `pacer`, which is used up by it.

    Answers are taken to come at once, so that a slow API takes longer than told.
    """
    left = {sender: count for sender, count in queue.items() if count > 0}
    ends: dict[str, list[float]] = {sender: [] for sender in left}
    waited: Counter[str] = Counter()
    # A sender's time in the heap is a lower bound: limits only ever push it later. Of those that
    # may go now, the one with the fewest turns goes, as in the dispatcher.
    heap = [(now, 0, sender) for sender in sorted(left)]
    heapq.heapify(heap)
    at = now
    for _ in range(SIMULATED):
        while heap:
            bound, turns, sender = heapq.heappop(heap)
            ready = pacer.ready(sender, max(at, bound))
            if not heap or ready.at <= heap[0][0]:
                break
            heapq.heappush(heap, (ready.at, turns, sender))
        else:
            break
        if ready.at > at and ready.binds:
            waited[ready.binds] += 1
        at = max(at, ready.at)
        pacer.done(pacer.take(sender, at), at)
        ends[sender].append(at)
        if len(ends[sender]) < left[sender]:
            heapq.heappush(heap, (at, turns + 1, sender))
    by_sender = {
        sender: _extrapolate(times, left[sender], now) - now for sender, times in ends.items()
    }
    binds = waited.most_common(1)
    return Forecast(max(by_sender.values(), default=0.0), by_sender, binds[0][0] if binds else "")


def _extrapolate(times: list[float], count: int, now: float) -> float:
    """When the last of `count` messages goes out: as the simulated ones, day after day."""
    if count <= len(times) or not times:
        return times[-1] if times else now
    days = int((times[-1] - now) // DAY)
    a_day = bisect_left(times, now + days * DAY) // days if days else 0
    if not a_day:
        return times[-1] + (count - len(times)) * (times[-1] - now) / len(times)
    more = -(-(count - len(times)) // a_day)
    return times[count - 1 - more * a_day] + more * DAY
