"""What a live run hears of people's words, and what it costs to listen while nothing is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import BrakeKind, Halt
from runner.ledger.ledger import Ledger
from runner.schedule import Hours, make_week
from runner.sending.controls import live_controls
from runner.sending.controls.live_controls import obey_controls
from runner.sending.lane import Lane
from tests.lane import Setting, with_another
from tests.support import LANE
from tests.virtual import VirtualClock


@contextmanager
def statements(ledger: Ledger) -> Iterator[list[str]]:
    """What is asked of the database inside the block."""
    told: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(ledger._engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(ledger._engine, "before_cursor_execute", note)


def a_lane(setting: Setting) -> Lane:
    """A lane of these campaigns that has nothing under way."""
    found: list[Lane] = []
    add = setting.before

    def before(lane: Lane, clock: VirtualClock) -> None:
        add(lane, clock)
        found.append(lane)

    setting.before = before
    setting.drive(0)
    return found[0]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20.0):
        while not condition():  # noqa: ASYNC110 - a ledger has no event for such moments
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("sending", [True, False])
def test_a_run_says_what_it_has_heard_and_lets_go_when_it_ends(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch, sending: bool
) -> None:
    monkeypatch.setattr(live_controls, "CONTROL_INTERVAL", 0.01)
    setting = make([1, 2])
    other = with_another(setting, range(0))
    lane, ledger, spring = a_lane(setting), setting.ledger, setting.campaign

    def heard(campaign: int) -> int | None:
        return ledger.read(brakes.acknowledged_by_driver, LANE, campaign)

    def said(campaign: int) -> int:
        return ledger.read(brakes.latest, [campaign])[campaign].id

    if not sending:
        ledger.write(brakes.halt, [Halt(1.0, "why", campaign=spring, kind=BrakeKind.GUARDED)])

    async def talk() -> None:
        async with obey_controls([lane], sending=sending):
            if not sending:  # whoever resumes has to run it: this one only settles what is in doubt
                assert heard(spring) is None
                assert not lane.stops.campaigns  # by a guard, which is no word against that
                return
            assert heard(spring) == 0
            ledger.write(brakes.pause, spring, 1.0, "ada")
            await until(lambda: heard(spring) == said(spring))
            assert lane.stops.campaigns.keys() == {spring}
            ledger.write(brakes.release, spring, 2.0, "ada")
            await until(lambda: heard(spring) == said(spring))
            assert not lane.stops.campaigns
            for campaign in (spring, other):
                ledger.write(brakes.pause, campaign, 3.0, "ada")
            await until(lambda: heard(spring) is None)  # it ends: nothing of it may go on
            assert lane.stops.is_ending
            ledger.write(brakes.release, spring, 4.0, "ada")
        assert lane.stops.campaigns.keys() == {spring, other}  # and says that it was paused

    asyncio.run(talk())


@pytest.mark.slow
def test_listening_costs_two_short_questions_a_look(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        0.25 <= live_controls.CONTROL_INTERVAL < 0.5
    )  # heard within a second, but not more often than needed
    monkeypatch.setattr(live_controls, "CONTROL_INTERVAL", 0.001)
    lane = a_lane(make([1, 2]))

    async def listen() -> list[str]:
        async with obey_controls([lane]):
            with statements(lane.ledger) as told:
                await until(lambda: len(told) >= 20)
                return list(told)

    told = [each for each in asyncio.run(listen()) if each != "BEGIN"]
    assert all("FROM brake" in each or "FROM meta" in each for each in told), told


def test_waiting_for_a_schedule_asks_the_ledger_next_to_nothing(
    make: Callable[..., Setting],
) -> None:
    saturday = 1_799_452_800.0
    hours = Hours("UTC", make_week([(range(5), 540, 1020)]))
    setting = make(range(1, 4), hours=hours, started=saturday)
    with statements(setting.ledger) as told:
        took = setting.drive().took
    assert setting.counts() == {"sent": 3}
    assert took > 24 * 3600
    assert len(told) < took / 60
