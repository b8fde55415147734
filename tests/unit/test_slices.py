"""When a lane that a worker hands on is due again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select

from runner.campaign.senders import Sender
from runner.clock import SystemClock
from runner.control import resolution
from runner.errors import LedgerError, RunnerError
from runner.events import EventBus
from runner.ledger import schema
from runner.ledger.campaigns import bound_team, brakes, handover, registry, submissions
from runner.ledger.campaigns.submissions import Submission
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions, outcomes
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import lane_status
from runner.message.evidence import Evidence
from runner.message.outcome import Deferred, InDoubt, Rejected, Scope
from runner.run.preparation.team import TokenIdentity
from runner.schedule import Hours
from runner.sending.controls.guard import GuardLimits
from runner.sending.controls.live_controls import LiveControls
from runner.sending.drive import restore_limits
from runner.sending.lane import Lane
from runner.workers import lane_slice
from runner.workers.lane_slice import IDLE_WITH_ROOM, SLICE_IDLE, WorkerLanes
from runner.workers.next_due import KNOWN_FOR, TROUBLE_RETRY, next_due, stop_reasons
from runner.workers.submitted_campaign import SubmittedCampaign, missed_start_reason, restore_guard
from tests.lane import Setting, Told, for_person, with_another
from tests.pacing import sender
from tests.support import LANE, ORIGIN, SENDER, claim_one, hand_in, make_intent, own_lane, recipient
from tests.virtual import VirtualClock, run_virtually

SLICE = 60.0


def drained_in_time(lane: Lane, _clock: VirtualClock) -> None:
    asyncio.get_running_loop().call_later(SLICE, lane.stops.drain)


FILE = f"senders: [{SENDER}]\nprospects: p.csv\nmessage: Hi\nschedule: {{timezone: UTC}}\n"
"""A campaign's, whole."""


def handed_in(setting: Setting, at: float, file: str = "senders: [a]\n") -> Submission:
    row = setting.ledger.read(registry.find_campaign, "spring")
    assert row is not None
    hand_in(setting.ledger, row, at=at, file=file)
    [submission] = setting.ledger.read(submissions.of_lane, LANE)
    return submission


async def no_end() -> None:
    """Close what a test has not opened."""


def due_in(told: Told) -> float | None:
    """Seconds until the lane is due again."""
    next_at = next_due(told.lane)
    return None if next_at is None else next_at - told.lane.clock.now()


def test_what_is_in_doubt_for_long_holds_up_no_queue_of_which_a_slice_is_over(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 101), senders=[sender(SENDER, gap=1.5)], before=drained_in_time)
    setting.api.script = for_person("2", InDoubt("http_503", after=3600.0))
    told = setting.drive(idle_after=SLICE_IDLE)
    counts = setting.counts()
    assert counts["in_doubt"] == 1
    assert counts["queued"] > 10
    assert due_in(told) == 0.0


def test_a_lane_that_waits_for_another_to_have_settled_is_tried_again(
    make: Callable[..., Setting],
) -> None:
    setting = make([1, 2])
    setting.another_campaign("autumn", [2])
    run, epoch = own_lane(setting.ledger, "another team")
    intent = make_intent(3, run, epoch, lane="another team", campaign=2, recipient=recipient(2))
    claim_one(setting.ledger, intent)
    told = setting.drive(idle_after=SLICE_IDLE)
    assert setting.counts() == {"sent": 1, "queued": 1}
    assert due_in(told) == TROUBLE_RETRY
    [why] = stop_reasons(told.lane)
    assert why.startswith("spring: 1 wait for autumn, which may have written to the same people")
    result = Result(3, 1, Evidence.REJECTED, 9.0, "notFound")
    setting.ledger.write(outcomes.record, [result])
    told = setting.drive(idle_after=SLICE_IDLE)
    assert setting.counts() == {"sent": 2}
    assert (due_in(told), stop_reasons(told.lane)) == (None, [])


