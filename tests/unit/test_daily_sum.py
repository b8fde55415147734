"""The sum from a sender's cap to today's number adds up, and ends in what the forecast sends."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.campaign.loader import load_campaign
from runner.clock import SystemClock
from runner.pacing.forecast import sent_until
from runner.planning.dates.daily_sum import DailySum, daily_sums
from runner.planning.dates.eta import Stretch, hours_of, pace_of, shares_of

MONDAY_NOON = 1_772_452_800.0  # 2026-03-02 12:00 UTC
AFTERNOON = 12 * 3600.0


class Clock(SystemClock):
    def now(self) -> float:
        return MONDAY_NOON

    def boot(self) -> float:
        return 1000.0


class Scheduled:
    row = None

    def __init__(self, **keys: Any) -> None:
        said = {"prospects": "x.csv", "message": "x"} | keys
        with TemporaryDirectory() as folder:
            path = Path(folder) / "spring.yaml"
            path.write_text(json.dumps(said))  # which YAML reads as well
            self.campaign = load_campaign(path)


def queue(*counts: int) -> list[Stretch]:
    made, first = [], 1
    for number, count in enumerate(counts, 1):
        made.append(Stretch(f"a{number}", "", count, first, first + count - 1))
        first += count
    return made


def told(one: DailySum) -> list[tuple[int, str]]:
    return [(line.count, line.what) for line in one.lines]


def test_each_limit_takes_its_part() -> None:
    windows = [{"days": "mon-fri", "from": "09:00", "to": "13:00"}]
    scheduled = Scheduled(
        senders=[{"id": "a1", "per_day": 150, "ramp": {"start": 20, "step": 10}, "per_hour": 10}],
        schedule={"timezone": "UTC", "windows": windows},
    )
    (one,) = daily_sums(scheduled, queue(500), None, Clock())
    assert told(one) == [
        (150, "a day (per_day)"),
        (-130, "warm-up: 20 on its day 1"),
        (-10, "messages an hour, and pauses between two"),
    ]
    assert one.left == 10


@pytest.mark.parametrize(("count", "left"), [(3, 3), (40, 40), (500, 150)])
def test_the_queue_ends_the_sum(count: int, left: int) -> None:
    keys = {"id": "a1", "per_day": 150, "per_hour": "none", "gap": "none"}
    (one,) = daily_sums(Scheduled(senders=[keys]), queue(count), None, Clock())
    assert one.left == left
    assert ("no more are queued" in {what for _, what in told(one)}) == (count < 150)


def test_without_a_limit_a_day_the_queue_begins_it() -> None:
    keys = {"id": "a1", "per_day": "none", "per_hour": 2}
    (one,) = daily_sums(Scheduled(senders=[keys]), queue(500), None, Clock())
    assert told(one)[0] == (500, "queued (no limit a day)")
    assert one.left == 24


LIMIT = st.sampled_from(["none", 1, 3, 20, 400])
SENDER = st.fixed_dictionaries(
    {"per_day": LIMIT, "per_hour": LIMIT, "gap": st.sampled_from(["none", "45s", "20m"])},
    optional={"ramp": st.just({"start": 5, "step": 5})},
)
WINDOW = st.sampled_from(
    [[("mon", "00:00", "24:00")], [("mon", "09:00", "12:30")], [("tue", "09:00", "12:30")]]
)


@settings(max_examples=40, deadline=None)
@given(
    senders=st.lists(SENDER, min_size=1, max_size=2),
    counts=st.lists(st.integers(1, 300), min_size=2, max_size=2),
    team=st.sampled_from(["none", 1, 5, 60]),
    windows=WINDOW,
)
def test_it_adds_up_to_what_is_sent(
    senders: list[dict[str, Any]], counts: list[int], team: object, windows: list[Any]
) -> None:
    scheduled = Scheduled(
        senders=[each | {"id": f"a{number}"} for number, each in enumerate(senders, 1)],
        limits={"per_minute": "none", "per_hour": team},
        schedule={
            "timezone": "UTC",
            "windows": [{"days": day, "from": begin, "to": end} for day, begin, end in windows],
        },
    )
    waiting = queue(*counts[: len(senders)])
    found = list(daily_sums(scheduled, waiting, None, Clock()))
    pacer = pace_of([scheduled], None, Clock())
    shares = shares_of(waiting, hours_of(scheduled))
    sent = sent_until(pacer, shares, 1000.0, MONDAY_NOON, 1000.0 + AFTERNOON - 0.001)
    for one in found:
        assert sum(line.count for line in one.lines) == one.left == sent[one.sender]
        assert all(line.count < 0 for line in one.lines[1:])
