"""The guard's arithmetic, and what it stops: a lane with several campaigns, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from runner.campaign.loader import load_campaign
from runner.errors import CampaignError
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.ledger.queries import totals
from runner.message.outcome import Deferred, InDoubt, Outcome, Rejected, Scope
from runner.message.status import MessageStatus
from runner.sending.controls.guard import CampaignGuard, GuardLimits
from runner.sending.lane import Lane
from tests.lane import Setting, with_another
from tests.pacing import limits, sender
from tests.support import SENDER
from tests.virtual import ScriptedApi, VirtualClock

S = MessageStatus
NONE = GuardLimits(None, None, None, None)


def guard(**limits: Any) -> CampaignGuard:
    return CampaignGuard(
        GuardLimits(
            **{"consecutive_failures": None, "failure_rate": None, "in_doubt": None} | limits
        )
    )


def test_failures_in_a_row_are_those_since_the_last_success() -> None:
    watch = guard(consecutive_failures=3)
    for message in (1, 2):
        assert watch.count_failed(message, in_doubt=False)
    assert not watch.count_failed(2, in_doubt=True)  # the same one again
    assert (watch.stop_reason(), watch.failures_left) == ("", 1)
    watch.count_accepted(3)
    assert watch.failures_left is None
    for message in (4, 5, 6):
        watch.count_failed(message, in_doubt=False)
    assert watch.stop_reason().startswith("3 messages in a row")


def test_a_rate_says_nothing_of_few_messages_and_forgets_old_ones() -> None:
    watch = guard(failure_rate=0.2)
    for message in range(10):
        watch.count_failed(message, in_doubt=False)
    for message in range(10, 19):
        watch.count_accepted(message)
    assert not watch.stop_reason()  # 10 of 19
    watch.count_accepted(19)
    assert watch.stop_reason().startswith("10 of the last 20 messages")
    for message in range(20, 60):
        watch.count_accepted(message)
    assert (
        not watch.stop_reason()
    )  # none of the last 40, and of the 10 before them half are forgotten
    assert watch.failures_left is None


def test_one_that_was_in_doubt_and_is_sent_is_no_failure() -> None:
    watch = guard(failure_rate=0.2, in_doubt=3)
    for message in range(16):
        watch.count_accepted(message)
    for message in (16, 17):
        watch.count_failed(message, in_doubt=True)
    assert watch.failures_left == 1  # of the doubts, though the rate would let more fail
    watch.count_settled(16, sent=True)
    assert watch.failures_left == 2
    for message in (18, 19):
        watch.count_failed(message, in_doubt=True)
    assert watch.stop_reason() == "3 messages of this run are in doubt"
    watch.count_settled(17, sent=False)
    assert not watch.stop_reason()  # 3 of 20 failed


def test_what_is_switched_off_stops_nothing() -> None:
    watch = guard()
    for message in range(200):
        watch.count_failed(message, in_doubt=True)
    assert (watch.stop_reason(), watch.failures_left) == ("", None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{}", GuardLimits(10, 0.2, 50)),
        (
            "{consecutive_failures: none, failure_rate: none, in_doubt: none, opt_out_rate: none}",
            NONE,
        ),
        ("{consecutive_failures: 3, failure_rate: 1, in_doubt: 7}", GuardLimits(3, 1.0, 7)),
        ("{failure_rate: 0.05}", GuardLimits(failure_rate=0.05)),
    ],
)
def test_a_campaign_file_sets_its_guard(
    tmp_path: Path, written: str, expected: GuardLimits
) -> None:
    path = tmp_path / "spring.yaml"
    path.write_text(f"senders: [a]\nprospects: p.csv\nmessage: Hi\nguard: {written}\n")
    assert GuardLimits(**load_campaign(path).guard.model_dump()) == expected


@pytest.mark.parametrize("wrong", ["20%", "1.5", "-0.1", "true", "", "[0.2]"])
def test_a_rate_that_is_no_share_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "spring.yaml"
    path.write_text(
        f"senders: [a]\nprospects: p.csv\nmessage: Hi\nguard: {{failure_rate: {wrong}}}\n"
    )
    with pytest.raises(CampaignError, match=r"spring.yaml:4: guard.failure_rate: is "):
        load_campaign(path)


def refuse_up_to(last: int) -> Callable[..., Outcome | None]:
    def script(_api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        return Rejected("recipientUnavailable") if int(person) <= last else None

    return script


def test_a_guard_stops_its_own_campaign_and_is_kept(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 41), concurrency=8)
    other = with_another(setting, range(101, 141), consecutive_failures=4)
    setting.api.script = refuse_up_to(100)
    told = setting.drive()
    assert setting.counts() == {"queued": 36, "rejected": 4}
    assert setting.ledger.read(totals.counts, other)[S.SENT] == 40
    assert not told.lane.stops.lane
    [event] = told.named("braked")
    assert event.fields()["campaign"] == "spring"
    assert event.fields()["how"] == "guarded"
    [kept] = setting.ledger.read(brakes.active, [setting.campaign, other]).values()
    assert kept.kind is BrakeKind.GUARDED
    assert kept.why.startswith("4 messages in a row were rejected, failed or are in doubt")


def test_a_guard_of_the_rate_stops_what_no_row_of_failures_does(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 100), concurrency=1, api=ScriptedApi(idempotent=False))
    setting.api.script = lambda _api, person, *_: (
        Rejected("recipientUnavailable") if int(person) % 2 else None
    )
    setting.drive()
    assert setting.counts() == {"rejected": 11, "sent": 10, "queued": 78}


def test_a_guard_of_doubt_stops_before_more_are_in_doubt(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 100), concurrency=32, api=ScriptedApi(idempotent=False))
    with_another(setting, range(0), consecutive_failures=None, failure_rate=None, in_doubt=6)
    setting.api.script = lambda *_: InDoubt("timeout")
    setting.drive()
    assert setting.counts() == {"in_doubt": 6, "queued": 93}


def test_a_systemic_refusal_stops_every_campaign(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 20), concurrency=1)
    other = with_another(setting, range(101, 120))
    setting.api.script = lambda *_: Deferred("unauthorized", scope=Scope.LANE, stop="token")
    assert setting.drive().lane.stops.lane == "token"
    assert setting.ledger.read(totals.counts, other)[S.QUEUED] == 19


def test_campaigns_of_one_sender_take_turns(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 11), concurrency=1, senders=[sender(SENDER, gap=10.0)])
    with_another(setting, range(101, 111))
    setting.drive()
    order = [int(person) for _, person in setting.api.sends]
    assert order[:6] == [1, 101, 2, 102, 3, 103]
    assert sorted(order) == [*range(1, 11), *range(101, 111)]


def test_campaigns_share_the_team_however_many_senders_they_have(
    make: Callable[..., Setting],
) -> None:
    others = [sender(f"s{number}") for number in range(5)]
    setting = make(range(1, 61), senders=[sender(SENDER), *others], limits=limits(per_minute=10))
    with setting.ledger.writing() as connection:
        connection.execute(text("UPDATE message SET sender = 's' || (id % 5)"))
    with_another(setting, range(101, 161))
    setting.drive()
    first = [int(person) for _, person in setting.api.sends[:40]]
    assert 18 <= sum(person > 100 for person in first) <= 22


def test_a_brake_stops_repeats_too_and_a_release_starts_anew(make: Callable[..., Setting]) -> None:
    setting = make([1, 2, 3], concurrency=1)
    other = with_another(setting, range(101, 160))
    setting.senders = [sender(SENDER, gap=10.0)]
    asked: list[str] = []
    lanes: list[Lane] = []
    add = setting.before

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        asked.append(person)
        if person == "1" and asked.count("1") == 1:
            lanes[0].stops.stop_campaign(setting.campaign, Brake(BrakeKind.PAUSED, 0.0, "ada"))
            return InDoubt("timeout")
        if person == "120":
            assert asked.count("1") == 1
            assert not {"2", "3"} & set(asked)
            lanes[0].stops.release_campaign(setting.campaign, "ada")
        return None

    def before(made: Lane, clock: VirtualClock) -> None:
        add(made, clock)
        lanes.append(made)

    setting.before = before
    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 3}
    assert setting.ledger.read(totals.counts, other)[S.SENT] == 59
    assert not setting.api.doubled


def test_a_word_in_the_ledger_stops_a_run_that_has_not_heard_it(
    make: Callable[..., Setting],
) -> None:
    setting = make(range(1, 41), concurrency=4)
    other = with_another(setting, range(101, 141))

    def script(_api: ScriptedApi, person: str, *_: object) -> None:
        if person == "5":
            setting.ledger.write(brakes.pause, setting.campaign, 1.0, "ada")

    setting.api.script = script
    told = setting.drive()
    # What was claimed before the word ends; nothing is afterwards.
    assert setting.counts()["sent"] in range(5, 5 + 4)
    assert setting.counts()["sent"] + setting.counts()["queued"] == 40
    assert setting.ledger.read(totals.counts, other)[S.SENT] == 40
    [event] = told.named("braked")
    assert event.fields()["by"] == "ada"


def test_only_the_newest_word_is_obeyed(make: Callable[..., Setting]) -> None:
    setting = make([1, 2])
    with_another(setting, range(0))
    add = setting.before
    id = setting.campaign

    def before(lane: Lane, clock: VirtualClock) -> None:
        add(lane, clock)
        lane.stops.apply_control(id, Brake(BrakeKind.PAUSED, 1.0, "ada", id=1))
        lane.stops.apply_control(id, Brake(BrakeKind.RELEASED, 2.0, "ada", id=4))
        lane.stops.apply_control(
            id, Brake(BrakeKind.PAUSED, 1.5, "ada", id=3)
        )  # a claim that was refused then
        lane.stops.apply_control(id, Brake(BrakeKind.GUARDED, 3.0, why="of an earlier run", id=5))
        assert not lane.stops.campaigns

    setting.before = before
    setting.drive()
    assert setting.counts() == {"sent": 2}


def test_what_is_found_after_all_is_no_failure_in_a_row() -> None:
    watch = guard(consecutive_failures=3)
    for message in (1, 2):
        watch.count_failed(message, in_doubt=True)
    watch.count_settled(1, sent=True)
    watch.count_settled(2, sent=False)
    watch.count_failed(3, in_doubt=False)
    assert (watch.stop_reason(), watch.failures, watch.failures_left) == ("", 2, 1)


def test_a_systemic_refusal_is_kept_for_whoever_asks_later(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 5), concurrency=1)
    setting.api.script = lambda *_: Deferred("unauthorized", scope=Scope.LANE, stop="token")
    setting.drive()
    [kept] = setting.ledger.read(brakes.active, [setting.campaign]).values()
    assert (kept.kind, kept.why) == (BrakeKind.STOPPED, "token")


@pytest.mark.parametrize(
    ("rate", "replied", "opted_out", "stops"),
    [
        (0.5, 19, 19, False),  # too few to say
        (0.5, 20, 10, False),
        (0.5, 20, 11, True),
        (0.0, 20, 0, False),
        (0.0, 20, 1, True),
        (None, 20, 20, False),
    ],
)
def test_people_who_object_stop_a_campaign(
    rate: float | None, replied: int, opted_out: int, stops: bool
) -> None:
    why = GuardLimits(opt_out_rate=rate).objection(replied, opted_out)
    assert bool(why) == stops
    if stops:
        assert why == f"{opted_out} of {replied} people who answered opted out"
