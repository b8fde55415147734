"""What the API says is left of the team's quota: heard when others use it too, and only then."""

from __future__ import annotations

import math
import random
from datetime import UTC
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.channels.responses import Reply, quota, retry_after
from runner.pacing.pacer import Pacer, make_pacer
from runner.pacing.shared_quota import OTHERS, QuotaReport
from runner.pacing.windows import DAY, HOUR
from tests.pacing import API, ExactServer, Machine, limits, sender


def pacer(**windows: int) -> Pacer:
    return make_pacer([limits(**(windows or {"per_minute": 300}))], [sender()])


def ask(pacer: Pacer, told: QuotaReport | None, at: float = 0.0) -> None:
    pacer.finish(pacer.take("a1", at), at, quota=told)


def test_fewer_left_than_we_think_holds_back_until_the_reset() -> None:
    mine = pacer()
    ask(mine, (300, 2, 40.0))  # 298 used, of which one is ours
    for at in (1.0, 2.0):
        assert mine.ready("a1", at).at == at
        mine.take(None, at)
    ready = mine.ready("a1", 3.0)
    assert (ready.at, ready.binds) == (40.0, OTHERS)
    assert mine.ready(None, 3.0).at == 40.0  # look-ups too
    assert mine.ready("a1", 40.0).at == 40.0


def test_after_the_reset_one_request_asks_for_news() -> None:
    mine = pacer()
    ask(mine, (300, 0, 40.0))
    assert mine.ready("a1", 41.0).at == 41.0
    permit = mine.take("a1", 41.0)
    assert mine.ready("a1", 41.0).at == math.inf  # until its answer is there
    mine.finish(permit, 42.0, quota=(300, 1, 10.0))
    assert mine.ready("a1", 42.0).at == 42.0
    ask(mine, (300, 299, 60.0), 43.0)
    assert mine.ready("a1", 43.0).at == 43.0


def test_an_unanswered_question_for_news_holds_nobody_up() -> None:
    for end in ("given up", "never left"):
        mine = pacer()
        ask(mine, (300, 0, 40.0))
        assert mine.ready("a1", 41.0).at == 41.0
        permit = mine.take("a1", 41.0)
        if end == "given up":
            mine.finish(permit, 101.0)
        else:
            mine.cancel(permit)
        assert mine.ready("a1", 102.0).at == 102.0


def test_what_may_not_be_counted_yet_is_taken_off() -> None:
    mine = pacer()
    earlier, asked, later = (mine.take("a1", 0.0) for _ in range(3))
    mine.finish(asked, 1.0, quota=(300, 3, 40.0))
    assert mine.ready("a1", 1.0).at == 1.0
    mine.take("a1", 1.0)
    assert mine.ready("a1", 1.0).at == 41.0
    mine.finish(later, 2.0, quota=(300, 9, 40.0))
    assert mine.ready("a1", 2.0).at == 2.0
    mine.finish(earlier, 3.0, quota=(300, 0, 40.0))  # overtaken by newer words
    assert mine.ready("a1", 3.0).at == 3.0


def test_what_can_all_be_ours_is_no_news() -> None:
    alone = pacer()
    permits = [alone.take("a1", 0.0) for _ in range(300)]
    for permit in permits:
        alone.finish(permit, 0.5, quota=(300, 0, 59.0))
    assert alone.ready("a1", 1.0).binds == "300 a minute of the team"


def test_no_reset_is_later_than_its_window_is_long() -> None:
    for windows in ({"per_minute": 300}, {"per_hour": 10_000}):
        mine = pacer(**windows)
        ask(mine, (300, 0, 80_000.0))
        assert mine.ready("a1", 1.0).at == 60.0


@pytest.mark.parametrize("told", [(300, 0, None), (60, 0, None), (77, 0, 9.0)])
def test_a_limit_of_an_unknown_window_and_an_unknown_reset_hold_too(told: QuotaReport) -> None:
    mine = pacer()
    ask(mine, told)
    assert mine.ready("a1", 1.0).at == (9.0 if told[2] else 60.0)


