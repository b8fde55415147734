"""What stops campaigns and senders, and who did it, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import inspect, text

from runner.errors import LedgerError
from runner.ledger import lanes, schema
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind, Halt
from runner.ledger.engine import upgrade
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import (
    LANE,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_old,
    make_queue,
    own_lane,
)

K = BrakeKind


def stands(ledger: Ledger, campaign: int) -> Brake | None:
    return ledger.read(brakes.active, [campaign]).get(campaign)


def test_a_pause_stands_until_it_is_resumed_and_all_of_it_is_kept(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger).id, make_campaign(ledger, "autumn").id
    assert ledger.write(brakes.pause, spring, 5.0, "ada") is None
    brake = stands(ledger, spring)
    assert brake is not None
    assert (brake.kind, brake.at, brake.by) == (K.PAUSED, 5.0, "ada")
    assert stands(ledger, autumn) is None
    assert ledger.write(brakes.pause, spring, 6.0, "bob") == brake  # it is Ada's
    assert stands(ledger, spring) == brake

    assert ledger.write(brakes.release, spring, 7.0, "bob") == brake
    assert stands(ledger, spring) is None
    last = ledger.read(brakes.latest, [spring, autumn])
    assert [(id, each.kind, each.by) for id, each in last.items()] == [(spring, K.RELEASED, "bob")]
    assert ledger.write(brakes.release, spring, 8.0, "bob") is None
    with ledger.reading() as connection:
        told = connection.execute(text("SELECT kind, said_by FROM brake ORDER BY id")).all()
    assert [tuple(row) for row in told] == [("paused", "ada"), ("released", "bob")]


def test_a_cancelled_campaign_has_nothing_queued_and_stays_so(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, range(1, 4))
    ledger.write(brakes.pause, row.id, 4.0, "ada")
    assert ledger.write(decisions.cancel, row.id, 5.0, "ada") == 3
    assert ledger.read(totals.counts, row.id)[MessageStatus.CANCELLED] == 3
    first = stands(ledger, row.id)
    assert first is not None
    assert first.kind is K.CANCELLED
    assert ledger.write(brakes.pause, row.id, 6.0, "bob") == first  # no less than cancelled
    assert ledger.write(decisions.cancel, row.id, 7.0, "bob") == 0
    assert stands(ledger, row.id) == first


def test_a_guard_says_nothing_over_a_person(ledger: Ledger) -> None:
    campaign = make_campaign(ledger).id
    halt = Halt(5.0, "10 in a row", campaign=campaign, kind=K.GUARDED)
    ledger.write(brakes.halt, [halt])
    brake = stands(ledger, campaign)
    assert brake is not None
    assert (brake.kind, brake.by, brake.why) == (K.GUARDED, "", "10 in a row")
    assert ledger.write(brakes.pause, campaign, 6.0, "ada") is None  # a person over a guard
    ledger.write(brakes.halt, [halt])
    brake = stands(ledger, campaign)
    assert brake is not None
    assert brake.kind is K.PAUSED


def test_a_sender_stands_still_until_its_next_run(ledger: Ledger) -> None:
    ledger.write(brakes.halt, [Halt(5.0, "offline", sender=SENDER), Halt(6.0, "x", sender="b")])
    found = ledger.read(brakes.stopped_senders, [SENDER, "c"])
    assert {id: (each.at, each.why) for id, each in found.items()} == {SENDER: (5.0, "offline")}
    ledger.write(brakes.release_senders, [SENDER, "c"], 7.0)
    assert ledger.read(brakes.stopped_senders, [SENDER, "b"]).keys() == {"b"}


def test_a_brake_is_of_a_campaign_or_of_a_sender(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="brake_of_one"), ledger.writing() as connection:
        connection.execute(text("INSERT INTO brake (kind, set_at) VALUES ('paused', 1.0)"))


def test_a_campaign_is_driven_while_the_run_that_names_it_has_not_ended(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger).id, make_campaign(ledger, "autumn").id
    assert ledger.read(brakes.acknowledged_by_driver, LANE, spring) is None
    run, _ = own_lane(ledger)
    ledger.write(brakes.record_driven, LANE, run, {spring: 7})
    assert ledger.read(brakes.acknowledged_by_driver, LANE, spring) == 7
    assert ledger.read(brakes.acknowledged_by_driver, LANE, autumn) is None
    ledger.write(lanes.end_run, run, 9.0, "exit 0")
    assert ledger.read(brakes.acknowledged_by_driver, LANE, spring) is None


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_of_an_older_schema_learns_to_brake(location: str, version: int) -> None:
    with open_ledger(location) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [1])
        with ledger.writing() as connection:
            make_old(connection, version)
    upgrade(location)
    with open_ledger(location) as ledger:
        run, epoch = own_lane(ledger)
        ledger.write(brakes.pause, row.id, 5.0, "ada")
        [told_so] = ledger.write(claims.claim, [make_intent(1, run, epoch)])
        assert told_so == stands(ledger, row.id)
        with ledger.reading() as connection:
            indexes = {each["name"]: each for each in inspect(connection).get_indexes("attempt")}
        assert indexes["attempt_by_lane"]["column_names"] == ["lane", "server_at"]


@pytest.mark.parametrize("word", [brakes.pause, decisions.cancel])
def test_no_intent_is_committed_after_a_persons_word(ledger: Ledger, word: Any) -> None:
    row, other = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, row, [1, 2, 3])
    make_queue(ledger, other, [4])
    run, epoch = own_lane(ledger)
    claim_one(ledger, make_intent(1, run, epoch))
    ledger.write(outcomes.record, [Result(1, 1, Evidence.UNKNOWN, 4.0)])
    ledger.write(word, row.id, 5.0, "ada")
    # Neither a first send nor a repeat, and the other campaign in the same batch goes.
    intents = [make_intent(id, run, epoch) for id in (2, 3, 4)]
    first, second, autumn = ledger.write(claims.claim, intents)
    [repeat] = ledger.write(claims.claim, [make_intent(1, run, epoch, is_repeat=True)])
    for told in (first, second, repeat) if word is brakes.pause else (repeat,):
        assert isinstance(told, Brake)
        assert (told.campaign, told.by) == (row.id, "ada")
    assert autumn == 1
    assert not isinstance(first, int)

    ledger.write(brakes.release, row.id, 6.0, "ada")
    assert claim_one(ledger, make_intent(1, run, epoch, is_repeat=True)) == 2


@pytest.mark.parametrize("word", [brakes.pause, decisions.cancel])
def test_a_word_waits_for_the_intents_before_it(ledger: Ledger, word: Any) -> None:
    """Else one could be committed after the word, having looked before it."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [1])
    run, epoch = own_lane(ledger)
    said = threading.Thread(target=ledger.write, args=(word, row.id, 5.0, "ada"))
    with ledger.writing() as connection:
        assert claims.claim(connection, [make_intent(1, run, epoch)]) == [1]
        said.start()
        said.join(0.3)
        assert said.is_alive()
    said.join(10.0)
    assert stands(ledger, row.id) is not None


