"""Pacing under a clock that tests own: never above a limit, and close below it."""

from __future__ import annotations

import heapq
import math
import random
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.pacing.forecast import Share, forecast
from runner.pacing.pacer import Pacer, Permit, gap_of, lookup_spacing, make_pacer
from runner.pacing.windows import DAY, HOUR, MINUTE, SlidingWindow
from tests.pacing import SlidingServer, limits, sender


def play(
    pacer: Pacer, server: SlidingServer, until: float, concurrency: int = 16, seed: int = 1
) -> None:
    """Send as fast as the pacer lets, with answers after 50 to 250 ms, until `until`."""
    luck = random.Random(seed)
    now, answers = 0.0, list[float]()
    permits = list[Permit]()
    while now < until:
        while answers and answers[0] <= now:
            pacer.finish(permits.pop(), heapq.heappop(answers))
        ready = pacer.ready("a1", now).at
        if ready <= now and len(answers) < concurrency:
            permits.append(pacer.take("a1", now))
            server.request(now + luck.uniform(0.01, 0.05))
            heapq.heappush(answers, now + luck.uniform(0.05, 0.25))
        else:
            now = min([at for at in (ready, *answers[:1]) if at > now], default=until)


def test_the_minute_is_used_and_never_overrun() -> None:
    server = SlidingServer((300, 60.0))
    play(make_pacer([limits(per_minute=300)], [sender()]), server, 3600.0)
    assert server.refused == 0
    assert server.taken >= 0.99 * 300 * 60


def test_three_windows_hold_together() -> None:
    windows = {"per_minute": 30, "per_hour": 1000, "per_day": 10_000}
    server = SlidingServer((30, 60.0), (1000, 3600.0), (10_000, 86400.0))
    play(make_pacer([limits(**windows)], [sender()]), server, 26 * 3600.0)
    assert server.refused == 0
    assert server.taken >= 0.99 * (10_000 + 1000)


def test_a_permit_comes_back_a_window_after_the_answer() -> None:
    window = SlidingWindow("w", 1, 60.0)
    assert window.free_at(5.0) == 5.0
    window.take()
    assert window.free_at(5.0) == math.inf
    window.finish(10.0)
    assert window.free_at(11.0) == 70.0
    assert window.left(69.0) == 0
    assert window.left(70.0) == 1


def test_a_restart_gets_no_fresh_window() -> None:
    pacer = make_pacer([limits(per_minute=2)], [sender(per_hour=1)])
    past = [(100.0, 101.0, None), (130.0, None, None)]
    pacer.restore(past, [("a1", 100.0, 101.0, 100.0)], now=1000.0, wall=150.0, timeout=20.0)
    # the answered one is back at 161 by the wall, the unanswered one a window after its timeout
    assert pacer.ready(None, 1000.0).at == pytest.approx(1011.0)
    assert pacer.ready("a1", 1000.0).at == pytest.approx(1000.0 - 49.0 + 3600.0)
    assert pacer.ready("a1", 1000.0).binds == "1 an hour of a1"


def test_a_clock_set_back_does_not_free_what_was_used() -> None:
    pacer = make_pacer([limits(per_minute=1)], [sender()])
    pacer.restore([(9000.0, 9001.0, None)], [], now=50.0, wall=150.0, timeout=20.0)
    assert pacer.ready(None, 50.0).at == pytest.approx(110.0)


def test_the_strictest_of_several_campaigns_wins() -> None:
    pacer = make_pacer(
        [limits(per_minute=300), limits(per_minute=2)],
        [sender(gap=5.0), sender(gap=60.0), sender("b2")],
    )
    pacer.take("a1", 0.0)
    assert pacer.ready("a1", 0.0).at == 60.0
    assert pacer.ready("b2", 0.0).at == 0.0
    pacer.take("b2", 0.0)
    assert pacer.ready("b2", 0.0).binds == "2 a minute of the team"


def test_the_default_pace_is_spread_over_the_hour() -> None:
    assert gap_of(sender(per_hour=20, gap=None)) == (180.0, 180.0)
    assert gap_of(sender(gap=None)) == (0.0, 0.0)
    assert gap_of(sender(per_hour=20, gap=7.0)) == (7.0, 7.0)
    assert gap_of(sender(gap=(45.0, 120.0))) == (45.0, 120.0)


def test_a_hold_is_for_the_lane_or_one_sender() -> None:
    pacer = make_pacer([limits()], [sender(), sender("b2")])
    pacer.hold(100.0, "slowed", "a1")
    assert (pacer.ready("a1", 0.0).at, pacer.ready("b2", 0.0).at) == (100.0, 0.0)
    pacer.hold(50.0, "429")
    assert pacer.ready("b2", 0.0).binds == "429"
    pacer.hold(20.0, "earlier")
    assert pacer.ready("b2", 0.0).at == 50.0


