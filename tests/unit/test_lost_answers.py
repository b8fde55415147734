"""What a run makes of lost answers: what it sends again, what it only asks about, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from runner.channels.base import Lookup, Taken
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.outcome import (
    IN_PROGRESS,
    KEY_REUSED,
    UNCONFIRMED,
    Absent,
    Found,
    InDoubt,
    LookupResult,
    Outcome,
    Rejected,
    Unclear,
)
from runner.message.plan import Change, Entry, PlannedMessage
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus
from runner.sending.lane import Settings
from runner.sending.reconciler import MOST_LOOKUPS, MOST_REPEATS
from tests.lane import Setting, for_person
from tests.support import SENDER, make_campaign
from tests.virtual import ScriptedApi, ScriptedChannel

Make = Callable[..., Setting]
Answers = Callable[[Lookup], LookupResult]
Watch = Callable[[Answers], list[Lookup]]


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Let a test answer the look-ups; the list that it gets fills with what was asked."""

    def answered_by(answers: Answers) -> list[Lookup]:
        asked: list[Lookup] = []

        async def look_up(_self: object, lookup: Lookup, taken: Taken) -> LookupResult:
            asked.append(lookup)
            found = answers(lookup)
            gone = isinstance(found, Found) and await taken(found.message_id)
            return Absent("it is another's") if gone else found

        monkeypatch.setattr(ScriptedChannel, "look_up", look_up)
        return asked

    return answered_by


def keyless(**changes: Any) -> ScriptedApi:
    return ScriptedApi(idempotent=False, **changes)


def in_turn(*outcomes: Outcome) -> Callable[..., Outcome | None]:
    """A script: these outcomes one after another, the last for ever; nothing is accepted."""
    left = list(outcomes)
    return lambda *_: left.pop(0) if len(left) > 1 else left[0]


# Without a key


def test_a_look_up_waits_as_long_as_the_api_asks(make: Make, look_ups: Watch) -> None:
    """The team's quota is used up: asking sooner would only be refused again."""
    setting = make([1], api=keyless(script=in_turn(InDoubt("timeout"))))
    findings: Iterator[LookupResult] = iter([Unclear("HTTP 429", after=3000.0), Found("m1", "t")])
    asked = look_ups(lambda _: next(findings))
    told = setting.drive()
    assert setting.counts() == {"sent": 1}
    assert len(asked) == 2
    assert told.took >= 3000.0


def test_look_ups_that_prove_nothing_are_left_to_the_next_run(make: Make, look_ups: Watch) -> None:
    setting = make([1], absent="resend", api=keyless(script=in_turn(InDoubt("timeout"))))
    asked = look_ups(lambda _: Unclear("syncing"))
    setting.drive()
    assert len(asked) == MOST_LOOKUPS
    setting.drive()
    assert len(asked) == 2 * MOST_LOOKUPS
    assert setting.counts() == {"in_doubt": 1}
    assert len(setting.api.sends) == 1


def test_what_shows_only_after_it_was_missed_is_found_by_the_next_run(
    make: Make, look_ups: Watch
) -> None:
    """Accepted or shown later than `settle`: held, not sent again, and found in the end."""
    setting = make([1], api=keyless(script=in_turn(InDoubt("timeout"))))
    look_ups(lambda _: Absent("not there"))
    setting.drive()
    assert setting.counts() == {"in_doubt": 1}
    look_ups(lambda _: Found("m1", "t"))
    setting.drive()
    assert setting.counts() == {"sent": 1}
    assert len(setting.api.sends) == 1


def both_in_doubt(make: Make) -> tuple[Setting, Mapping[int, Settings]]:
    """Two campaigns with equal words to one person, by X id and by Inbox id."""
    setting = make([1], api=keyless(script=in_turn(InDoubt("timeout"))))
    other = make_campaign(setting.ledger, "autumn")
    planned = PlannedMessage(2, Recipient("twitter", "inbox", "c1"), SENDER, "Hi 1", {"a": "b"})
    with setting.ledger.writing() as connection:
        writer = PlanWriter(connection, other)
        writer.write([Entry(planned, Change.NEW)])
        writer.finish("fingerprint", 2.0)
    campaigns = {
        campaign: Settings(str(campaign), "v2", ScriptedChannel.base_url, 5, 120.0, "hold", 3600.0)
        for campaign in (setting.campaign, other.id)
    }
    return setting, campaigns


def test_one_message_is_no_proof_of_two(make: Make, look_ups: Watch) -> None:
    setting, campaigns = both_in_doubt(make)
    asked = look_ups(lambda _: Found("m1", "t"))
    setting.drive(campaigns=campaigns)
    assert len(setting.api.sends) == 2
    assert {lookup.recipient.id_type for lookup in asked} == {"platform", "inbox"}
    counted = [setting.ledger.read(totals.counts, campaign) for campaign in campaigns]
    assert sum(found[MessageStatus.SENT] for found in counted) == 1
    assert sum(found[MessageStatus.IN_DOUBT] for found in counted) == 1


