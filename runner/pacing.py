"""How fast: permits per window, each sender's gap, and what was used before a restart.

Pure: every method takes the time it acts at, in boot-time seconds, and nothing here sleeps. The
permit scheme is exact where a burst-allowing bucket is not: a window of N permits hands each one
back a whole window after the *answer* to its request, so the server can never see more than N
requests in any window of its own.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiolimiter import AsyncLimiter

from runner.campaign import Limits, Sender
from runner.message import CLOCK_SLACK

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Window:
    """At most `limit` requests in any `seconds`."""

    def __init__(self, name: str, limit: int, seconds: float) -> None:
        self.name = name
        self.limit = limit
        self.seconds = seconds
        self._out = 0  # requests without an answer yet
        self._back: list[float] = []  # when each answered one's permit comes back

    def free_at(self, now: float) -> float:
        """When the next permit is there; infinity while all are out without an answer."""
        while self._back and self._back[0] <= now:
            heapq.heappop(self._back)
        short = self._out + len(self._back) - self.limit
        if short < 0:
            return now
        if short >= len(self._back):
            return math.inf
        return self._back[0] if short == 0 else heapq.nsmallest(short + 1, self._back)[-1]

    def take(self) -> None:
        self._out += 1

    def answered(self, at: float) -> None:
        """A request out was answered at `at`: its permit comes back a window later."""
        self._out -= 1
        heapq.heappush(self._back, at + self.seconds)

    def unused(self) -> None:
        """A permit taken was not used after all."""
        self._out -= 1

    def used_before(self, answered_at: float) -> None:
        """A request of the past, answered at `answered_at` (may be before boot)."""
        heapq.heappush(self._back, answered_at + self.seconds)

    def left(self, now: float) -> int:
        """Permits that are there now."""
        self.free_at(now)
        return max(0, self.limit - self._out - len(self._back))


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one request: of the team's windows, and of a sender's when it is a send.
    `gap_before` and `gap_after`: when the sender might go next, without and with it."""

    sender: str | None
    gap_before: float = -math.inf
    gap_after: float = -math.inf


@dataclass(slots=True)
class _SenderState:
    windows: list[Window]
    gap: float
    next_at: float = -math.inf
    held_until: float = -math.inf
    held_why: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """When a request may go (boot seconds), and what it waits for."""

    at: float
    binds: str = ""


