"""The shared quota: what the API says is left of the team's requests, when other programs use them
too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runner.pacing.windows import DAY, HOUR, MINUTE, SlidingWindow

QuotaReport = tuple[int, int, float | None]
"""An answer's rate-limit headers: the limit of a window, how many requests are left of it, and in
how many seconds more are (None when it does not say so in a form that can be relied on)."""

PUBLISHED: Mapping[int, float] = {300: MINUTE, 10_000: HOUR, 100_000: DAY}
"""The API's limits and their windows in seconds (docs.inboxapp.com reference/rate-limits, and
InboxHQ/inboxapp-sdk spec/openapi.json). No source says of which window an answer speaks: its limit
tells."""

MOST_REPORTS = 3
"""Limits that are remembered at a time: the API has three."""

OTHERS = "the team's requests, which others use too"


class BegunRequest(NamedTuple):
    """A request as it began: its number, the others that had no answer yet, and the requests of
    ours that each of the team's windows held."""

    number: int = 0
    others: int = 0
    used: tuple[int, ...] = ()


UNCOUNTED = BegunRequest()


@dataclass(slots=True)
class RemainingQuota:
    """An answer's report of one limit. `requests`: those that may still be made before `more_at`
    (boot seconds). From then on one request at a time asks for news; `more_at` is infinite while it
    does. `until`: when what is known of others is forgotten."""

    said_to: int  # the number of the request whose answer this is
    requests: int
    more_at: float
    until: float

    def free_at(self, now: float) -> float:
        """Return when the next request may go by this report."""
        if now >= self.more_at:
            self.requests, self.more_at = max(self.requests, 1), math.inf
        return now if self.requests > 0 else self.more_at


@dataclass(slots=True)
class SharedQuota:
    """The team held back to what the API says is left, and never let go faster.

    The API's count includes requests of other programs. As long as what it has counted can all be
    ours it is no news, and the team's own windows decide, which are exact. Once it cannot, no more
    is asked, for a window's length, than each answer says is left.
    """

    _number: int = 0
    _out: int = 0
    _reports: dict[int, RemainingQuota] = field(default_factory=dict)

    def free_at(self, now: float) -> float:
        """Return when the next request may go."""
        return max((left.free_at(now) for left in self._reports.values()), default=now)

    def begin(self, windows: Sequence[SlidingWindow], now: float) -> BegunRequest:
        """Begin a request, which is in `windows` already."""
        self._number += 1
        for left in self._reports.values():
            left.requests -= 1
        begun = BegunRequest(self._number, self._out, tuple(window.used(now) for window in windows))
        self._out += 1
        return begun

    def cancel(self) -> None:
        """Take back a request that was begun and never left."""
        self._out -= 1
        for left in self._reports.values():
            left.requests += 1

    def finish(
        self,
        begun: BegunRequest,
        report: QuotaReport | None,
        windows: Sequence[SlidingWindow],
        now: float,
    ) -> None:
        """End a request that has its answer, or is given up; `report`: what the answer says."""
        self._out -= 1
        limit, remaining, more_in = report or (0, 0, None)
        # Each answer speaks of one limit: of one that waited for news there are none.
        for other in [of for of, left in self._reports.items() if left.more_at == math.inf]:
            if other != limit:
                del self._reports[other]
        if report is None:
            return
        before = self._reports.get(limit)
        if before is not None and before.said_to > begun.number:
            return  # an answer that was overtaken
        since = self._number - begun.number
        index = _index_of(limit, windows)
        longest, until = PUBLISHED.get(limit, DAY), math.inf
        if index is not None:
            longest = windows[index].seconds
            until = now + longest
            if limit - remaining <= begun.used[index] + since:
                if before is None or before.until <= now:
                    self._reports.pop(limit, None)
                    return
                until = before.until
        # What was under way meanwhile may not be in the API's count yet.
        self._reports.pop(limit, None)
        more_at = now + (MINUTE if more_in is None else min(more_in, longest))
        self._reports[limit] = RemainingQuota(
            begun.number, remaining - begun.others - since, more_at, until
        )
        while len(self._reports) > MOST_REPORTS:
            del self._reports[next(iter(self._reports))]


def _index_of(limit: int, windows: Sequence[SlidingWindow]) -> int | None:
    """Return the index of the window whose limit this is, None where nothing tells."""
    seconds = PUBLISHED.get(limit)
    for index, window in enumerate(windows):
        if window.seconds == seconds or (seconds is None and window.limit == limit):
            return index
    return None
