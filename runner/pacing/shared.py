"""What the API says is left of the team's requests, when others use them too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.pacing.windows import DAY, HOUR, MINUTE, Window

Told = tuple[int, int, float | None]
"""An answer's own words: the limit of a window, how many requests are left of it, and in how many
seconds more are (None when it does not say so in a form that can be relied on)."""

PUBLISHED: Mapping[int, float] = {300: MINUTE, 10_000: HOUR, 100_000: DAY}
"""The API's limits and their windows in seconds (docs.inboxapp.com reference/rate-limits, and
InboxHQ/inboxapp-sdk spec/openapi.json). No source says of which window an answer speaks: its limit
tells."""

MOST_TOLD = 3
"""Limits that are remembered at a time: the API has three."""

OTHERS = "the team's requests, which others use too"


@dataclass(slots=True)
class Left:
    """What may still be asked before `until` (boot seconds). From then on one request at a time
    may ask for news; `until` is infinite while it does."""

    said_to: int  # the number of the request whose answer said so
    requests: int
    until: float

    def free_at(self, now: float) -> float:
        if now >= self.until:
            self.requests, self.until = max(self.requests, 1), math.inf
        return now if self.requests > 0 else self.until


@dataclass(frozen=True, slots=True)
class Begun:
    """A request as it began: its number, how many others had no answer yet, and how many of ours
    each of the team's windows held."""

    number: int = 0
    others: int = 0
    used: tuple[int, ...] = ()


NOTHING = Begun()


@dataclass(slots=True)
class SharedQuota:
    """Holds the team back to what the API says is left, and never lets it go faster.

    The API's count includes requests of other programs. As long as what it has counted can all be
    ours it is no news, and the team's own windows decide, which are exact.
    """

    _number: int = 0
    _out: int = 0
    _left: dict[int, Left] = field(default_factory=dict)

    def free_at(self, now: float) -> float:
        """When the next request may go."""
        return max((left.free_at(now) for left in self._left.values()), default=now)

    def begin(self, windows: Sequence[Window], now: float) -> Begun:
        """Begin a request, which is in `windows` already."""
        self._number += 1
        for left in self._left.values():
            left.requests -= 1
        begun = Begun(self._number, self._out, tuple(window.used(now) for window in windows))
        self._out += 1
        return begun

    def unused(self) -> None:
        """A request that was begun never left."""
        self._out -= 1
        for left in self._left.values():
            left.requests += 1

    def answered(
        self, begun: Begun, told: Told | None, windows: Sequence[Window], now: float
    ) -> None:
        """A request has its answer, or is given up; `told`: what the answer says is left."""
        self._out -= 1
        if told is None:
            self._left = {of: left for of, left in self._left.items() if left.until < math.inf}
            return
        limit, remaining, more_in = told
        if limit in self._left and self._left[limit].said_to > begun.number:
            return  # an answer that was overtaken
        since = self._number - begun.number
        seconds = _window_of(limit, windows)
        ours = [
            used for used, each in zip(begun.used, windows, strict=True) if each.seconds == seconds
        ]
        if ours and limit - remaining <= ours[0] + since:
            self._left.pop(limit, None)
            return
        longest = DAY if seconds is None else seconds
        wait = (seconds or MINUTE) if more_in is None else min(more_in, longest)
        # What was under way meanwhile may not be in the API's count yet.
        self._left.pop(limit, None)
        self._left[limit] = Left(begun.number, remaining - begun.others - since, now + wait)
        while len(self._left) > MOST_TOLD:
            del self._left[next(iter(self._left))]


def _window_of(limit: int, windows: Sequence[Window]) -> float | None:
    """The seconds of the window whose limit this is, None where nothing tells."""
    if limit in PUBLISHED:
        return PUBLISHED[limit]
    return max((each.seconds for each in windows if each.limit == limit), default=None)