def test_a_persons_word_stands_above_a_guards_whichever_was_written_last(ledger: Ledger) -> None:
    campaign = make_campaign(ledger).id

    def put(*kinds: K) -> Brake | None:
        with ledger.writing() as connection:
            for kind in kinds:
                connection.execute(
                    schema.brake.insert().values(campaign=campaign, kind=kind, set_at=1.0)
                )
        return stands(ledger, campaign)

    for kinds, strongest in (
        ((K.PAUSED, K.GUARDED), K.PAUSED),
        ((K.CANCELLED, K.PAUSED, K.GUARDED), K.CANCELLED),
        ((K.GUARDED, K.PAUSED, K.CANCELLED), K.CANCELLED),
        ((K.GUARDED, K.GUARDED), K.GUARDED),
    ):
        found = put(*kinds)
        assert found is not None
        assert found.kind is strongest
        assert put(K.RELEASED) is None


def test_to_run_again_is_no_word_against_a_pause(ledger: Ledger) -> None:
    """Not even against one of the same moment: it is looked at where it is released."""
    row = make_campaign(ledger)
    ledger.write(brakes.halt, [Halt(10.0, "too many failures", row.id, kind=BrakeKind.GUARDED)])
    ledger.write(brakes.pause, row.id, 11.0, "ada")
    assert ledger.write(brakes.release, row.id, 12.0, "bob", BY_A_PERSON) is None
    standing = stands(ledger, row.id)
    assert standing is not None
    assert standing.kind is BrakeKind.PAUSED


def test_what_came_back_after_a_cancel_is_withdrawn_when_it_is_resumed(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3])
    run, epoch = own_lane(ledger)
    for id in (1, 2):
        claim_one(ledger, make_intent(id, run, epoch))
    assert ledger.write(decisions.cancel, row.id, 5.0, "ada") == 1
    for id in (1, 2):  # told to wait, and their run was killed before it could withdraw them
        ledger.write(outcomes.record, [Result(id, 1, Evidence.DEFERRED, 6.0)])
    ledger.write(decisions.retry, RetryRequest(row.id, ids=frozenset({"3"})))  # asked for since
    ledger.write(decisions.resume, row.id, 7.0, "ada")
    assert ledger.read(totals.counts, row.id)[MessageStatus.CANCELLED] == 2
    assert ledger.read(totals.counts, row.id)[MessageStatus.QUEUED] == 1
    ledger.write(decisions.withdraw_cancelled, row.id)  # a run that ends late
    assert ledger.read(totals.counts, row.id)[MessageStatus.QUEUED] == 1
