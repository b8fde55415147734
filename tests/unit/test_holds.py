"""A lane with people on hold, in virtual time: what waits, what ends, and what is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.ledger.doubts import in_doubt
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions
from runner.message.outcome import InDoubt, Outcome
from runner.sending.lane import Lane
from tests.lane import Setting, for_person
from tests.virtual import ScriptedApi, VirtualClock

Make = Callable[..., Setting]


def hold(ledger: Ledger, until: float | None, *ids: str) -> None:
    ledger.write(decisions.hold_each, ids, until, why="", at=1.0, by="ada")


def held(setting: Setting, **seconds: float) -> None:
    """Hold people (`p1`: the first) for so many seconds from the next drive on."""

    def before(lane: Lane, clock: VirtualClock) -> None:
        for who, each in seconds.items():
            hold(lane.ledger, clock.now() + each, who.removeprefix("p"))

    setting.before = before


def test_a_lane_ends_when_all_that_is_left_is_on_hold_without_an_end(make: Make) -> None:
    setting = make(range(1, 6))
    hold(setting.ledger, None, "2", "4")
    told = setting.drive()
    assert setting.counts() == {"sent": 3, "queued": 2}
    assert told.left == 0
    assert not told.named("waiting")
    setting.ledger.write(decisions.unhold, ["2", "4"], 2.0)
    setting.drive()
    assert setting.counts() == {"sent": 5}


def test_a_hold_that_ends_is_waited_for(make: Make) -> None:
    setting = make(range(1, 4))
    held(setting, p1=1000.0, p2=90_000.0)
    told = setting.drive()
    assert setting.counts() == {"sent": 3}
    assert setting.api.accepted == ["3", "1", "2"]
    assert 90_000.0 <= told.took < 90_700.0
    assert "on hold" in str(told.named("waiting")[0])


def test_an_idle_end_does_not_wait_for_the_end_of_a_hold(make: Make) -> None:
    setting = make(range(1, 4))
    held(setting, p1=1000.0)
    told = setting.drive(idle_after=600.0)
    assert setting.counts() == {"sent": 2, "queued": 1}
    assert told.lane.stops.is_idle
    assert told.lane.stops.resumes_at > 0
    held(setting, p1=500.0)
    assert 500.0 <= setting.drive(idle_after=600.0).took < 1200.0
    assert setting.counts() == {"sent": 3}


@pytest.mark.parametrize("idempotent", [True, False])
def test_what_is_in_doubt_goes_again_once_a_hold_is_over(make: Make, idempotent: bool) -> None:
    """It is on hold by the time that its answer is lost, and not taken by the API."""
    clocks: list[VirtualClock] = []

    def script(api: ScriptedApi, person: str, _body: bytes, _key: str) -> Outcome | None:
        if person != "1" or len(api.sends) > 1:
            return None
        hold(setting.ledger, clocks[0].now() + 2000.0, "1")
        return InDoubt("timeout", "")

    setting = make([1, 2], api=ScriptedApi(idempotent=idempotent, script=script), absent="resend")

    def before(lane: Lane, clock: VirtualClock) -> None:
        clocks.append(clock)
        hold(lane.ledger, clock.now() + 5000.0, "2")

    setting.before = before
    setting.drive()
    assert setting.counts() == {"sent": 2}
    assert setting.api.accepted == ["1", "2"]
    [first, again, other] = [at for at, _ in setting.api.sends]
    assert first < 1.0
    assert 2000.0 <= again < 3300.0
    assert other >= 5000.0


def test_a_doubt_about_somebody_on_hold_without_an_end_is_only_looked_up(make: Make) -> None:
    api = ScriptedApi(script=for_person("1", InDoubt("timeout", "")))
    setting = make([1, 2], api=api)
    api.script = for_person("1", InDoubt("timeout", ""), times=50)
    setting.drive()
    assert setting.counts() == {"sent": 1, "in_doubt": 1}
    sends = len(api.sends)
    hold(setting.ledger, None, "1")
    told = setting.drive()
    assert len(api.sends) == sends
    assert told.took < 3600.0
    [doubt] = setting.ledger.read(in_doubt.in_doubt, [setting.campaign])
    assert doubt.reason == "absent"
    setting.ledger.write(decisions.unhold, ["1"], 2.0)
    api.script = None
    setting.drive()
    assert setting.counts() == {"sent": 2}
    assert not api.doubled


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_slice_comes_back_for_a_doubt_when_the_hold_ends(make: Make, idempotent: bool) -> None:
    """A worker's lane of which nothing else is left must not rest for good."""
    clocks: list[VirtualClock] = []

    def script(api: ScriptedApi, _person: str, _body: bytes, _key: str) -> Outcome | None:
        if len(api.sends) > 1:
            return None
        hold(setting.ledger, clocks[0].now() + 20_000.0, "1")
        return InDoubt("timeout", "")

    setting = make([1], api=ScriptedApi(idempotent=idempotent, script=script), absent="resend")
    setting.before = lambda _lane, clock: clocks.append(clock)
    told = setting.drive(idle_after=2.0)
    ends = clocks[0].now() - told.took + 20_000.0
    assert told.lane.stops.resumes_at == pytest.approx(ends, abs=10.0)