@dataclass(slots=True)
class Pacer:
    """The team's and its senders' limits. The strictest always wins."""

    team: list[Window]
    senders: dict[str, _SenderState]
    held_until: float = -math.inf
    held_why: str = ""
    _unknown: _SenderState = field(default_factory=lambda: _SenderState([], 0.0))

    def ready(self, sender: str | None, now: float) -> Ready:
        """When this sender (None: a look-up) may send next."""
        ready = Ready(now)
        if self.held_until > now:
            ready = Ready(self.held_until, self.held_why)
        windows = self.team
        if sender is not None:
            state = self.senders.get(sender, self._unknown)
            windows = [*self.team, *state.windows]
            if state.next_at > ready.at:
                ready = Ready(state.next_at, f"gap of {state.gap:.3g} s of {sender}")
            if state.held_until > ready.at:
                ready = Ready(state.held_until, state.held_why)
        for window in windows:
            at = window.free_at(now)
            if at > ready.at:
                ready = Ready(at, window.name)
        return ready

    def take(self, sender: str | None, now: float) -> Permit:
        """Take what `ready` says is there."""
        for window in self._windows(sender):
            window.take()
        if sender is None or (state := self.senders.get(sender)) is None:
            return Permit(sender)
        permit = Permit(sender, state.next_at, now + state.gap)
        state.next_at = permit.gap_after
        return permit

    def done(self, permit: Permit, now: float, *, sent: bool = True) -> None:
        """The request was answered, or given up, at `now`. `sent=False`: proven to be no message,
        so that the sender's own windows need not count it."""
        for window in self.team:
            window.answered(now)
        if permit.sender is not None:
            for window in self.senders.get(permit.sender, self._unknown).windows:
                if sent:
                    window.answered(now)
                else:
                    window.unused()

    def unused(self, permit: Permit) -> None:
        """The permit's request never left: the sender's gap is given back too."""
        for window in self._windows(permit.sender):
            window.unused()
        state = self.senders.get(permit.sender) if permit.sender is not None else None
        if state is not None and state.next_at == permit.gap_after:  # no later one has been taken
            state.next_at = permit.gap_before

    def hold(self, until: float, why: str, sender: str | None = None) -> None:
        """Nothing (of this sender) before `until`."""
        if sender is None:
            if until > self.held_until:
                self.held_until, self.held_why = until, why
        elif (state := self.senders.get(sender)) and until > state.held_until:
            state.held_until, state.held_why = until, why

    def held(self, sender: str, now: float) -> bool:
        """Whether this sender, or everyone, is told to wait."""
        state = self.senders.get(sender, self._unknown)
        return max(self.held_until, state.held_until) > now

    def restore(
        self,
        requests: Iterable[tuple[float, float | None, float | None]],
        sends: Iterable[tuple[str, float, float]],
        *,
        now: float,
        wall: float,
        timeout: float,
        server: float | None = None,
        gained: float = 0.0,
    ) -> None:
        """Take back what the ledger says was used: a restart gets no fresh window.

        `requests` are (started, ended, server's start) and `sends` (sender, started, server's
        start) in Unix seconds, the last of each by the server's clock; a request never answered
        holds its permit for a window after its `timeout`. Ages are taken by `server`, the server's
        clock now, where it is known, since nobody sets that by hand; `gained` is how far our own
        has been set forward since, for requests without a time of the server. What seems to lie in
        the future counts as now.
        """

        def age(started: float, server_at: float | None) -> float:
            ours = wall - started
            if server is None:
                return ours
            theirs = ours - gained if server_at is None else server - server_at
            near = abs(ours - theirs) <= CLOCK_SLACK
            return min(ours, theirs) if near else theirs - CLOCK_SLACK

        for started, ended, server_at in requests:
            lasted = timeout if ended is None or ended < started else ended - started
            answered = now - age(started, server_at) + lasted
            if ended is not None:
                answered = min(answered, now)
            for window in self.team:
                if answered + window.seconds > now:
                    window.used_before(min(answered, now + timeout))
        for sender, started, server_at in sends:
            state = self.senders.get(sender)
            if state is None:
                continue
            at = now - max(0.0, age(started, server_at))
            for window in state.windows:
                if at + window.seconds > now:
                    window.used_before(at)
            state.next_at = max(state.next_at, at + state.gap)

    def _windows(self, sender: str | None) -> list[Window]:
        if sender is None:
            return self.team
        return [*self.team, *self.senders.get(sender, self._unknown).windows]


def make_pacer(limits: Sequence[Limits], senders: Sequence[Sender]) -> Pacer:
    """A pacer for campaigns that share a team: of each limit the strictest, per sender too."""
    team = [
        Window(f"the team's {name}", limit, seconds)
        for name, seconds in (("per_minute", MINUTE), ("per_hour", HOUR), ("per_day", DAY))
        if (limit := _strictest(getattr(item, name) for item in limits)) is not None
    ]
    by_id: dict[str, list[Sender]] = {}
    for sender in senders:
        by_id.setdefault(sender.id, []).append(sender)
    return Pacer(team, {id: _sender_state(same) for id, same in by_id.items()})


def _strictest(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _sender_state(same: Sequence[Sender]) -> _SenderState:
    windows = [
        Window(f"{name} of {same[0].id}", limit, seconds)
        for name, seconds in (("per_hour", HOUR), ("per_day", DAY))
        if (limit := _strictest(getattr(item, name) for item in same)) is not None
    ]
    return _SenderState(windows, max(gap_of(sender) for sender in same))


def gap_of(sender: Sender) -> float:
    """Seconds between two messages of a sender: its `gap`, or spread over the hour."""
    if sender.gap is not None:
        return sender.gap
    return HOUR / sender.per_hour if sender.per_hour else 0.0


Spacing = AsyncLimiter


def lookup_spacing(per_minute: int | None) -> Spacing | None:
    """Spaces look-ups so that settling many messages leaves half of the team's minute to sending.

    aiolimiter with a capacity of 1: a steady stream, where a window would allow a burst.
    """
    return None if per_minute is None else Spacing(1, MINUTE / max(1, per_minute / 2))