def test_a_lane_that_waits_for_its_own_doubt_rests_until_a_person_has_settled_it(
    make: Callable[..., Setting],
) -> None:
    setting = make([1, 2])
    other = with_another(setting, range(2, 3))
    setting.ledger.write(bound_team.bind, other, ORIGIN, LANE)
    handed_in(setting, at=0.0)
    doubt = InDoubt("sendUnconfirmed", message_id="m1")
    setting.api.script = for_person("2", doubt)
    told = setting.drive(idle_after=SLICE_IDLE)
    assert setting.counts() == {"sent": 1, "queued": 1}
    assert due_in(told) is None
    setting.ledger.write(submissions.postpone, LANE, 1, None)
    row = setting.ledger.read(registry.find_campaign, "autumn")
    assert row is not None
    assert setting.ledger.read(submissions.due_lanes, math.inf) == []
    resolution.resolve(setting.ledger, row, told.lane.clock, sent=["2"], by="ada", via="cli")
    assert [each.lane for each in setting.ledger.read(submissions.due_lanes, math.inf)] == [LANE]


def test_what_stopped_a_lane_while_it_was_driven_is_told(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 41))
    assert stop_reasons(setting.drive(limit=1).lane) == []
    setting.api.script = lambda *_: Rejected("notFound")
    [guarded] = stop_reasons(setting.drive(idle_after=SLICE_IDLE).lane)
    assert guarded.startswith("spring was stopped by its guard")
    setting.api.script = lambda *_: Deferred("unauthorized", stop="no token", scope=Scope.LANE)
    assert stop_reasons(setting.drive(idle_after=SLICE_IDLE).lane) == ["no token"]


def test_a_worker_that_is_told_to_end_while_it_asks_who_it_is_begins_no_lane(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    async def authenticate(self: WorkerLanes, *_: object) -> Any:
        self.drain()
        team = SimpleNamespace(open_lane=lambda *args, **_: begun.append(args), close=no_end)
        return team, [], []

    monkeypatch.setattr(WorkerLanes, "_runnable", lambda *_: ([SimpleNamespace()], []))
    monkeypatch.setattr(WorkerLanes, "_authenticate", authenticate)

    async def drive(clock: VirtualClock) -> None:
        await WorkerLanes(make().ledger, 1, clock, EventBus(), {})._drive(LANE)

    run_virtually(drive)
    assert begun == []


def test_a_guard_counts_over_slices_until_somebody_lets_its_campaign_go_on(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 41))
    submission = handed_in(setting, at=0.0)

    def slice_of_one(lane: Lane, _clock: VirtualClock) -> None:
        guard = restore_guard(setting.ledger, submission, lane.campaigns[setting.campaign].guard)
        lane.stops.guards = {setting.campaign: guard}

    setting.before = slice_of_one
    setting.drive(limit=1)
    setting.api.script = lambda *_: Rejected("notFound")
    lanes = [setting.drive(limit=1).lane for _ in range(GuardLimits().consecutive_failures or 0)]
    assert [bool(lane.stops.campaigns) for lane in lanes] == [False] * 9 + [True]
    setting.ledger.write(brakes.release, setting.campaign, lanes[-1].clock.now(), "ada")
    assert not setting.drive(limit=1).lane.stops.campaigns


