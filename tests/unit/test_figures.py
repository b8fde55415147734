"""Sends over time: buckets that lose nothing, and what was allowed in them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.campaign.schema import Limits
from runner.campaign.senders import Sender
from runner.ledger.queries.statistics import Slot
from runner.message.status import MessageStatus
from runner.pacing.capacity import SpeedRules, capacities
from runner.schedule import Hours, make_week
from runner.status.statistics import MOST_BUCKETS, QUARTER, STEPS, series, step_for

S = MessageStatus
HOUR, DAY = 3600, 86_400
MONDAY = 1_772_409_600.0  # 2026-03-02 00:00 UTC
NONE = dict.fromkeys(("per_minute", "per_hour", "per_day"), "none")
FREE = Limits.model_validate(NONE)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1e9, 1e9 + 3e8), min_size=1, max_size=30),
    st.sampled_from([1.0, 1e-3, 1e-6]),
    st.sampled_from(["UTC", "Europe/London", "Asia/Kathmandu", "America/Sao_Paulo"]),
)
@example([1_774_742_400.0, 1_774_828_800.0 + 3 * DAY], 1.0, "Europe/London")  # over a set clock
def test_buckets_hold_every_send_once(times: list[float], scale: float, zone: str) -> None:
    times = [1e9 + (at - 1e9) * scale for at in times]
    span = min(times), max(times)
    step = step_for(span[1] - span[0])
    every = min(step[1], QUARTER)
    counted = Counter(at // every * every for at in times)
    slots = [Slot("a", S.SENT, begin, count) for begin, count in counted.items()]
    made = series(slots, span, step, SpeedRules(FREE, []), zone)
    assert sum(each.counts.get(S.SENT, 0) for each in made.buckets) == len(times)
    assert all(one.end == other.begin for one, other in pairwise(made.buckets))
    assert made.buckets[0].begin <= span[0]
    assert span[1] < made.buckets[-1].end
    if step != STEPS[-1]:
        assert len(made.buckets) <= MOST_BUCKETS + 2
    for each in made.buckets:
        inside = sum(each.begin <= at < each.end for at in times)
        assert each.counts.get(S.SENT, 0) == inside


def _buckets(count: int, length: float) -> list[tuple[float, float]]:
    return [(MONDAY + at * length, MONDAY + (at + 1) * length) for at in range(count)]


@pytest.mark.parametrize(
    ("sender", "length", "sent", "expected"),
    [
        ({}, HOUR, [20, 20, 20], [20, 20, 20]),  # 20 an hour, and spread over it
        ({}, 900, [5, 5, 0, 0], [5, 5, 5, 5]),
        ({"per_day": 30}, HOUR, [20, 10, 0], [20, 10, 0]),
        ({"per_hour": "none", "per_day": 50}, DAY, [50, 50], [50, 50]),
        (
            {"per_hour": "none", "ramp": {"start": 20, "step": 10}, "per_day": "none"},
            DAY,
            [20, 0, 5],
            [20, 30, 30],
        ),
        ({"gap": "60s", "per_hour": "none", "per_day": "none"}, 300, [5], [5]),
    ],
)
def test_what_a_senders_limits_allow(
    sender: dict[str, object], length: float, sent: list[int], expected: list[int]
) -> None:
    rules = SpeedRules(FREE, [Sender.model_validate({"id": "a"} | sender)])
    told = capacities(rules, _buckets(len(sent), length), [{"a": count} for count in sent])
    assert told == expected


def test_the_team_and_the_schedule_bind_as_well() -> None:
    free = [Sender.model_validate({"id": id, "per_hour": "none", "per_day": "none"}) for id in "ab"]
    limits = Limits.model_validate({"per_minute": 10, "per_hour": 100, "per_day": "none"})
    nothing = [dict[str, int]()] * 3
    assert capacities(SpeedRules(limits, free), _buckets(3, HOUR), nothing) == [100, 100, 100]
    assert capacities(SpeedRules(FREE, free), _buckets(3, HOUR), nothing) is None
    hours = Hours("UTC", make_week([(range(5), 60, 90)]))  # 01:00 to 01:30
    assert capacities(SpeedRules(limits, free, hours), _buckets(3, HOUR), nothing) == [0, 100, 0]
    one = SpeedRules(FREE, [Sender.model_validate({"id": "a"})], hours)
    assert capacities(one, _buckets(3, HOUR), nothing) == [0, 10, 0]
    assert capacities(one, _buckets(7, DAY), [*nothing, *nothing, {}]) == [10] * 5 + [0] * 2