def test_what_was_not_sent_uses_no_message_of_its_sender() -> None:
    pacer = make_pacer([limits(per_minute=5)], [sender(per_hour=1)])
    pacer.finish(pacer.take("a1", 0.0), 1.0, sent=False)
    assert pacer.ready("a1", 1.0).at == 1.0
    pacer.cancel(pacer.take("a1", 1.0))
    pacer.finish(pacer.take("a1", 1.0), 2.0)
    assert pacer.ready("a1", 2.0).at == 3602.0


@settings(max_examples=60)
@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 10)), max_size=60),
)
def test_no_window_ever_sees_more_than_its_limit(
    limit: int, steps: list[tuple[float, float]]
) -> None:
    window, now, starts = SlidingWindow("w", limit, 60.0), 0.0, list[float]()
    answers: list[float] = []
    for pause, latency in steps:
        now += pause
        while answers and answers[0] <= now:
            window.finish(heapq.heappop(answers))
        if window.free_at(now) <= now:
            window.take()
            starts.append(now)
            heapq.heappush(answers, now + latency)
    for start in starts:
        assert sum(start <= at < start + 60.0 for at in starts) <= limit


@dataclass
class World:
    """Requests through a pacer whose process dies and starts again while the wall clock is set to
    anything. `time` is the truth, which the server goes by."""

    pacer: Pacer
    time: float = 1_000_000.0
    skew: float = 0.0  # of our wall clock
    late: float = 0.0  # how much the server's clock, read from whole seconds, is behind
    up: float = 1_000_000.0  # boot
    sent_at: list[float] = field(default_factory=list)  # when each came to the server
    rows: list[tuple[float, float | None, float]] = field(default_factory=list)
    under_way: list[tuple[float, int, Permit]] = field(default_factory=list)
    luck: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def boot(self) -> float:
        return self.time - self.up

    @property
    def wall(self) -> float:
        return self.time + self.skew

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        while self.under_way and self.under_way[0][0] <= self.time:
            answered, row, permit = self.under_way.pop(0)
            self.pacer.finish(permit, answered - self.up)
            self.rows[row] = (self.rows[row][0], answered + self.skew, self.rows[row][2])

    def send_if_allowed(self, latency: float) -> None:
        if self.pacer.ready("a1", self.boot).at > self.boot:
            return
        permit = self.pacer.take("a1", self.boot)
        # Anywhere between the permit and the answer, the first and the last included.
        self.sent_at.append(self.time + latency * self.luck.choice((0.0, 0.5, 1.0)))
        self.rows.append((self.wall, None, self.time - self.late))
        self.under_way.append((self.time + latency, len(self.rows) - 1, permit))
        self.under_way.sort(key=lambda each: each[0])

    def start_again(self, pacer: Pacer, late: float) -> None:
        self.pacer, self.late = pacer, late
        self.up = self.time - 5.0
        for _, row, _ in self.under_way:  # what is dead sends nothing more
            self.sent_at[row] = min(self.sent_at[row], self.time)
        self.under_way.clear()
        pacer.restore(
            self.rows,
            [("a1", *row) for row in self.rows],
            now=self.boot,
            wall=self.wall,
            timeout=10.0,
            server=self.time - late,
        )


jumps = st.sampled_from([-400 * DAY, -DAY, -HOUR, -30.0, -1.0, 1.0, 30.0, HOUR, DAY, 400 * DAY])
steps = st.one_of(
    st.tuples(st.just("wait"), st.floats(0, 90)),
    st.tuples(st.just("send"), st.floats(0, 10)),
    st.tuples(st.just("set"), jumps),
    st.tuples(st.just("die"), st.floats(0, 1)),
)


@settings(max_examples=150)
@given(st.integers(1, 3), st.integers(1, 4), st.lists(steps, max_size=60))
def test_no_jump_and_no_restart_overruns_a_window(
    per_minute: int, per_hour: int, played: list[tuple[str, float]]
) -> None:
    def pacer() -> Pacer:
        own = sender(per_hour=per_hour, gap=7.0)
        return make_pacer([limits(per_minute=per_minute, per_hour=per_hour + 2)], [own])

    world = World(pacer())
    for what, amount in played:
        match what:
            case "wait":
                world.pass_time(amount)
            case "send":
                world.send_if_allowed(amount)
                world.pass_time(0.1)
            case "set":
                world.skew += amount
            case "die":
                world.start_again(pacer(), late=amount)
    for limit, seconds in ((per_minute, MINUTE), (per_hour, HOUR), (1, 7.0)):
        came = sorted(world.sent_at)
        pairs = zip(came, came[limit:], strict=False)
        assert all(later - earlier >= seconds - 1e-6 for earlier, later in pairs)


