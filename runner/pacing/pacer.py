"""The pacer: permits per window, each sender's gap, and what was used before a restart.

Pure: every method takes the time it acts at, in boot-time seconds, and nothing here sleeps. The
permit scheme is exact where a burst-allowing bucket is not: a window of N permits hands each one
back a whole window after the *answer* to its request, so the server can never see more than N
requests in any window of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from aiolimiter import AsyncLimiter

from runner.message.evidence import CLOCK_SLACK
from runner.pacing.shared_quota import OTHERS, UNCOUNTED, BegunRequest, QuotaReport, SharedQuota
from runner.pacing.warm_up import DayRule, Days
from runner.pacing.windows import DAY, HOUR, MINUTE, SlidingWindow

if TYPE_CHECKING:
    from runner.campaign.schema import Limits
    from runner.campaign.senders import Sender

Jitter = Callable[[], float]
"""Returns a number from 0 to 1, each as likely as any other: where in its range a gap falls."""


def no_jitter() -> float:
    """Return 0.5: every gap is the mean of its range."""
    return 0.5


class Permit(NamedTuple):
    """Leave for one request, from `at` on (boot seconds): of the team's windows, and of a sender's
    when it is a send. `gap_before` and `gap_after`: when the sender might go next, without and with
    it; `gap`: the pause drawn for it, in seconds; `day`: the one of the sender's days that it
    counts for."""

    sender: str | None
    at: float = -math.inf
    begun: BegunRequest = UNCOUNTED
    day: date | None = None
    gap_before: float = -math.inf
    gap_after: float = -math.inf
    gap: float = 0.0


@dataclass(slots=True)
class _SenderState:
    windows: list[SlidingWindow] = field(default_factory=list)
    days: Days | None = None
    gap: tuple[float, float] = (0.0, 0.0)
    next_at: float = -math.inf
    out: int = 0  # messages without an answer yet
    held_until: float = -math.inf
    held_why: str = ""

    def gap_ends(self, now: float) -> float:
        """Return when the gap is over; it begins again with the answer, so infinity when by `now`
        only that is waited for."""
        waits = self.out and self.gap[1] > 0 and self.next_at <= now
        return math.inf if waits else self.next_at


class Ready(NamedTuple):
    """The moment when a request may go (boot seconds), and what it waits for."""

    at: float
    binds: str = ""


@dataclass(slots=True)
class Pacer:
    """The team's and its senders' limits. The strictest always wins."""

    team: list[SlidingWindow]
    senders: dict[str, _SenderState]
    jitter: Jitter = no_jitter
    held_until: float = -math.inf
    held_why: str = ""
    _shared: SharedQuota = field(default_factory=SharedQuota)
    _unknown: _SenderState = field(default_factory=_SenderState)

    def ready(self, sender: str | None, now: float, lead: float = 0.0) -> Ready:
        """Return when a sender (None: a look-up) may send next. `lead`: the seconds before that in
        which its permit may be taken."""
        ready = Ready(now)
        if self.held_until > now:
            ready = Ready(self.held_until, self.held_why)
        windows = self.team
        if sender is not None:
            state = self.senders.get(sender, self._unknown)
            windows = [*self.team, *state.windows]
            if (at := state.gap_ends(now + lead)) > ready.at:
                ready = Ready(at, self.gap_name(sender))
            if state.held_until > ready.at:
                ready = Ready(state.held_until, state.held_why)
            if state.days is not None:
                at, binds = state.days.free_at(now)
                if at > ready.at:
                    ready = Ready(at, binds)
        for window in windows:
            at = window.free_at(now)
            if at > ready.at:
                ready = Ready(at, window.name)
        at = self._shared.free_at(now)
        return Ready(at, OTHERS) if at > ready.at else ready

    def state_of(self, sender: str) -> _SenderState:
        """Return what is known of a sender, nothing for one without limits."""
        return self.senders.get(sender, self._unknown)

    def gap_name(self, sender: str) -> str:
        """Return the name of what a sender waits for between two messages."""
        return f"pause of {_shown(self.state_of(sender).gap)} s of {sender}"

    def soonest(self, senders: Iterable[str], now: float) -> Ready:
        """Return when the first of these senders may send, and what it waits for."""
        each = (self.ready(sender, now) for sender in senders)
        return min(each, key=lambda ready: ready.at, default=Ready(now))

    def take(self, sender: str | None, now: float, at: float | None = None) -> Permit:
        """Take what `ready` says is there, or is there from `at` on."""
        at = now if at is None else at
        for window in self._windows(sender):
            window.take()
        begun = self._shared.begin(self.team, now)
        if sender is None or (state := self.senders.get(sender)) is None:
            return Permit(sender, at, begun)
        gap = self._draw(state)
        day = None if state.days is None else state.days.take(at)
        permit = Permit(sender, at, begun, day, state.next_at, at + gap, gap)
        state.next_at = permit.gap_after
        state.out += 1
        return permit

    def _draw(self, state: _SenderState) -> float:
        shortest, longest = state.gap
        return shortest + (longest - shortest) * self.jitter() if longest > shortest else shortest

    def finish(
        self,
        permit: Permit,
        now: float,
        *,
        sent: bool = True,
        accepted: bool = True,
        quota: QuotaReport | None = None,
    ) -> None:
        """Return a permit whose request was answered, or given up, at `now`. `sent=False`: proven
        to be no message, so that the sender's own windows need not count it. `accepted`: proven to
        be one, which a warm-up goes by. `quota`: what the answer says is left of the team's
        requests."""
        for window in self.team:
            window.finish(now)
        self._shared.finish(permit.begun, quota, self.team, now)
        if permit.sender is None:
            return
        if (state := self.senders.get(permit.sender)) is None:
            return
        state.out -= 1
        if sent:
            # It came to the API at some moment up to now.
            state.next_at = max(state.next_at, now + permit.gap)
        for window in state.windows:
            if sent:
                window.finish(now)
            else:
                window.cancel()
        if state.days is not None and permit.day is not None:
            if sent:
                state.days.finish(permit.day, now, accepted=accepted)
            else:
                state.days.cancel(permit.day)

    def cancel(self, permit: Permit) -> None:
        """Return a permit whose request never left, with the sender's gap."""
        for window in self._windows(permit.sender):
            window.cancel()
        self._shared.cancel()
        state = self.senders.get(permit.sender) if permit.sender is not None else None
        if state is None:
            return
        state.out -= 1
        if state.days is not None and permit.day is not None:
            state.days.cancel(permit.day)
        if state.next_at == permit.gap_after:  # no later one has been taken
            state.next_at = permit.gap_before

    def hold(self, until: float, why: str, sender: str | None = None) -> None:
        """Let nothing (of this sender) go before `until`."""
        if sender is None:
            if until > self.held_until:
                self.held_until, self.held_why = until, why
        elif (state := self.senders.get(sender)) and until > state.held_until:
            state.held_until, state.held_why = until, why

    def restore_hold(self, left: float, why: str, sender: str | None, *, now: float) -> None:
        """Hold as an earlier run did, with `left` seconds to go, by clocks that may have been set:
        no longer than any window."""
        if left > -CLOCK_SLACK:  # by clocks that differ it may not be over
            self.hold(now + min(left, DAY) + CLOCK_SLACK, why, sender)

    def gaps_left(self, now: float) -> dict[str, float]:
        """Return the seconds that are left of the gaps drawn from a range, by sender."""
        return {
            sender: state.next_at - now
            for sender, state in self.senders.items()
            if state.gap[1] > state.gap[0] and state.next_at > now
        }

    def restore_gap(self, sender: str, left: float, *, now: float) -> None:
        """Wait out a gap that an earlier run had drawn, with `left` seconds to go, unless something
        was sent since. (`restore` takes the longest for one of which nothing is known.)"""
        if (state := self.senders.get(sender)) is None:
            return
        earliest = state.next_at - (state.gap[1] - state.gap[0])
        if now + left >= earliest - CLOCK_SLACK:
            state.next_at = min(state.next_at, max(earliest, now + left))

    def is_held(self, sender: str, now: float) -> bool:
        """Return whether a sender, or the whole team, is held."""
        state = self.senders.get(sender, self._unknown)
        return max(self.held_until, state.held_until) > now

    @property
    def limited_senders(self) -> list[str]:
        """Return the senders with limits of their own, for which past sends count."""
        return [
            sender
            for sender, state in self.senders.items()
            if state.windows or state.days is not None or state.gap[1] > 0
        ]

    @property
    def is_unlimited(self) -> bool:
        """Return true while nothing that is known makes a sender wait, however much is sent."""
        holds = (self.held_until, *(state.held_until for state in self.senders.values()))
        return not self.team and not self.limited_senders and max(holds) == -math.inf

    @property
    def warming_up(self) -> list[str]:
        """Return the senders whose limit depends on how many days they have sent on."""
        return [
            sender
            for sender, state in self.senders.items()
            if state.days is not None and state.days.warms_up
        ]

    def restore(
        self,
        requests: Iterable[tuple[float, float | None, float | None]],
        sends: Iterable[tuple[str, float, float | None, float]],
        *,
        now: float,
        wall: float,
        timeout: float,
        server: float | None = None,
        gained: float = 0.0,
        days: Iterable[tuple[str, float]] = (),
    ) -> None:
        """Take back what the ledger says was used: a restart gets no fresh window.

        `requests` are (started, ended, server's start) and `sends` the same with their sender
        before, in Unix seconds, the last of each by the server's clock; a request never answered
        holds its permit for a window after its `timeout`. Ages are taken by our clock and by
        `server`, the server's now, where it is known: the younger counts, unless it lies in the
        future; `gained` is how far ours has been set forward since, for requests without a time of
        the server. `days` are (sender, a moment in Unix seconds) for each day on
        which one that warms up has sent.
        """
        for state in self.senders.values():
            if state.days is not None:
                state.days.set_clock((wall if server is None else server) - now)
        for sender, unix in days:
            if (warm := self.senders.get(sender, self._unknown).days) is not None:
                warm.add_day(unix)

        def age(started: float, server_at: float | None) -> float:
            ours = wall - started
            if server is None:
                return ours
            theirs = ours - gained if server_at is None else server - server_at
            if abs(ours - theirs) <= CLOCK_SLACK:
                return min(ours, theirs)
            # Whichever was set or is wrong, neither frees what the other holds; what lies in the
            # future by one of them proves nothing.
            told = [each for each in (ours, theirs - CLOCK_SLACK) if each >= -2 * CLOCK_SLACK]
            return min(told, default=0.0)

        def lasted(started: float, ended: float | None) -> float:
            return timeout if ended is None or ended < started else ended - started

        for started, ended, server_at in requests:
            answered = now - age(started, server_at) + lasted(started, ended)
            if ended is not None:
                answered = min(answered, now)
            for window in self.team:
                if answered + window.seconds > now:
                    window.add_past(min(answered, now + timeout))
        for sender, started, ended, server_at in sends:
            if (known := self.senders.get(sender)) is None:
                continue
            began = now - max(0.0, age(started, server_at))
            # The run that sent it is dead, and no request lasts longer than its timeout: it came
            # to the API at some moment up to then.
            at = min(now, began + min(timeout, lasted(started, ended)))
            for window in known.windows:
                if at + window.seconds > now:
                    window.add_past(at)
            if known.days is not None:
                known.days.add_past(began, at)
            known.next_at = max(known.next_at, at + known.gap[1])

    def _windows(self, sender: str | None) -> list[SlidingWindow]:
        if sender is None:
            return self.team
        return [*self.team, *self.senders.get(sender, self._unknown).windows]


