"""The team's quota against an exact server: all of it used, and never more."""

from __future__ import annotations

import random

import pytest

from runner.pacing.pacer import Pacer, make_pacer
from runner.pacing.windows import HOUR
from tests.pacing import API, ExactServer, Machine, limits, sender

OF_THE_API = {"per_minute": 300, "per_hour": 10_000, "per_day": 100_000}


def full() -> Pacer:
    return make_pacer([limits(**OF_THE_API)], [sender(), sender("b2")])


@pytest.mark.parametrize(
    ("latency", "concurrency"), [((0.05, 0.25), 16), ((0.0, 0.01), 64), ((0.5, 4.0), 32)]
)
def test_an_hour_is_used_up(latency: tuple[float, float], concurrency: int) -> None:
    server = ExactServer()
    machine = Machine(full, server, ("a1", "b2", None), concurrency, latency)
    machine.run(HOUR)
    assert server.refused == []
    assert len(server.taken) >= 0.99 * 10_000


def test_every_minute_is_used_up() -> None:
    server = ExactServer(API[:1])
    Machine(lambda: make_pacer([limits(per_minute=300)], [sender()]), server).run(HOUR)
    assert server.refused == []
    assert len(server.taken) >= 0.99 * 300 * 60


@pytest.mark.parametrize("crashes", [0, 10])
def test_a_day_is_used_up_over_crashes_too(crashes: int) -> None:
    server = ExactServer()
    machine = Machine(full, server, ("a1", "b2", "a1", None))
    began, luck = machine.time, random.Random(7)
    for at in sorted(luck.uniform(0, 10 * HOUR) for _ in range(crashes)):
        machine.run(began + at - machine.time)
        machine.time += luck.uniform(0, 3)
        machine.start()
    machine.run(began + 26 * HOUR - machine.time)
    assert server.refused == []
    assert server.taken[100_000 - 1] - began < 10 * HOUR
    # A day's requests, and those of two hours of the next day.
    assert len(server.taken) >= 0.99 * 120_000
