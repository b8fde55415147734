"""The pace of a whole lane, with its ledger: restarts, several campaigns, turns, and rest."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from runner.campaign.senders import Ramp
from runner.errors import LaneEnding
from runner.ledger.messages import usage
from runner.message.outcome import Deferred, Outcome, Scope
from runner.pacing.pacer import make_pacer
from runner.pacing.windows import DAY, HOUR, MINUTE
from runner.sending.lane import Lane
from runner.sending.meter import RequestMeter
from tests.lane import Setting, make
from tests.pacing import ExactServer, limits, sender
from tests.support import SENDER
from tests.virtual import Killed, ScriptedApi, VirtualClock, VirtualLoop, run_virtually

__all__ = ["make"]

Make = Callable[..., Setting]


class Times:
    """When each message came to the API, in Unix seconds, over all lives of the process."""

    def __init__(self, setting: Setting, began: float = 1_800_000_000.0) -> None:
        self.began = self.last = began
        self.bodies: list[tuple[float, str]] = []
        self.clock: VirtualClock | None = None
        self.die_at: set[int] = set()
        self.server: ExactServer | None = None
        setting.before = self.meet
        setting.api.script = self.came

    def meet(self, _lane: Lane, clock: VirtualClock) -> None:
        clock.started = self.last + 1.0
        self.clock = clock

    def came(self, _api: ScriptedApi, _who: str, body: bytes, _key: str) -> Outcome | None:
        assert self.clock is not None
        self.last = self.clock.now()
        self.bodies.append((self.last, body.decode()))
        if self.server is not None:
            self.server.request(self.last)
        if len(self.bodies) in self.die_at:
            raise Killed
        return None

    def senders(self) -> list[str]:
        return [body.split(" ")[0] for _, body in self.bodies]


def test_a_lane_that_dies_ten_times_uses_its_quota_and_no_more(make: Make) -> None:
    setting = make(range(1, 151), limits=limits(per_minute=20, per_hour=400))
    times = Times(setting)
    times.server = ExactServer(((20, 60.0), (400, 3600.0)))
    times.die_at = set(range(15, 155, 14))
    for _ in times.die_at:
        with pytest.raises(Killed):
            setting.drive()
    setting.drive()
    assert times.server.refused == []
    assert sorted(map(int, set(setting.api.accepted))) == list(range(1, 151))
    assert setting.api.doubled == []
    # 150 and the repeats of what was in doubt, 20 a minute; each death keeps up to four permits
    # for the minute in which their answers might have come.
    assert times.last - times.began < 60.0 * (150 / 20 + 10)


def test_the_days_on_which_a_sender_has_sent_are_in_the_ledger(make: Make) -> None:
    warm = sender(SENDER, per_day=40, ramp=Ramp(start=2, step=3))
    setting = make(range(1, 41), senders=[warm])
    times = Times(setting, began=1_800_000_000.0 // DAY * DAY)
    days = Counter[int]()
    for _ in range(4):
        setting.drive(idle_after=HOUR)
        times.last = (times.last // DAY + 1) * DAY + 60.0
    other = setting.another_campaign("autumn", range(100, 140))
    setting.campaign = other
    setting.drive(idle_after=HOUR)
    days.update(int(at // DAY) for at, _ in times.bodies)
    assert [days[day] for day in sorted(days)] == [2, 5, 8, 11, 14]


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_senders_take_turns_and_each_keeps_the_plans_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    build = make.__wrapped__(tmp_path_factory.mktemp("ledger"))  # type: ignore[attr-defined]
    many = data.draw(st.integers(2, 4), "senders")
    names = [f"{SENDER[:-1]}{number}" for number in range(many)]
    setting = build(
        range(1, 37),
        senders=[sender(name) for name in names],
        limits=limits(per_minute=data.draw(st.sampled_from([None, 15]), "per_minute")),
        concurrency=data.draw(st.integers(1, 6), "concurrency"),
    )
    share(setting, names)
    setting.api.latency = data.draw(st.sampled_from([0.0, 0.1, 3.0]), "latency")
    times = Times(setting)
    setting.drive()
    by_sender: dict[str, list[int]] = {name: [] for name in names}
    for _, body in times.bodies:
        who, recipient, *_ = body.split(" ")
        by_sender[who].append(int(recipient))
    assert all(came == sorted(came) for came in by_sender.values())
    ahead = Counter[str]()
    for who in times.senders()[: 36 - many]:
        ahead[who] += 1
        assert ahead[who] - min(ahead[name] for name in names) <= 2


def share(setting: Setting, names: list[str]) -> None:
    """Give the queue to several senders, one after the other."""
    with setting.ledger.writing() as connection:
        for number, name in enumerate(names):
            connection.execute(
                text("UPDATE message SET sender = :name WHERE id % :many = :number"),
                {"name": name, "many": len(names), "number": number},
            )


def test_a_lane_at_rest_hardly_wakes_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0
    run_once = VirtualLoop._run_once  # type: ignore[attr-defined]

    def counted(loop: Any) -> None:
        nonlocal rounds
        rounds += 1
        run_once(loop)

    monkeypatch.setattr(VirtualLoop, "_run_once", counted, raising=False)
    setting = make([1, 2, 3], senders=[sender(SENDER, gap=6 * HOUR)])
    told = setting.drive()
    assert told.took == pytest.approx(12 * HOUR, abs=5.0)
    # Once a minute, since timers stand still while the machine sleeps; a round costs well under a
    # millisecond, so that this is far below a thousandth of a processor.
    assert rounds < 3 * 12 * 60


def test_what_an_answer_to_a_question_says_is_left_holds_the_lane_too(make: Make) -> None:
    lane = make([1], limits=limits(per_minute=300)).drive().lane
    early = make_pacer([limits(per_minute=300)], [])

    async def ask(clock: VirtualClock) -> tuple[float, float]:
        for meter in (RequestMeter(clock, lane=lane), RequestMeter(clock, pacer=early)):
            async with meter.gate() as hear:
                hear((300, 0, 40.0))
        now = lane.clock.boot()
        return lane.pacer.ready(SENDER, now).at - now, early.ready(None, clock.boot()).at

    assert run_virtually(ask) == pytest.approx((40.0, 40.0))


def test_a_question_is_in_the_ledger_before_it_leaves(make: Make) -> None:
    lane = make([1]).drive().lane
    seen: list[list[tuple[float, float | None, float | None]]] = []

    def counted() -> None:
        found = lane.ledger.read(usage.past_requests, lane.id, lane.clock.now() - 9.0, math.inf)
        seen.append([(at, ended, server_at) for at, ended, server_at in found])

    async def ask(clock: VirtualClock) -> None:
        async with RequestMeter(clock, lane=lane).gate():
            counted()  # a process that dies here has asked
            lane.clock.skew += 2.0  # type: ignore[attr-defined]
        counted()

    run_virtually(ask)
    [[asked], [answered]] = seen
    assert asked[1] is None
    assert answered == (asked[0], asked[0] + 2.0, None)


@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.LANE])
@pytest.mark.parametrize("jump", [0.0, 5 * DAY, -5 * DAY])
def test_who_was_told_to_wait_waits_over_a_restart_too(
    make: Make, scope: Scope, jump: float
) -> None:
    setting = make(range(1, 4))
    asked: list[float] = []

    def script(_api: ScriptedApi, _who: str, _body: bytes, _key: str) -> Outcome | None:
        asked.append(clocks[-1].started + clocks[-1].boot())
        return Deferred("slow", after=5000.0, scope=scope) if len(asked) == 1 else None

    clocks: list[VirtualClock] = []

    def meet(_lane: Lane, clock: VirtualClock) -> None:
        clock.skew = jump if clocks else 0.0
        clocks.append(clock)

    setting.before, setting.concurrency = meet, 1
    setting.api.script = script
    setting.drive(idle_after=600.0)
    assert len(asked) == 1
    told = setting.drive()
    assert 5000.0 <= asked[1] - asked[0] < 5010.0
    assert setting.counts() == {"sent": 3}
    again = setting.drive()
    assert told.took > 3000.0 > again.took


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(["hold", "restart", "look"]), st.floats(0, 1e6), st.floats(0, 9)),
        max_size=20,
    )
)
def test_no_hold_ends_early_over_restarts(played: list[tuple[str, float, float]]) -> None:
    """By a server's clock that is read from whole seconds, up to one late."""
    time, up, until, kept = 1_000_000.0, 0.0, 0.0, 0.0
    pacer = make_pacer([limits()], [sender()])
    for what, seconds, pause in played:
        time += pause
        match what:
            case "hold":
                told = min(seconds, DAY)  # as a channel cuts it
                pacer.hold(time - up + told, "told", "a1")
                until = max(until, time + told)
                kept = max(kept, int(time) + told)
            case "restart":
                up, pacer = time - 5.0, make_pacer([limits()], [sender()])
                pacer.restore_hold(kept - int(time + 0.5), "told", "a1", now=5.0)
            case "look":
                time += seconds
        assert pacer.ready("a1", time - up).at + up >= min(until, time + DAY) - 1e-6


@pytest.mark.parametrize("latency", [0.0, 0.1, 3.0])
def test_neither_sends_nor_look_ups_are_starved(make: Make, latency: float) -> None:
    """Four that ask for ever beside four that send, without what spaces look-ups."""
    setting = make(range(1, 61), limits=limits(per_minute=10), concurrency=4)
    setting.api.latency = latency
    waits: list[float] = []
    asking: list[asyncio.Task[None]] = []

    def meet(lane: Lane, clock: VirtualClock) -> None:
        meter = RequestMeter(clock, lane=lane)

        async def ask() -> None:
            with contextlib.suppress(LaneEnding):
                while clock.boot() < HOUR and not lane.in_flight.is_dispatched:
                    began = clock.boot()
                    async with meter.gate():
                        waits.append(clock.boot() - began)
                        await asyncio.sleep(latency)

        asking.extend(asyncio.create_task(ask()) for _ in range(4))

    setting.before = meet
    told = setting.drive()
    assert max(waits) < 2 * MINUTE
    assert told.took < MINUTE * 60 / 10 * 3  # a third of the quota at the least
    assert len(waits) > 60 / 3