def test_a_generous_word_makes_nobody_faster() -> None:
    mine = pacer(per_minute=2)
    for _ in range(2):
        ask(mine, (300, 300, 1.0))
    ready = mine.ready("a1", 5.0)
    assert (ready.at, ready.binds) == (60.0, "2 a minute of the team")


words = st.tuples(
    st.sampled_from([5, 60, 300, 10_000]),
    st.integers(0, 300),
    st.none() | st.integers(0, 90),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 8), st.none() | words), min_size=1, max_size=30))
def test_whatever_the_api_says_we_are_never_faster_and_never_stuck(
    answers: list[tuple[int, QuotaReport | None]],
) -> None:
    mine, now, starts = pacer(per_minute=5), 0.0, list[float]()
    for latency, told in answers:
        ready = mine.ready("a1", now)
        assert ready.at < math.inf  # nothing is under way: something must let it go
        now = ready.at
        assert mine.ready("a1", now).at == now
        starts.append(now)
        permit = mine.take("a1", now)
        now += latency
        mine.finish(permit, now, quota=told)
    pairs = zip(starts, starts[5:], strict=False)
    assert all(later - earlier >= 60.0 for earlier, later in pairs)


def greedy_others(began: float) -> list[float]:
    """Another program of the team, which asks 250 times a minute whatever it is told."""
    return [began + number * 0.24 for number in range(15_000)]


@pytest.mark.slow
def test_beside_greedy_others_few_requests_run_into_the_limit() -> None:
    refused = {}
    for listens in (True, False):
        machine = Machine(pacer, ExactServer(API[:1]), listens=listens)
        machine.run(HOUR, greedy_others(machine.time))
        refused[listens] = machine.refused
    assert refused[True] * 3 < refused[False]


@pytest.mark.slow
def test_a_look_at_what_is_left_costs_nothing_when_the_team_is_alone() -> None:
    counts = []
    for listens in (True, False):
        server = ExactServer(API[:1])
        Machine(pacer, server, listens=listens, latency=(0.1, 2.0)).run(HOUR)
        assert server.refused == []
        counts.append(len(server.taken))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_burst_of_others_is_waited_out(seed: int) -> None:
    machine = Machine(pacer, ExactServer(API[:1]), seed=seed)
    luck = random.Random(seed)
    at = machine.time
    machine.run(600.0, sorted(at + 30.0 + luck.uniform(0, 2) for _ in range(150)))
    assert machine.refused <= 16  # what was under way when it came


headers = st.one_of(
    st.text(max_size=40),
    st.integers(-(10**400), 10**400).map(str),
    st.integers(1_799_000_000, 1_801_000_000).map(str),
    st.floats().map(str),
    st.sampled_from(["", "-5", "1e308", "NaN", "inf", "٣", "300, 300", "300;w=60"]),
    st.datetimes().map(lambda at: format_datetime(at.replace(tzinfo=UTC), usegmt=True)),
)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from([f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset")]),
        headers,
    ),
    st.none() | headers,
    st.none() | st.floats(1.7e9, 1.9e9),
)
def test_no_header_is_too_absurd_to_go_on(
    told: dict[str, str], retry: str | None, server_at: float | None
) -> None:
    if retry is not None:
        told["Retry-After"] = retry
    reply = Reply(429, told, b"", server_at=server_at)
    wait = retry_after(reply, 1_800_000_000.0)
    assert wait is None or 0.0 <= wait <= DAY
    said = quota(reply, 1_800_000_000.0)
    mine = pacer()
    ask(mine, said)
    ready = mine.ready("a1", 1.0)
    assert 1.0 <= ready.at <= DAY + 2.0
    assert mine.ready("a1", ready.at).at == ready.at
