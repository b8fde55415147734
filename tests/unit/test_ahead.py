"""Sends that are begun ahead, so that the wire never waits for the disk: how many, and when not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from runner.errors import Fenced
from runner.ledger import lanes as ledger_lanes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.ledger.doubts import orphans
from runner.ledger.messages.claims import claim
from runner.ledger.messages.outcomes import record
from runner.message.outcome import SEND_BY, Deferred, InDoubt, Outcome, Rejected, Scope
from runner.message.status import MessageStatus
from runner.sending.controls.guard import CampaignGuard, GuardLimits
from runner.sending.lane import Lane
from tests.lane import Setting
from tests.pacing import sender
from tests.support import LANE, SENDER, attempts_of
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
            lanes[0].stops.stop_campaign(setting.campaign, Brake(BrakeKind.PAUSED, 0.0, "ada"))
        return None

    setting.before, setting.api.script = before, script
    setting.drive()
    assert len(setting.api.sends) == 20
    assert setting.counts() == {"sent": 20, "queued": 19}


GAP = 0.2


def paced(make: Callable[..., Setting], rows: int, **more: object) -> Setting:
    """People of whom one is written to every `GAP` seconds after the answer before."""
    return make(range(1, 1 + rows), senders=[sender(SENDER, gap=GAP)], **more)


def commits_of(setting: Setting) -> list[tuple[float, object, float]]:
    """When a drive hands what over to be committed, and within how many seconds it has to be."""
    told: list[tuple[float, object, float]] = []

    def before(lane: Lane, clock: VirtualClock) -> None:
        commit = lane.ledger.commit

        async def noting(batch: Any, item: Any, within: float = 0.0) -> Any:
            told.append((clock.boot(), batch, within))
            return await commit(batch, item, within)

        lane.ledger.commit = noting  # type: ignore[method-assign]  # to look at it

    setting.before = before
    setting.drive()
    return told


def test_a_paced_message_is_begun_together_with_the_outcome_before_it(
    make: Callable[..., Setting],
) -> None:
    setting = paced(make, 10)
    told = commits_of(setting)
    outcomes = [(at, within) for at, batch, within in told if batch is record]
    claims = [(at, within) for at, batch, within in told if batch is claim]
    for (recorded, _), (claimed, within) in list(zip(outcomes, claims[1:], strict=False))[1:]:
        assert recorded == claimed
        assert GAP - 0.1 < within < GAP  # in time for the next
    assert all(0 < within <= GAP for _, within in outcomes[1:-1])
    times = [at for at, _ in setting.api.sends]
    gaps = [later - at - setting.api.latency for at, later in itertools.pairwise(times)]
    assert all(GAP <= gap + 1e-9 < GAP + 0.01 for gap in gaps[1:])
    assert setting.counts() == {"sent": 10}


def test_without_a_key_a_paced_message_is_begun_when_it_may_go(
    make: Callable[..., Setting],
) -> None:
    told = commits_of(paced(make, 5, api=ScriptedApi(idempotent=False)))
    assert all(within <= 0 for _, _, within in told)


def test_what_hurries_never_waits_for_others_to_share_its_commit(
    make: Callable[..., Setting],
) -> None:
    told = commits_of(make(range(1, 40), concurrency=ON_THE_WIRE))
    assert all(within <= 0 for _, _, within in told)


@pytest.mark.parametrize("moment", [0.01, 0.1, GAP - 0.01])
def test_a_paced_message_that_is_begun_does_not_go_after_a_word_to_pause(
    make: Callable[..., Setting], moment: float
) -> None:
    setting = paced(make, 10)

    def pause(lane: Lane) -> None:
        brake = Brake(BrakeKind.PAUSED, 0.0, "ada")
        loop = asyncio.get_running_loop()
        wait = setting.api.latency + moment
        loop.call_later(wait, lane.stops.stop_campaign, setting.campaign, brake)

    watch(setting, lambda api: len(api.sends) == 5, pause)
    setting.drive()
    assert len(setting.api.sends) == 5
    assert setting.counts() == {"sent": 5, "queued": 5}


STALL = 60.0


def stall_from(setting: Setting, nth: int) -> None:
    """From the `nth` send on nothing is answered before its timeout, for once."""

    def script(api: ScriptedApi, _person: str, _body: bytes, _key: str) -> Outcome | None:
        stalls = nth <= len(api.sends) < nth + ON_THE_WIRE
        api.latency = STALL if stalls else 0.1
        return InDoubt("timeout") if stalls else None

    setting.api.script = script


def evidence(setting: Setting) -> list[str]:
    return [each.evidence for each in setting.ledger.read(attempts_of, setting.campaign)]


def watch(setting: Setting, at: Callable[[ScriptedApi], bool], act: Callable[[Lane], None]) -> None:
    """Do `act` to the lane right before the send at which `at` first holds is answered."""
    lanes: list[Lane] = []
    setting.before = lambda lane, _clock: lanes.append(lane)
    before, done = setting.api.script, list[bool]()

    def script(api: ScriptedApi, person: str, body: bytes, key: str) -> Outcome | None:
        if at(api) and not done:
            done.append(True)
            act(lanes[0])
        return before(api, person, body, key) if before else None

    setting.api.script = script


def test_what_waits_in_vain_is_given_back_in_time_and_no_more_is_begun_ahead(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 30), concurrency=ON_THE_WIRE)
    stall_from(setting, 10)
    seen: list[tuple[int, int]] = []

    def look(lane: Lane) -> None:
        def now() -> None:
            counts = setting.counts()
            seen.append((counts[MessageStatus.SENDING], lane.in_flight.count))

        loop = asyncio.get_running_loop()
        loop.call_later(SEND_BY - 1.0, now)
        loop.call_later(SEND_BY + 1.0, now)
        loop.call_later(STALL - 1.0, now)

    watch(setting, lambda api: len(api.sends) == 9 + ON_THE_WIRE, look)
    setting.drive()
    assert seen == [(2 * ON_THE_WIRE,) * 2, (ON_THE_WIRE,) * 2, (ON_THE_WIRE,) * 2]
    assert evidence(setting).count("not_written") == ON_THE_WIRE
    assert setting.counts() == {"sent": 29}
    assert not setting.api.doubled


@pytest.mark.parametrize(
    "act",
    [
        lambda lane: lane.stops.drain(),
        lambda lane: lane.stops.stop_lane("the token was refused"),
        lambda lane: lane.stops.stop_sender(SENDER, "it is offline"),
        lambda lane: lane.stops.fail(RuntimeError("the disk is full")),
    ],
    ids=["drain", "stop", "stop the sender", "fail"],
)
def test_what_must_not_go_is_given_back_before_the_wire_is_free(
    make: Callable[..., Setting], act: Callable[[Lane], None]
) -> None:
    setting = make(range(1, 30), concurrency=ON_THE_WIRE)
    stall_from(setting, 10)
    seen: list[dict[str, int]] = []

    def end(lane: Lane) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, act, lane)
        loop.call_later(1.5, lambda: seen.append(setting.counts()))

    watch(setting, lambda api: len(api.sends) == 9 + ON_THE_WIRE, end)
    with contextlib.suppress(RuntimeError):
        setting.drive()
    assert seen == [{"sent": 9, "sending": ON_THE_WIRE, "queued": 20 - ON_THE_WIRE}]
    assert len(setting.api.sends) == 9 + ON_THE_WIRE
    assert evidence(setting).count("not_written") == ON_THE_WIRE


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_fail_than_the_guard_allows(make: Callable[..., Setting], most: int) -> None:
    setting = make(range(1, 40), concurrency=1)
    setting.api.script = lambda api, *_: (
        Rejected("recipientUnavailable") if len(api.sends) > 10 else None
    )

    def strict(lane: Lane, _clock: VirtualClock) -> None:
        lane.stops.guards[setting.campaign] = CampaignGuard(GuardLimits(most, None, None))

    setting.before = strict
    setting.drive()
    assert setting.counts() == {"sent": 10, "rejected": most, "queued": 29 - most}


def test_while_the_guard_lets_no_more_fail_the_others_wait_and_are_not_given_back(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 60), concurrency=ON_THE_WIRE)
    setting.api.script = lambda _api, person, *_: (
        Rejected("recipientUnavailable") if person.endswith("5") else None
    )

    def strict(lane: Lane, _clock: VirtualClock) -> None:
        lane.stops.guards[setting.campaign] = CampaignGuard(GuardLimits(2, None, None))

    setting.before = strict
    setting.drive()
    assert setting.counts() == {"sent": 53, "rejected": 6}
    assert "not_written" not in evidence(setting)


def test_a_limit_is_kept_and_reached(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 40), concurrency=ON_THE_WIRE)
    stall_from(setting, 10)
    setting.drive(limit=20)
    assert setting.counts() == {"sent": 20, "queued": 19}


def test_a_sender_keeps_its_pause(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 8), senders=[sender(SENDER, gap=2.0)], concurrency=ON_THE_WIRE)
    setting.drive()
    times = [at for at, _ in setting.api.sends]
    pauses = [after - at for at, after in itertools.pairwise(times)]
    assert len(pauses) == 6
    assert min(pauses) >= 2.0


def test_what_the_next_run_has_repeated_is_no_other_ledgers(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 5), concurrency=1)

    def taken_over(api: ScriptedApi, person: str, _body: bytes, key: str) -> None:
        if person == "4":
            run = setting.ledger.write(ledger_lanes.begin_run, 1.0, "other")
            setting.ledger.write(ledger_lanes.take_lane, LANE, run)
            setting.ledger.write(orphans.recover_orphaned, LANE, 1.0)
            api.accept(person, key)  # the other's repeat comes first

    setting.api.script = taken_over
    with pytest.raises(Fenced):
        setting.drive()
    assert not setting.api.doubled