def make_pacer(
    limits: Sequence[Limits],
    senders: Sequence[Sender],
    *,
    zone: str = "UTC",
    jitter: Jitter = no_jitter,
) -> Pacer:
    """Return a pacer for campaigns that share a team: of each limit the strictest, per sender too.

    `zone`: the IANA time zone of the senders' days. `jitter` draws the gaps. Until `restore` has
    told what time it is, days are counted from boot.
    """
    team = [
        SlidingWindow(f"{limit:,} {each} of the team", limit, seconds)
        for name, each, seconds in (
            ("per_minute", "a minute", MINUTE),
            ("per_hour", "an hour", HOUR),
            ("per_day", "a day", DAY),
        )
        if (limit := _strictest(getattr(item, name) for item in limits)) is not None
    ]
    by_id: dict[str, list[Sender]] = {}
    for sender in senders:
        by_id.setdefault(sender.id, []).append(sender)
    return Pacer(team, {id: _sender_state(same, zone) for id, same in by_id.items()}, jitter)


def _strictest(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _sender_state(same: Sequence[Sender], zone: str) -> _SenderState:
    id = same[0].id
    per_hour = _strictest(sender.per_hour for sender in same)
    windows = []
    if per_hour is not None:
        windows = [SlidingWindow(f"{per_hour:,} an hour of {id}", per_hour, HOUR)]
    rules = [
        DayRule(sender.per_day, sender.ramp)
        for sender in same
        if sender.per_day is not None or sender.ramp is not None
    ]
    gaps = [gap_of(sender) for sender in same]
    gap = max(shortest for shortest, _ in gaps), max(longest for _, longest in gaps)
    return _SenderState(windows, Days(id, rules, zone) if rules else None, gap)


def gap_of(sender: Sender) -> tuple[float, float]:
    """Return the shortest and the longest seconds between two messages of a sender: its `gap`, or
    spread over the hour."""
    if isinstance(sender.gap, tuple):
        return sender.gap
    if sender.gap is not None:
        return sender.gap, sender.gap
    spread = HOUR / sender.per_hour if sender.per_hour else 0.0
    return spread, spread


def _shown(gap: tuple[float, float]) -> str:
    shortest, longest = gap
    return f"{shortest:.3g}" if shortest == longest else f"{shortest:.3g} to {longest:.3g}"


Spacing = AsyncLimiter


def lookup_spacing(per_minute: int | None) -> Spacing | None:
    """Return a limiter that leaves half of the team's minute to sends while many messages are
    settled.

    aiolimiter with a capacity of 1: a steady stream, where a window would allow a burst.
    """
    return None if per_minute is None else Spacing(1, MINUTE / max(1, per_minute / 2))