def test_after_a_clock_was_set_the_past_counts_by_the_servers_clock() -> None:
    for jump in (HOUR, -HOUR, 400 * DAY, -400 * DAY):
        pacer = make_pacer([limits(per_hour=1)], [sender(per_hour=1)])
        pacer.restore(
            [(1000.0, 1001.0, 1000.0)],
            [("a1", 1000.0, 1001.0, 1000.0)],
            now=50.0,
            wall=1600.0 + jump,
            timeout=20.0,
            server=1600.0,
        )
        assert pacer.ready("a1", 50.0).at == pytest.approx(50.0 + 3000.0, abs=5.0)


def test_a_look_up_of_the_past_is_moved_by_how_far_the_clock_was_set() -> None:
    pacer = make_pacer([limits(per_minute=1)], [sender()])
    past = [(1000.0, 1001.0, None)]
    pacer.restore(past, [], now=50.0, wall=1010.0 + HOUR, timeout=20.0, server=1010.0, gained=HOUR)
    assert pacer.ready(None, 50.0).at == pytest.approx(101.0, abs=3.0)


def test_look_ups_leave_half_of_the_minute_to_sending() -> None:
    assert lookup_spacing(None) is None
    spacing = lookup_spacing(300)
    assert spacing is not None
    assert (spacing.max_rate, spacing.time_period) == (1, 0.4)


def test_a_forecast_plays_the_pacing_forward() -> None:
    pacer = make_pacer([limits()], [sender(per_hour=20, per_day=150, gap=None)])
    told = forecast(pacer, [Share("a1", 21)], 0.0)
    assert told.seconds == pytest.approx(3600.0)
    assert told.binds
    fast = forecast(make_pacer([limits()], [sender()]), [Share("a1", 9)], 0.0)
    assert (fast.seconds, fast.binds) == (0.0, "")
    assert forecast(make_pacer([limits()], [sender()]), [], 0.0).seconds == 0.0


def test_a_long_forecast_goes_on_at_the_simulated_pace() -> None:
    pacer = make_pacer([limits(per_day=20_000)], [sender()])
    told = forecast(pacer, [Share("a1", 2_000_000)], 0.0)
    assert told.seconds == pytest.approx(99 * 86400.0, rel=0.02)


def test_a_forecast_of_several_senders_takes_the_slowest() -> None:
    pacer = make_pacer([limits()], [sender(gap=10.0), sender("b2", gap=1.0)])
    told = forecast(pacer, [Share("a1", 11), Share("b2", 11)], 0.0)
    assert told.by_sender == {"a1": 100.0, "b2": 10.0}
    assert told.seconds == 100.0


def test_senders_of_a_forecast_take_turns() -> None:
    pacer = make_pacer([limits(per_minute=300, per_day=100_000)], [sender(), sender("b2")])
    told = forecast(pacer, [Share("a1", 500_000), Share("b2", 500_000)], 0.0)
    assert told.seconds == pytest.approx(9 * 86400.0 + 100_000 / 300 * 60, rel=0.02)


def test_a_full_day_costs_no_more_than_an_empty_one() -> None:
    pacer = make_pacer([limits(per_day=40_000)], [sender(per_day=40_000)])
    used = [(float(second), second + 0.1, float(second)) for second in range(80_000)]
    sends = [("a1", *each) for each in used]
    pacer.restore(used, sends, now=80_000.0, wall=80_000.0, timeout=60.0, server=80_000.0)
    began = time.process_time()
    for _ in range(300):
        assert pacer.ready("a1", 80_000.0).at > 80_000.0
    assert time.process_time() - began < 3  # a look at each used permit took 20 s


@settings(max_examples=60)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["take", "answer", "past"])), max_size=60),
)
def test_a_window_frees_when_its_oldest_permits_come_back(
    limit: int, steps: list[tuple[float, str]]
) -> None:
    window, now, back, out = SlidingWindow("w", limit, 30.0), 100.0, list[float](), 0
    for pause, what in steps:
        now += pause
        if what == "take":
            window.take()
            out += 1
        elif what == "past":
            window.add_past(now - 3 * pause)
            back.append(now - 3 * pause + 30.0)
        elif out:
            window.finish(now)
            out -= 1
            back.append(now + 30.0)
        left = sorted(at for at in back if at > now)
        assert window.used(now) == out + len(left)
        for rule in (limit, 1, 9):
            short = out + len(left) - rule
            free = now if short < 0 else left[short] if short < len(left) else math.inf
            assert window.free_within(rule, now) == free