def test_lanes_that_are_due_at_once_start_one_after_another(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    starting: list[int] = []

    async def open_lane(*_: object, **__: object) -> None:
        starting.append(len(starting) + 1)
        assert starting == [1]
        await asyncio.sleep(1.0)
        starting.clear()
        raise RunnerError("enough is known")

    async def authenticate(*_: object) -> Any:
        return SimpleNamespace(open_lane=open_lane, close=no_end), [], []

    async def start(clock: VirtualClock) -> list[BaseException | None]:
        driving = WorkerLanes(make().ledger, 1, clock, EventBus(), {})
        lanes = [driving._drive(f"lane {number}") for number in range(3)]
        return await asyncio.gather(*lanes, return_exceptions=True)

    monkeypatch.setattr(WorkerLanes, "_runnable", lambda *_: ([SimpleNamespace()], []))
    monkeypatch.setattr(WorkerLanes, "_authenticate", authenticate)
    assert [str(each) for each in run_virtually(start)] == ["enough is known"] * 3


MakeSlices = Callable[..., list[float]]
"""Drives lanes without end, and returns after how many seconds each slice ended."""


@pytest.fixture
def make_slices(make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch) -> MakeSlices:
    lane = make(range(1, 3)).drive(limit=0).lane

    def make_slices(
        wanted: Callable[[int], bool] = lambda _asked: False,
        *,
        lanes: int = 1,
        keeps: bool = True,
        stopped: bool = False,
    ) -> list[float]:
        asked: list[int] = []

        def is_wanted(*_: object, **__: object) -> bool:
            asked.append(len(asked) + 1)
            return wanted(len(asked))

        async def drive(clock: VirtualClock) -> list[float]:
            worker = WorkerLanes(lane.ledger, lane.run, clock, EventBus(), {})

            async def end(number: int) -> float:
                driven = replace(lane, id=f"team {number}", clock=clock)
                worker.seen[driven.id] = 1
                if stopped:
                    driven.stops.senders["a"] = "gone"
                await worker._end_slice(driven, keeps=keeps)
                assert driven.stops.is_draining
                return clock.boot()

            return await asyncio.gather(*(end(number) for number in range(lanes)))

        monkeypatch.setattr(handover, "is_wanted", is_wanted)
        return run_virtually(drive)

    return make_slices


def test_a_lane_that_nobody_else_wants_is_kept_as_long_as_its_token_is_believed(
    make_slices: MakeSlices,
) -> None:
    [ended] = make_slices()
    assert KNOWN_FOR / 2 <= ended <= KNOWN_FOR


def test_lanes_that_begin_together_do_not_end_together(make_slices: MakeSlices) -> None:
    ended = sorted(make_slices(lanes=500))
    busiest = max(sum(at <= each < at + 1.0 for each in ended) for at in ended)
    assert busiest < 10, "of 500 lanes that are taken up one after another"


def test_a_lane_that_is_wanted_is_handed_on_when_its_slice_is_over(
    make_slices: MakeSlices,
) -> None:
    [first] = make_slices(lambda _asked: True)
    assert SLICE / 2 <= first <= SLICE
    [second] = make_slices(lambda asked: asked == 2)
    assert second == first + SLICE


def test_room_is_made_for_a_lane_that_waits_only_while_every_slot_is_taken(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each lane that is handed on would make others be handed on, while it is taken up."""
    asked: list[list[str]] = []

    def is_wanted(*_: object, token_envs: list[str], **__: object) -> bool:
        asked.append(token_envs)
        return False

    monkeypatch.setattr(handover, "is_wanted", is_wanted)
    lane = make(range(1, 3)).drive(limit=0).lane
    environ = {"ACME": "t", "EMPTY": ""}
    worker = WorkerLanes(
        lane.ledger, lane.run, lane.clock, EventBus(), environ, slots=2, seen={LANE: 1}
    )
    for busy in ({LANE}, {LANE, "team 2"}):
        worker.busy = busy
        assert not worker._is_wanted(lane)
    assert asked == [[], ["ACME"]]


def test_a_lane_of_which_not_all_goes_on_is_handed_on_so_that_it_is_told(
    make_slices: MakeSlices,
) -> None:
    for ended in (make_slices(keeps=False), make_slices(stopped=True)):
        assert SLICE / 2 <= ended[0] <= SLICE


def test_a_lane_whose_ledger_cannot_be_read_is_handed_on(make_slices: MakeSlices) -> None:
    def fail(_asked: int) -> bool:
        raise LedgerError("the connection is gone")

    [ended] = make_slices(fail)
    assert ended <= SLICE


def test_a_lane_that_waits_is_kept_for_longer_while_slots_are_free(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = make(range(1, 3)).drive(limit=0).lane
    asked: list[float] = []

    async def open_lane(*_: object, idle_after: float) -> Lane:
        asked.append(idle_after)
        return lane

    monkeypatch.setattr(WorkerLanes, "_guards", lambda *_: {})
    team = cast(Any, SimpleNamespace(open_lane=open_lane))
    for slots, busy in ((10, 5), (10, 6), (1, 1)):
        worker = WorkerLanes(lane.ledger, lane.run, lane.clock, EventBus(), {}, slots=slots)
        worker.busy = {f"team {number}" for number in range(busy)}
        asyncio.run(worker._take_up(lane.id, team, []))
    assert asked == [IDLE_WITH_ROOM, SLICE_IDLE, SLICE_IDLE]


class OtherThreads:
    """A ledger that the thread of an event loop must not wait for."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.loops_thread = threading.get_ident()
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def read(self, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._off_the_loop(self.ledger.read, view, *args, **kwargs)

    def write(self, move: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._off_the_loop(self.ledger.write, move, *args, **kwargs)

    async def commit(self, _batch: Callable[..., Any], _item: Any) -> bool:
        return True  # locks of PostgreSQL, which its writer's thread takes

    def _off_the_loop(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        assert threading.get_ident() != self.loops_thread, args[0].__name__
        self.calls.append(args[0].__name__)
        return call(*args, **kwargs)


def test_the_loop_waits_for_no_ledger_while_a_lane_is_taken_up_or_left(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = make(range(1, 3))
    handed_in(setting, at=5.0, file=FILE)
    lane = setting.drive(limit=1).lane
    ledger = OtherThreads(setting.ledger)

    async def open_lane(*_: object, **__: object) -> Lane:
        taken = replace(lane, ledger=cast(Ledger, ledger))
        await restore_limits(taken)
        return taken

    async def driven(_lane: Lane) -> None:
        assert "past_sends" in ledger.calls

    async def authenticate(_self: WorkerLanes, _id: str, handed: list[SubmittedCampaign]) -> Any:
        return SimpleNamespace(open_lane=open_lane, taggers=[], close=no_end), handed, []

    @contextlib.asynccontextmanager
    async def obeyed(*_: object, **__: object) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(WorkerLanes, "_authenticate", authenticate)
    monkeypatch.setattr(lane_slice, "drive_lane", driven)
    monkeypatch.setattr(LiveControls, "obeyed_by", obeyed)
    driving = WorkerLanes(cast(Ledger, ledger), lane.run, SystemClock(), EventBus(), {})
    asyncio.run(driving.drive(LANE))
    assert {"of_lane", "postpone"} <= set(ledger.calls)
    [left] = setting.ledger.read(lane_status.lane_rows)
    assert left.trouble == ""


def test_what_asks_the_api_is_closed_where_the_ledger_fails_once_a_lane_is_taken(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = make(range(1, 3))
    handed_in(setting, at=5.0, file=FILE)
    lane = setting.drive(limit=1).lane
    closed = []

    async def open_lane(*_: object, **__: object) -> Lane:
        return lane

    async def authenticate(_self: WorkerLanes, _id: str, handed: list[SubmittedCampaign]) -> Any:
        return SimpleNamespace(open_lane=open_lane, taggers=[], close=close), handed, []

    async def close() -> None:
        closed.append(True)

    def fail(*_: object) -> None:
        raise LedgerError("the connection is gone")

    monkeypatch.setattr(WorkerLanes, "_authenticate", authenticate)
    monkeypatch.setattr(WorkerLanes, "_guards", fail)
    ledger = cast(Ledger, OtherThreads(setting.ledger))
    driving = WorkerLanes(ledger, lane.run, SystemClock(), EventBus(), {})
    with pytest.raises(LedgerError, match="gone"):
        asyncio.run(driving.drive(LANE))
    assert closed == [True]


def test_a_start_that_no_worker_was_there_for_is_asked_about(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 3))
    submission = handed_in(setting, at=1000.0)._replace(next_at=50_000.0)
    hours = Hours("UTC", begins=50_000.0)

    def missed(at: float, **changes: Any) -> str:
        return missed_start_reason(
            setting.ledger, submission._replace(**changes), hours, 3600.0, at
        )

    assert missed(53_000.0) == ""
    assert missed(54_000.0).startswith("it was to start at 1970-01-01")
    assert missed(54_000.0, next_at=53_900.0) == ""  # it was driven meanwhile: a limit kept it
    assert missed(54_000.0, submitted_at=53_900.0) == ""  # somebody has said so
    setting.drive(limit=1)
    assert missed(54_000.0) == ""


def test_a_sender_that_cannot_send_is_written_down_once_and_not_with_each_slice(
    make: Callable[..., Setting],
) -> None:
    def offline(lane: Lane, _clock: VirtualClock) -> None:
        lane.stops.stop_sender(SENDER, "offline")

    setting = make(before=offline)
    for _ in range(3):
        setting.drive(idle_after=SLICE_IDLE)
    with setting.ledger.reading() as connection:
        kinds = connection.execute(select(schema.brake.c.kind)).scalars().all()
    assert kinds == ["stopped"]
    setting.before = lambda *_: None
    setting.drive(idle_after=SLICE_IDLE)
    assert setting.counts() == {"sent": 10}
    assert setting.ledger.read(brakes.stopped_senders, [SENDER]) == {}


def test_a_campaign_whose_variable_this_host_has_not_keeps_no_other_of_its_team(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    def campaign(variable: str) -> Any:
        senders: list[Sender] = []
        name = variable.lower()
        api = SimpleNamespace(token_env=variable)
        return SimpleNamespace(campaign=SimpleNamespace(name=name, api=api, senders=senders))

    async def identity_of(*_: object) -> TokenIdentity:
        return TokenIdentity(LANE, ORIGIN, LANE, "Acme", [], [], 0.0)

    monkeypatch.setattr(WorkerLanes, "_identity_of", identity_of)
    there, missing = campaign("THERE"), campaign("MISSING")

    async def ask(clock: VirtualClock) -> tuple[list[Any], list[str]]:
        driving = WorkerLanes(make().ledger, 1, clock, EventBus(), {"THERE": "token"})
        _, fit, left_out = await driving._authenticate(LANE, [missing, there])
        with pytest.raises(RunnerError, match="MISSING is not set"):
            await driving._authenticate(LANE, [missing])
        return list(fit), left_out

    assert run_virtually(ask) == ([there], ["missing: MISSING is not set on this host"])


def test_who_came_back_into_the_queue_is_told_to_wait_for_a_plan(
    make: Callable[..., Setting],
) -> None:
    setting = make()
    setting.api.script = for_person("2", Rejected("blocked", ""))
    lane = setting.drive(idle_after=SLICE_IDLE).lane
    assert setting.counts() == {"sent": 9, "rejected": 1}
    setting.ledger.write(decisions.retry, RetryRequest(setting.campaign))
    assert stop_reasons(lane) == [
        "spring: 1 came back into the queue and wait to be planned: submit it again"
    ]


def test_a_lane_that_ends_in_a_bug_is_left_alone_and_ends_no_worker(
    make: Callable[..., Setting], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = make(range(1, 3))
    handed_in(setting, at=5.0)
    lane = setting.drive(limit=0).lane
    driving = WorkerLanes(setting.ledger, lane.run, lane.clock, EventBus(), {}, seen={LANE: 1})
    asyncio.run(driving.give_up(LANE, ZeroDivisionError("of ours")))
    [row] = setting.ledger.read(lane_status.lane_rows)
    assert row.trouble.startswith("a bug (ZeroDivisionError)")
    assert row.next_at == lane.clock.now() + KNOWN_FOR
    assert "ZeroDivisionError: of ours" in capsys.readouterr().err
