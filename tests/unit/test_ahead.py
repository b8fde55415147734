"""Sends that are begun ahead, so that the wire never waits for the disk: how many, and when not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.attempt.lane import Lane
from runner.ledger.brakes import Brake, BrakeKind
from runner.message import Deferred, MessageStatus, Outcome, Scope
from tests.lane import Setting
from tests.virtual import ScriptedApi, VirtualClock

ON_THE_WIRE = 3


def begun(setting: Setting) -> list[int]:
    """How many are begun and without an outcome, at each send of a drive; the rest is refused."""
    seen: list[int] = []

    def script(_api: ScriptedApi, _person: str, _body: bytes, _key: str) -> Outcome | None:
        seen.append(setting.counts().get(MessageStatus.SENDING, 0))
        return None

    setting.api.script = script
    setting.drive()
    return seen


def most_on_the_wire(setting: Setting) -> int:
    times = [at for at, _ in setting.api.sends]
    return max(sum(at - setting.api.latency < each <= at for each in times) for at in times)


def test_as_many_again_are_begun_ahead_where_a_key_makes_it_harmless(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 40), concurrency=ON_THE_WIRE)
    assert ON_THE_WIRE < max(begun(setting)) <= 2 * ON_THE_WIRE
    assert most_on_the_wire(setting) == ON_THE_WIRE
    assert setting.counts() == {"sent": 39}


@pytest.mark.parametrize(
    "api", [ScriptedApi(idempotent=False), ScriptedApi(latency=0.8)], ids=["no key", "slow answers"]
)
def test_nothing_is_begun_ahead(make: Callable[..., Setting], api: ScriptedApi) -> None:
    setting = make(range(1, 40), concurrency=ON_THE_WIRE, api=api)
    assert max(begun(setting)) <= ON_THE_WIRE
    assert most_on_the_wire(setting) == ON_THE_WIRE
    assert setting.counts() == {"sent": 39}


def test_what_is_begun_ahead_does_not_go_while_the_team_is_told_to_wait(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 40), concurrency=ON_THE_WIRE)
    told: list[float] = []

    def script(api: ScriptedApi, _person: str, _body: bytes, _key: str) -> Outcome | None:
        if len(api.sends) != 20:
            return None
        told.append(api.sends[-1][0] + api.latency)
        return Deferred("rateLimited", after=30.0, scope=Scope.LANE)

    setting.api.script = script
    setting.drive()
    [at] = told
    assert not [each for each, _ in setting.api.sends if at < each < at + 30.0]
    assert setting.counts() == {"sent": 39}
    assert not setting.api.doubled


def test_what_is_begun_ahead_does_not_go_after_a_word_to_pause(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 40), concurrency=ON_THE_WIRE)
    lanes: list[Lane] = []

    def before(lane: Lane, _clock: VirtualClock) -> None:
        lanes.append(lane)

    def script(api: ScriptedApi, _person: str, _body: bytes, _key: str) -> Outcome | None:
        if len(api.sends) == 20:
            lanes[0].brake(setting.campaign, Brake(BrakeKind.PAUSED, 0.0, "ada"))
        return None

    setting.before, setting.api.script = before, script
    setting.drive()
    assert len(setting.api.sends) == 20
    assert setting.counts() == {"sent": 20, "queued": 19}