def test_two_messages_prove_two(make: Make, look_ups: Watch) -> None:
    setting, campaigns = both_in_doubt(make)
    look_ups(lambda lookup: Found(f"m-{lookup.recipient.id}", "t"))
    setting.drive(campaigns=campaigns)
    counted = [setting.ledger.read(totals.counts, campaign) for campaign in campaigns]
    assert [found[MessageStatus.SENT] for found in counted] == [1, 1]


# With a key


def test_in_progress_is_asked_again_until_it_is_done(make: Make) -> None:
    setting = make([1])

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        if len(api.sends) == 1:
            api.accept(person, key)
            return InDoubt("timeout")
        return InDoubt(IN_PROGRESS, after=1.0) if len(api.sends) < 4 else None

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 1}
    assert setting.api.accepted == ["1"]


def test_in_progress_for_ever_ends_in_doubt(make: Make) -> None:
    setting = make([1, 2])
    lost = for_person("1", InDoubt("timeout"))
    going = for_person("1", InDoubt(IN_PROGRESS), times=99)
    setting.api.script = lambda *words: lost(*words) or going(*words)
    setting.drive()
    assert setting.counts() == {"in_doubt": 1, "sent": 1}
    assert sum(person == "1" for _, person in setting.api.sends) == 1 + MOST_REPEATS


@pytest.mark.parametrize("end", [Rejected("recipientUnavailable"), InDoubt(KEY_REUSED)])
def test_in_progress_and_then_refused_proves_nothing(make: Make, end: Outcome) -> None:
    """The refusal is of the repeat; what became of the first request it does not say."""
    setting = make([1], absent="resend")
    setting.api.script = in_turn(InDoubt("timeout"), InDoubt(IN_PROGRESS), end)
    setting.drive()
    assert setting.counts() == {"in_doubt": 1}


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (Found("m7", "t"), "sent"),
        (Unclear("the platform has not confirmed it"), "in_doubt"),
        (Absent("not there"), "in_doubt"),
    ],
)
@pytest.mark.parametrize("before", [[], [InDoubt("timeout")]], ids=["first", "repeat"])
def test_the_apis_own_perhaps_is_read_by_its_id(
    make: Make, look_ups: Watch, finding: LookupResult, status: str, before: list[Outcome]
) -> None:
    setting = make([1], absent="resend")
    setting.api.script = in_turn(*before, InDoubt(UNCONFIRMED, message_id="m7"))
    asked = look_ups(lambda _: finding)
    setting.drive()
    assert setting.counts() == {status: 1}
    assert {lookup.message_id for lookup in asked} == {"m7"}
    assert len(setting.api.sends) == 1 + len(before)


def test_a_key_reused_after_an_attempt_of_ours_stops_nothing(make: Make) -> None:
    setting = make([1, 2, 3], concurrency=1)
    lost = for_person("1", InDoubt("timeout"))
    reused = for_person("1", InDoubt(KEY_REUSED), times=99)
    setting.api.script = lambda *words: lost(*words) or reused(*words)
    setting.drive(adopt=True)
    assert setting.counts() == {"in_doubt": 1, "sent": 2}


@pytest.mark.parametrize(
    ("absent", "status", "sends"), [("hold", "in_doubt", 1), ("resend", "sent", 2)]
)
def test_an_old_key_is_looked_up_first_and_used_again_only_by_policy(
    make: Make, absent: str, status: str, sends: int
) -> None:
    """Older than `key_life`, nothing was accepted, and the server has forgotten the key."""
    setting = make([1], absent=absent)
    seen: list[tuple[bytes, str]] = []

    def script(api: ScriptedApi, person: str, body: bytes, key: str) -> Outcome | None:
        seen.append((body, key))
        return InDoubt("timeout", after=4000.0) if len(seen) == 1 else None

    setting.api.script = script
    told = setting.drive()
    assert told.took >= 4000.0
    assert setting.counts() == {status: 1}
    assert len(seen) == sends
    assert len(set(seen)) == 1


def test_an_old_key_of_what_is_there_is_never_used(make: Make) -> None:
    setting = make([1], absent="resend")

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        api.by_key.clear()  # the server forgets at once
        if len(api.sends) > 1:
            return None
        api.accept(person, key)
        api.by_key.clear()
        return InDoubt("timeout", after=4000.0)

    setting.api.script = script
    setting.drive()
    assert setting.counts() == {"sent": 1}
    assert setting.api.accepted == ["1"]
