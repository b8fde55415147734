"""Clocks that are set by hand, and machines that sleep: nothing early, nothing beyond a limit."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.ledger.engine import open_engine
from runner.ledger.ledger import open_ledger
from runner.message.outcome import Deferred, InDoubt, LookupResult, Outcome, Scope
from runner.sending.lane import Lane
from tests.lane import Setting
from tests.pacing import SlidingServer, limits, sender
from tests.support import SENDER, make_campaign, make_queue
from tests.virtual import (
    InlineLedger,
    ScriptedApi,
    ScriptedChannel,
    VirtualClock,
    run_virtually,
)

Make = Callable[..., Setting]
HOUR, DAY = 3600.0, 86400.0


def skewed(by: float) -> Callable[[Lane, VirtualClock], None]:
    """The wall clock was set by hand before this run."""

    def skew(_lane: Lane, clock: VirtualClock) -> None:
        clock.skew = by

    return skew


@pytest.mark.parametrize("jump", [0.0, 2 * HOUR, 3 * DAY, -2 * HOUR, -3 * DAY])
@pytest.mark.parametrize("what", ["sender", "team"])
def test_a_clock_set_between_runs_gives_no_fresh_window_and_blocks_none(
    make: Make, jump: float, what: str
) -> None:
    own = [sender(SENDER, per_hour=2)] if what == "sender" else [sender(SENDER)]
    setting = make(range(1, 5), senders=own, limits=limits(per_hour=2 if what == "team" else None))
    setting.drive(limit=2)
    setting.before = skewed(jump)
    told = setting.drive(limit=2)  # by the server's clock it begins 1000 s after the first
    assert HOUR - 1005.0 < told.took < HOUR - 990.0
    assert setting.counts() == {"sent": 4}


@pytest.mark.parametrize("jump", [-400 * DAY, -3 * DAY, 3 * DAY])
@pytest.mark.parametrize("what", ["sender", "team"])
def test_a_run_with_a_wrong_clock_is_remembered_when_the_clock_is_right_again(
    make: Make, jump: float, what: str
) -> None:
    own = [sender(SENDER, per_hour=2)] if what == "sender" else [sender(SENDER)]
    setting = make(range(1, 4), senders=own, limits=limits(per_hour=2 if what == "team" else None))
    setting.drive(limit=1)
    setting.before = skewed(jump)
    setting.drive(limit=1)

    def later(_lane: Lane, clock: VirtualClock) -> None:
        clock.started += 1000.0

    setting.before = later
    told = setting.drive()  # by the server's clock it begins 2000 s after the first
    assert HOUR - 2005.0 < told.took < HOUR - 1990.0


@pytest.mark.parametrize("jump", [2 * HOUR, 23 * HOUR, -2 * HOUR])
def test_a_clock_set_during_a_run_frees_nothing_for_the_next(make: Make, jump: float) -> None:
    setting = make(range(1, 6), senders=[sender(SENDER, per_hour=3, gap=100.0)])

    def set_soon(_lane: Lane, clock: VirtualClock) -> None:
        asyncio.get_running_loop().call_later(50.0, setattr, clock, "skew", jump)

    setting.before = set_soon
    setting.drive(limit=3)  # the first before the jump, two after it
    setting.before = skewed(jump)
    told = setting.drive(limit=1)
    assert told.took > HOUR - 1000.0 - 5.0


@pytest.mark.parametrize("jump", [5 * HOUR, -5 * HOUR, 3 * DAY, -3 * DAY])
def test_a_clock_set_during_a_run_moves_no_window_and_no_gap(make: Make, jump: float) -> None:
    setting = make(range(1, 9), senders=[sender(SENDER, per_hour=4, gap=60.0)])

    def set_soon(_lane: Lane, clock: VirtualClock) -> None:
        asyncio.get_running_loop().call_later(100.0, setattr, clock, "skew", jump)

    setting.before = set_soon
    setting.drive()
    times = [at for at, _ in setting.api.sends]
    assert len(times) == 8
    assert all(later - earlier >= 60.0 for earlier, later in itertools.pairwise(times))
    assert all(later - earlier >= HOUR for earlier, later in zip(times, times[4:], strict=False))
    assert times[-1] < 2 * HOUR  # and no longer than it takes


def test_a_machine_that_slept_through_a_wait_goes_on_soon_after(make: Make) -> None:
    setting = make([1, 2], senders=[sender(SENDER, gap=HOUR)])

    def sleep_soon(_lane: Lane, clock: VirtualClock) -> None:
        # The loop's timers stand still while the machine sleeps; boot time does not.
        asyncio.get_running_loop().call_later(10.0, setattr, clock, "frozen", 2 * HOUR)

    setting.before = sleep_soon
    told = setting.drive()
    assert setting.counts() == {"sent": 2}
    assert told.took - 2 * HOUR < 100.0


def test_a_process_that_slept_while_waiting_for_a_permit_sends_no_burst(make: Make) -> None:
    setting = make(range(1, 31), concurrency=8, limits=limits(per_minute=5, per_hour=12))

    def sleep_soon(_lane: Lane, clock: VirtualClock) -> None:
        asyncio.get_running_loop().call_later(20.0, setattr, clock, "frozen", 5 * HOUR)

    setting.before = sleep_soon
    setting.drive()
    times = [at for at, _ in setting.api.sends]
    for limit, seconds in ((5, 60.0), (12, HOUR)):
        pairs = zip(times, times[limit:], strict=False)
        assert all(later - earlier >= seconds for earlier, later in pairs)


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR])
def test_settle_is_waited_for_in_full_whatever_the_clock_says(
    make: Make, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    setting = make([1, 2], concurrency=1, api=ScriptedApi(idempotent=False, shows=False))
    lost: dict[str, float] = {}
    asked: dict[str, float] = {}

    def script(api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        if person == "2":
            asyncio.get_running_loop().call_later(1.0, setattr, clocks[0], "skew", jump)
        lost[person] = clocks[0].boot()
        return InDoubt("timeout")

    async def slow_look_up(self: ScriptedChannel, lookup: object, _taken: object) -> LookupResult:
        person = lookup.recipient.id  # type: ignore[attr-defined]
        asked.setdefault(person, self.clock.boot())
        if person == "1":
            await asyncio.sleep(30.0)
        return await look_up(self, lookup, _taken)  # type: ignore[arg-type]

    clocks: list[VirtualClock] = []
    look_up = ScriptedChannel.look_up
    monkeypatch.setattr(ScriptedChannel, "look_up", slow_look_up)
    setting.before = lambda _lane, clock: clocks.append(clock)
    # The second is lost while the first is being looked up.
    setting.senders = [sender(SENDER, gap=125.0)]
    setting.api.script = script
    setting.drive()
    assert asked["2"] - lost["2"] >= 120.0
    assert asked["2"] - lost["2"] < 160.0


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR, 3 * DAY, -3 * DAY])
def test_no_jump_makes_an_old_key_young(make: Make, jump: float) -> None:
    setting = make([1])

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        if len(api.sends) == 1:
            api.accept(person, key)
            return InDoubt("timeout")
        return None

    setting.api.script = script

    def end_soon(lane: Lane, _clock: VirtualClock) -> None:
        asyncio.get_running_loop().call_later(0.05, lane.stops.drain)

    setting.before = end_soon
    setting.drive()  # ends with the message in doubt
    assert setting.counts() == {"in_doubt": 1}
    setting.api.by_key.clear()  # the server has forgotten

    def later(_lane: Lane, clock: VirtualClock) -> None:
        clock.started += 2 * HOUR
        clock.skew = jump

    setting.before = later
    setting.drive()
    assert setting.api.doubled == []


def test_two_ledgers_of_one_team_obey_the_servers_limit_between_them(
    make: Make, tmp_path: Path
) -> None:
    """Neither knows of the other: what they share is only the server's 429."""
    server = SlidingServer((10, 60.0))
    api = ScriptedApi()
    told: list[tuple[float, bool]] = []  # when who was refused

    def script(api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        now = api.sends[-1][0]
        if server.request(now):
            return None
        told.append((now, int(person) > 100))
        return Deferred("rateLimited", after=30.0, scope=Scope.LANE)

    api.script = script
    mine = make(range(1, 21), api=api, limits=limits(per_minute=10))
    (tmp_path / "theirs").mkdir()
    location = str(tmp_path / "theirs" / "state.db")
    open_ledger(location).close()
    ledger = InlineLedger(open_engine(location), location)
    row = make_campaign(ledger)
    make_queue(ledger, row, range(101, 121))
    theirs = Setting(ledger, row.id, api, limits=limits(per_minute=10))

    async def both(clock: VirtualClock) -> None:
        await asyncio.gather(mine._drive(clock, None, {}), theirs._drive(clock, None, {}))

    run_virtually(both)
    assert mine.counts() == theirs.counts() == {"sent": 20}
    assert api.doubled == []
    assert told
    for refused, who in told:  # and waits as long as it is told to
        sent = [at for at, person in api.sends if (int(person) > 100) is who]
        assert not [at for at in sent if refused + 0.2 < at < refused + 30.0]
