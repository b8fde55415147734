"""A lane driven in virtual time against a scripted API: dispatch, settling, stops, crashes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from runner.errors import Fenced, ForeignKeyUse
from runner.ledger import lanes
from runner.ledger.messages import claims
from runner.message.outcome import (
    KEY_REUSED,
    SEND_BY,
    TOO_LATE,
    Accepted,
    Deferred,
    InDoubt,
    Outcome,
    Rejected,
    Scope,
)
from runner.message.status import MessageStatus
from runner.pacing.windows import DAY
from runner.sending.lane import Lane
from tests.lane import Setting, for_person
from tests.pacing import sender
from tests.support import LANE, SENDER, attempts_of, make_intent, own_lane
from tests.virtual import (
    ScriptedApi,
    VirtualClock,
)

S = MessageStatus


def test_everyone_is_written_to_once_in_plan_order(make: Callable[..., Setting]) -> None:
    setting = make([5, 3, 9, 1], concurrency=1)
    told = setting.drive()
    assert setting.api.accepted == ["5", "3", "9", "1"]
    assert setting.counts() == {"sent": 4}
    assert len(told.named("sent")) == 4
    setting.drive()
    assert len(setting.api.sends) == 4


def test_the_gap_of_a_sender_is_kept(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 6), senders=[sender(SENDER, gap=180.0)])
    setting.drive()
    times = [at for at, _ in setting.api.sends]
    assert [later - at for at, later in itertools.pairwise(times)] == [pytest.approx(180.1)] * 4


def test_a_restart_keeps_the_gap(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 3), senders=[sender(SENDER, gap=5000.0)])
    setting.drive(limit=1)
    setting.drive()
    assert setting.api.sends[1][0] == pytest.approx(4000.0, abs=5.0)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_lost_answer_is_asked_again_with_the_same_bytes(
    make: Callable[..., Setting], accepted: bool
) -> None:
    setting = make([1, 2])
    seen: list[tuple[bytes, str]] = []
    lost = for_person("1", InDoubt("timeout"), times=2, accept=accepted)

    def script(api: ScriptedApi, person: str, body: bytes, key: str) -> Outcome | None:
        if person == "1":
            seen.append((body, key))
        outcome: Outcome | None = lost(api, person, body, key)
        return outcome

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 2}
    assert sorted(setting.api.accepted) == ["1", "2"]
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_refused_repeat_does_not_disprove_the_first(make: Callable[..., Setting]) -> None:
    setting = make([1])
    no: list[Outcome] = [Rejected("recipientUnavailable") for _ in range(19)]
    answers = iter([InDoubt("timeout"), *no])

    def script(*_: object) -> Outcome:
        return next(answers)

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"in_doubt": 1}


def test_without_a_key_a_lost_answer_is_only_looked_up(make: Callable[..., Setting]) -> None:
    setting = make([1, 2, 3], api=ScriptedApi(idempotent=False))
    setting.api.script = for_person("2", InDoubt("timeout"), accept=True)
    told = setting.drive()
    assert setting.counts() == {"sent": 3}
    assert setting.api.doubled == []
    assert told.took == pytest.approx(120.0, abs=5.0)


@pytest.mark.parametrize(
    ("absent", "counts", "sent"),
    [("hold", {"sent": 1, "in_doubt": 1}, ["1"]), ("resend", {"sent": 2}, ["1", "2"])],
)
def test_absence_is_decided_by_the_campaign(
    make: Callable[..., Setting], absent: str, counts: dict[str, int], sent: list[str]
) -> None:
    setting = make([1, 2], api=ScriptedApi(idempotent=False), absent=absent)
    setting.api.script = for_person("2", InDoubt("timeout"))
    setting.drive()
    setting.plan_again()
    setting.drive()
    assert setting.counts() == counts
    assert setting.api.accepted == sent


def test_a_network_that_is_down_fails_nobody(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 21))
    down = Deferred("network", "refused", written=False, scope=Scope.LANE)

    def outage(api: ScriptedApi, *_: object) -> Outcome | None:
        return down if api.sends[-1][0] < 600.0 else None

    setting.api.script = outage
    told = setting.drive()
    assert setting.counts() == {"sent": 20}
    assert told.took < 700.0
    assert len(setting.api.sends) < 120  # it waited, it did not hammer


def test_a_request_limit_holds_everyone_back(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 11), concurrency=1)
    setting.api.script = for_person("3", Deferred("rateLimited", after=30.0, scope=Scope.LANE))
    setting.drive()
    assert setting.counts() == {"sent": 10}
    times = [at for at, _ in setting.api.sends]
    assert max(later - at for at, later in itertools.pairwise(times)) >= 30.0


def test_attempts_that_the_platform_refuses_run_out(make: Callable[..., Setting]) -> None:
    setting = make([1], attempts=3)
    setting.api.script = for_person(
        "1", Deferred("platformRateLimited", after=60.0, scope=Scope.SENDER), times=9
    )
    setting.drive()
    assert setting.counts() == {"failed": 1}
    assert len(setting.api.sends) == 3


def test_a_refused_token_stops_the_lane_and_leaves_the_queue(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 50))
    setting.api.script = for_person("2", Deferred("unauthorized", scope=Scope.LANE, stop="token"))
    told = setting.drive()
    assert told.lane.stops.lane == "token"
    counts = setting.counts()
    assert counts["queued"] >= 49 - 4 - 1
    assert counts["queued"] + counts["sent"] == 49


def test_a_sender_that_is_cut_off_waits_alone(make: Callable[..., Setting]) -> None:
    setting = make([1, 2, 3])
    setting.api.script = for_person(
        "1", Deferred("accountLinkDisconnected", scope=Scope.SENDER, stop="reconnect"), times=9
    )
    told = setting.drive()
    assert told.lane.stops.senders == {SENDER: "reconnect"}
    assert "queued" in setting.counts()


def test_many_failures_in_a_row_stop_the_lane(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 100), concurrency=64)
    setting.api.script = lambda *_: Rejected("recipientUnavailable")
    told = setting.drive()
    assert [brake.kind for brake in told.lane.stops.campaigns.values()] == ["guarded"]
    rejected = setting.counts()["rejected"]
    assert rejected == 10


def test_one_message_that_fails_again_and_again_stops_nobody_else(
    make: Callable[..., Setting],
) -> None:
    setting = make([1, 2], senders=[sender(SENDER, gap=2000.0)])
    setting.api.script = for_person("1", InDoubt("http_504"), times=99)
    told = setting.drive()
    assert not told.lane.stops.lane
    assert setting.counts() == {"in_doubt": 1, "sent": 1}


@pytest.mark.slow
def test_one_message_that_is_always_limited_ends(make: Callable[..., Setting]) -> None:
    setting = make([1, 2], concurrency=1)
    limited = Deferred("rateLimited", after=1800.0, scope=Scope.LANE)
    setting.api.script = for_person("1", limited, times=10**6)
    told = setting.drive()
    assert setting.counts() == {"failed": 1, "sent": 1}
    assert told.took < 2 * DAY


def test_a_storm_of_429s_fails_nobody(make: Callable[..., Setting]) -> None:
    setting = make([1, 2, 3])
    left = [60]

    def storm(_api: ScriptedApi, *_: object) -> Outcome | None:
        left[0] -= 1
        return Deferred("rateLimited", after=1.0, scope=Scope.LANE) if left[0] > 0 else None

    setting.api.script = storm
    setting.drive()
    assert setting.counts() == {"sent": 3}


def test_a_rejection_now_and_then_stops_nothing(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 100), concurrency=16)

    def every_sixth(_api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        return Rejected("recipientUnavailable") if int(person) % 6 == 0 else None

    setting.api.script = every_sixth
    told = setting.drive()
    assert not told.lane.stops.lane
    assert setting.counts() == {"sent": 83, "rejected": 16}


def test_a_process_that_was_frozen_does_not_send(make: Callable[..., Setting]) -> None:
    setting = make([1, 2], concurrency=1)

    def freeze_at_the_first_intent(lane: Lane, clock: VirtualClock) -> None:
        commit = lane.ledger.commit

        async def freezing(batch: Any, item: Any, within: float = 0.0) -> Any:
            result = await commit(batch, item, within)
            if batch is claims.claim and not clock.frozen:
                clock.frozen = SEND_BY + 1.0
            return result

        lane.ledger.commit = freezing  # type: ignore[method-assign]  # the freeze

    setting.before = freeze_at_the_first_intent
    setting.drive()
    assert setting.counts() == {"sent": 2}
    assert sorted(person for _, person in setting.api.sends) == ["1", "2"]
    outcomes = [
        (each.recipient, each.evidence)
        for each in setting.ledger.read(attempts_of, setting.campaign)
    ]
    assert outcomes == [("1", "not_written"), ("1", "accepted"), ("2", "accepted")]


def test_a_replaced_owner_sends_nothing_more(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 11), concurrency=1)

    def replaced(api: ScriptedApi, person: str, _body: bytes, _key: str) -> None:
        if person == "3":
            run = setting.ledger.write(lanes.begin_run, 1.0, "other")
            setting.ledger.write(lanes.take_lane, LANE, run)

    setting.api.script = replaced
    with pytest.raises(Fenced):
        setting.drive()
    assert setting.api.accepted == ["1", "2", "3"]
    assert setting.counts() == {"sent": 3, "queued": 7}


@pytest.mark.parametrize("foreign", [Accepted("m0", "t", replay=True), InDoubt(KEY_REUSED)])
def test_a_key_used_by_another_ledger_stops_until_adopted(
    make: Callable[..., Setting], foreign: Outcome
) -> None:
    setting = make([1, 2, 3], concurrency=1)
    setting.api.script = for_person("1", foreign, times=9)
    with pytest.raises(ForeignKeyUse):
        setting.drive()
    assert setting.api.accepted == []
    setting.drive(only=frozenset({"none"}))
    setting.drive(adopt=True)
    assert setting.counts() == {"sent": 3}
    assert setting.api.accepted == ["2", "3"]


@pytest.mark.parametrize("foreign", [Accepted("m0", "t", replay=True), InDoubt(KEY_REUSED)])
def test_what_was_never_written_is_no_first_use_of_a_key(
    make: Callable[..., Setting], foreign: Outcome
) -> None:
    setting = make([1], concurrency=1)

    def script(api: ScriptedApi, *_: object) -> Outcome:
        late = Deferred(TOO_LATE, "not written before its deadline", written=False)
        return late if len(api.sends) == 1 else foreign

    setting.api.script = script
    with pytest.raises(ForeignKeyUse):
        setting.drive()
    setting.drive(adopt=True)
    assert setting.counts() == {"sent": 1}


def test_a_limit_counts_messages_not_tries(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 11), concurrency=3)
    setting.api.script = for_person(
        "1", Deferred("platformRateLimited", after=1.0, scope=Scope.SENDER)
    )
    setting.drive(limit=4)
    assert setting.counts() == {"sent": 4, "queued": 6}


def test_only_some_are_sent(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 6))
    setting.drive(only=frozenset({"2", "4"}))
    assert sorted(setting.api.accepted) == ["2", "4"]


def test_an_idle_end_does_not_wait(make: Callable[..., Setting]) -> None:
    setting = make([1, 2], senders=[sender(SENDER, gap=3600.0)])
    told = setting.drive(idle_after=600.0)
    assert setting.counts() == {"sent": 1, "queued": 1}
    assert told.took < 5.0


def test_a_drain_finishes_what_is_under_way(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 30), concurrency=4)
    held: list[Lane] = []
    setting.before = lambda lane, _clock: held.append(lane)

    def draining(api: ScriptedApi, *_: object) -> None:
        if len(api.sends) == 6:
            held[0].stops.drain()

    setting.api.script = draining
    setting.drive()
    counts = setting.counts()
    assert set(counts) == {"sent", "queued"}
    assert counts["sent"] == len(setting.api.accepted) < 12


def test_two_campaigns_do_not_write_to_one_person_at_once(make: Callable[..., Setting]) -> None:
    setting = make([1])
    setting.another_campaign("summer", [1])
    run, epoch = own_lane(setting.ledger)
    intents = [make_intent(number, run, epoch) for number in (1, 2)]
    claimed = setting.ledger.write(claims.claim, intents)
    assert claimed == [1, claims.NotClaimed.MOVED]
