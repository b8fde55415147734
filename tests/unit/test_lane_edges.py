"""Where a lane could write twice, to the wrong person, or never end: each was once found to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runner.channels.base import Answer
from runner.ledger.doubts import in_doubt, settlements
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.messages import decisions
from runner.ledger.messages.outcomes import Recorded
from runner.message.evidence import Evidence
from runner.message.outcome import (
    TOO_LATE,
    UNCONFIRMED,
    Deferred,
    InDoubt,
    LookupResult,
    Outcome,
    Scope,
)
from runner.message.status import MessageStatus
from runner.sending.lane import Lane, Settings
from tests.lane import Setting, for_person
from tests.pacing import sender
from tests.support import SENDER
from tests.virtual import ScriptedApi, ScriptedChannel, VirtualClock

Make = Callable[..., Setting]
SETTLE = 120.0  # `retry.settle` of a `Setting`
DOWN = Deferred("network", "refused", written=False, scope=Scope.LANE)


def nth(api: ScriptedApi, person: str) -> int:
    """How often this person has been sent to, this time included."""
    return sum(who == person for _, who in api.sends)


def test_a_key_that_grew_old_during_a_wait_is_not_used(make: Make) -> None:
    setting = make([1, 2], concurrency=2)

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        if person == "2" and nth(api, "2") == 1:
            return Deferred("rateLimited", after=7200.0, scope=Scope.LANE)
        if person == "1" and nth(api, "1") == 1:
            api.accept(person, key)
            return InDoubt("timeout")
        if api.sends[-1][0] > 3600:
            api.by_key.clear()  # the server has forgotten
        return None

    setting.api.script = script
    setting.drive()
    assert setting.api.doubled == []


def test_a_wall_clock_set_back_makes_no_key_young(make: Make) -> None:
    setting = make([1])

    def set_back(_lane: Lane, clock: VirtualClock) -> None:
        asyncio.get_running_loop().call_later(100.0, setattr, clock, "skew", -1800.0)

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        if nth(api, "1") == 1:
            api.accept(person, key)
            return InDoubt("timeout", after=3700.0)
        api.by_key.clear()
        return None

    setting.before, setting.api.script = set_back, script
    setting.drive()
    assert setting.api.doubled == []


@pytest.mark.parametrize(
    "end", [lambda lane: lane.stops.drain(), lambda lane: lane.stops.stop_lane("401 token")]
)
def test_an_ending_lane_waits_for_no_permit_and_sends_nothing(
    make: Make, end: Callable[[Lane], None]
) -> None:
    setting = make([1, 2, 3], concurrency=2)
    held: list[Lane] = []
    setting.before = lambda lane, _clock: held.append(lane)

    def script(api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        if person == "1" and nth(api, "1") == 1:
            return InDoubt("timeout")
        if person == "2" and nth(api, "2") == 1:
            asyncio.get_running_loop().call_later(10.0, end, held[0])
            return Deferred("rateLimited", after=40_000.0, scope=Scope.LANE)
        return None

    setting.api.script = script
    told = setting.drive()
    assert told.took < 20.0
    assert all(at < 10.0 for at, _ in setting.api.sends)


def test_nobody_is_asked_again_for_who_was_suppressed_since(make: Make) -> None:
    setting = make([1])
    setting.api.script = for_person("1", InDoubt("timeout"), times=99)
    setting.drive()
    setting.ledger.write(decisions.suppress, ["1"], "asked", 1.0)
    setting.api.script = None
    setting.drive()
    assert setting.api.accepted == []
    assert setting.counts() == {"in_doubt": 1}


def test_a_slow_machine_fails_nobody(make: Make) -> None:
    setting = make(range(1, 11))
    late = Deferred(TOO_LATE, "not written before its deadline", written=False)

    def script(api: ScriptedApi, *_: object) -> Outcome | None:
        return late if api.sends[-1][0] < 8.0 else None

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 10}


def test_a_message_in_doubt_outlasts_an_outage(make: Make) -> None:
    setting = make(range(1, 5))

    def script(api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        if nth(api, person) == 1:
            return InDoubt("connection_lost")
        return DOWN if api.sends[-1][0] < 300.0 else None

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 4}


def test_a_message_in_doubt_outlasts_errors_while_others_are_sent(make: Make) -> None:
    setting = make(range(1, 30), senders=[sender(SENDER, gap=60.0)])

    def script(api: ScriptedApi, person: str, *_: object) -> Outcome | None:
        return InDoubt("http_500") if person == "1" and api.sends[-1][0] < 45.0 else None

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 29}


def test_an_idle_end_first_settles_what_it_soon_can(make: Make) -> None:
    setting = make([1, 2], api=ScriptedApi(idempotent=False), senders=[sender(SENDER, gap=3600.0)])
    setting.api.script = for_person("1", InDoubt("timeout"), accept=True)
    setting.drive(idle_after=600.0)
    assert setting.counts() == {"sent": 1, "queued": 1}


def test_the_apis_own_perhaps_is_never_repeated(make: Make) -> None:
    setting = make([1], absent="resend", api=ScriptedApi(shows=False))
    setting.api.script = for_person("1", InDoubt(UNCONFIRMED))
    setting.drive()
    assert len(setting.api.sends) == 1


def test_the_gap_of_what_was_never_sent_is_given_back(make: Make) -> None:
    setting = make(range(1, 13), senders=[sender(SENDER, gap=180.0)], concurrency=1)

    def script(_api: ScriptedApi, person: str, *_: object) -> None:
        if person == "1":
            others = [str(number) for number in range(2, 12)]
            setting.ledger.write(decisions.suppress, others, "asked", 1.0)

    setting.api.script = script
    setting.drive()
    assert setting.api.sends[1][0] == pytest.approx(180.0, abs=1.0)


def test_the_same_person_is_not_written_to_by_two_campaigns_at_once(make: Make) -> None:
    setting = make([1])
    setting.api.script = for_person("1", InDoubt("timeout"), times=99)
    setting.drive()
    other = setting.another_campaign("autumn", [1])
    setting.campaign = other
    setting.drive()
    assert setting.counts() == {"queued": 1}


def test_a_repeat_that_ends_unanswered_after_a_persons_word_is_in_doubt(make: Make) -> None:
    setting = make([1], api=ScriptedApi(latency=30.0, shows=False))

    said: list[object] = []

    def say_not_sent() -> None:
        [doubt] = setting.ledger.read(in_doubt.in_doubt, [setting.campaign])
        word = Settlement(doubt.id, Evidence.SAID_NOT_SENT, 1.0, "said")
        said.extend(setting.ledger.write(settlements.settle, [word]))

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        if nth(api, "1") == 1:
            return InDoubt("timeout")
        if nth(api, "1") == 2:  # the repeat, under way when a person speaks
            asyncio.get_running_loop().call_later(10.0, say_not_sent)
            api.accept(person, key)
            return InDoubt("timeout")
        return InDoubt("timeout")

    setting.api.script = script
    setting.drive()
    assert said == [Recorded(MessageStatus.QUEUED)]
    assert setting.counts() == {"in_doubt": 1}


def test_repeats_that_are_not_processed_become_rare(make: Make) -> None:
    setting = make([1])

    def script(api: ScriptedApi, *_: object) -> Outcome | None:
        if nth(api, "1") == 1:
            return InDoubt("timeout")
        return Deferred("later", after=300.0, scope=Scope.MESSAGE)

    setting.api.script = script
    setting.drive()
    assert len(setting.api.sends) < 20


def test_one_that_comes_back_does_not_hold_the_others_up(make: Make) -> None:
    setting = make(
        range(1, 11),
        api=ScriptedApi(idempotent=False, shows=False),
        senders=[sender(SENDER, gap=60.0)],
        absent="resend",
    )
    setting.api.script = for_person("1", InDoubt("timeout"))
    setting.drive()
    assert setting.counts() == {"sent": 10}
    assert [person for _, person in setting.api.sends][:2] == ["1", "2"]
    assert nth(setting.api, "1") == 2


def test_a_second_doubt_of_a_message_waits_and_is_looked_up_as_the_first_did(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ScriptedApi(idempotent=False, shows=False, latency=60.0)
    told: list[tuple[str, float]] = []
    send, look_up = ScriptedChannel.send, ScriptedChannel.look_up

    async def sent(channel: ScriptedChannel, *given: Any) -> Answer:
        answer = await send(channel, *given)
        told.append(("given up", channel.clock.boot()))
        return answer

    async def looked_up(channel: ScriptedChannel, *given: Any) -> LookupResult:
        told.append(("looked up", channel.clock.boot()))
        return await look_up(channel, *given)

    monkeypatch.setattr(ScriptedChannel, "send", sent)
    monkeypatch.setattr(ScriptedChannel, "look_up", looked_up)
    setting = make([1], api=api, absent="resend", attempts=5)
    api.script = for_person("1", InDoubt("timeout"), times=99)
    setting.drive()
    assert setting.counts() == {"failed": 1}
    assert [what for what, _ in told] == ["given up", "looked up"] * 5
    for (_, given_up), (_, looked) in zip(told[::2], told[1::2], strict=True):
        assert looked >= given_up + SETTLE


def test_of_two_campaigns_in_one_lane_the_first_writes_and_the_second_says_so(make: Make) -> None:
    setting = make([1, 2], concurrency=2)
    other = setting.another_campaign("autumn", [1, 2, 3])
    rule = 30 * 86400.0
    campaigns = {
        id: Settings(name, "v2", ScriptedChannel.base_url, 5, 120.0, "hold", 3600.0, (), rule)
        for id, name in ((setting.campaign, "spring"), (other, "autumn"))
    }
    told = setting.drive(campaigns=campaigns)
    assert sorted(setting.api.accepted) == ["1", "2", "3"]
    skipped = told.named("skipped")
    assert {event.fields()["recipient"] for event in skipped} == {"1", "2"}
    assert all("contacted by spring on" in event.fields()["detail"] for event in skipped)
    setting.campaign = other
    assert setting.counts() == {"sent": 1, "skipped": 2}
