"""A person's resolutions of messages in doubt, and undoing them, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from runner.ledger import lanes, schema
from runner.ledger.campaigns import registry
from runner.ledger.doubts import in_doubt, resolutions, settlements
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.engine import upgrade
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, outcomes, queue
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.outcome import UNCONFIRMED
from runner.message.status import MessageStatus
from tests.support import make_campaign, make_intent, make_old, make_queue, own_lane, plan_again

S, E = MessageStatus, Evidence


def doubtful(ledger: Ledger, count: int = 1) -> tuple[int, list[int]]:
    """A campaign with so many messages in doubt, each after an answer that named an id."""
    row = make_campaign(ledger)
    make_queue(ledger, row, range(1, count + 1))
    run, epoch = own_lane(ledger)
    ids = []
    for due in ledger.read(queue.due, row.id, "df6jbw4h36qm5d9iu2sgn7kx", 5.0, 100):
        [number] = ledger.write(claims.claim, [make_intent(due.id, run, epoch)])
        assert isinstance(number, int)
        told = Result(
            due.id,
            number,
            E.UNKNOWN,
            20.0,
            reason=UNCONFIRMED,
            detail="may be out",
            http_status=502,
            message_id="m1",
            not_before=30.0,
        )
        ledger.write(outcomes.record, [told])
        ids.append(due.id)
    return row.id, ids


def say(ledger: Ledger, evidence: Evidence, *ids: int) -> None:
    [row] = ledger.read(registry.campaigns)
    ledger.write(
        resolutions.resolve, row.id, [Settlement(id, evidence, 40.0, evidence) for id in ids]
    )


def everything(connection: Connection) -> list[Any]:
    found: list[Any] = []
    for table in (schema.message, schema.attempt):
        found += connection.execute(table.select().order_by(*table.primary_key)).all()
    return found


@pytest.mark.parametrize("word", [E.SAID_SENT, E.SAID_NOT_SENT])
def test_a_word_taken_back_leaves_no_trace(ledger: Ledger, word: Evidence) -> None:
    campaign, [one, other] = doubtful(ledger, 2)
    before = ledger.read(everything)
    say(ledger, word, one, other)
    assert ledger.read(in_doubt.in_doubt, [campaign]) == []
    back = ledger.write(resolutions.undo, campaign)
    assert (back.back, back.too_late) == (["1", "2"], [])
    assert ledger.read(everything) == before
    assert ledger.write(resolutions.undo, campaign) == resolutions.Undone()


def test_one_word_of_several_is_taken_back(ledger: Ledger) -> None:
    campaign, ids = doubtful(ledger, 3)
    say(ledger, E.SAID_SENT, ids[0])
    say(ledger, E.SAID_NOT_SENT, *ids[1:])
    assert ledger.write(resolutions.undo, campaign, ["2"]).back == ["2"]
    assert [doubt.id for doubt in ledger.read(in_doubt.in_doubt, [campaign])] == [ids[1]]
    assert ledger.read(totals.counts, campaign)[S.SENT] == 1


def test_the_newest_word_counts_and_its_doubt_is_what_comes_back(ledger: Ledger) -> None:
    campaign, [one] = doubtful(ledger)
    say(ledger, E.SAID_SENT, one)
    ledger.write(resolutions.undo, campaign)
    say(ledger, E.SAID_NOT_SENT, one)
    assert ledger.read(totals.counts, campaign)[S.QUEUED] == 1
    assert ledger.write(resolutions.undo, campaign).back == ["1"]
    [doubt] = ledger.read(in_doubt.in_doubt, [campaign])
    assert (doubt.unconfirmed, doubt.asked_id, doubt.not_before) == (True, "m1", 30.0)


@pytest.mark.parametrize("word", [E.SAID_SENT, E.SAID_NOT_SENT])
def test_once_a_run_has_begun_it_is_too_late(ledger: Ledger, word: Evidence) -> None:
    campaign, [one] = doubtful(ledger)
    say(ledger, word, one)
    ledger.write(lanes.begin_run, 50.0, "test")
    assert ledger.write(resolutions.undo, campaign, ["1"]).too_late == ["1"]
    assert ledger.read(in_doubt.in_doubt, [campaign]) == []


def test_resolutions_of_earlier_runs_stay(ledger: Ledger) -> None:
    campaign, ids = doubtful(ledger, 3)
    say(ledger, E.SAID_SENT, *ids[:2])
    ledger.write(lanes.begin_run, 70.0, "test")
    say(ledger, E.SAID_SENT, ids[2])
    told = ledger.write(resolutions.undo, campaign)
    assert (told.back, told.too_late) == (["3"], [])


def leave_the_file(ledger: Ledger) -> None:
    row = ledger.read(registry.find_campaign, "spring")
    assert row is not None
    with ledger.writing() as connection:
        PlanWriter(connection, row).finish("fingerprint", 50.0)


@pytest.mark.parametrize("word", [E.SAID_SENT, E.SAID_NOT_SENT])
def test_who_is_gone_from_the_file_stays_so(ledger: Ledger, word: Evidence) -> None:
    campaign, [one] = doubtful(ledger)
    leave_the_file(ledger)
    assert ledger.read(in_doubt.in_doubt, [campaign])[0].unwanted
    say(ledger, word, one)
    ledger.write(resolutions.undo, campaign)
    assert ledger.read(in_doubt.in_doubt, [campaign])[0].unwanted


@pytest.mark.parametrize("meanwhile", [False, True])
def test_what_was_said_to_be_sent_and_planned_since_is_not_repeated_before_a_plan(
    ledger: Ledger, meanwhile: bool
) -> None:
    """That plan has passed it over; workers, who cannot plan, look only at the message."""
    campaign, [one] = doubtful(ledger)
    say(ledger, E.SAID_SENT, one)
    if meanwhile:
        leave_the_file(ledger)
    assert ledger.write(resolutions.undo, campaign).back == ["1"]
    [doubt] = ledger.read(in_doubt.in_doubt, [campaign])
    assert doubt.unwanted is meanwhile
    absent = Settlement(one, E.ABSENT_ASSUMED, 60.0, "absent", attempts_allowed=5)
    ledger.write(settlements.settle, [absent])
    assert ledger.read(totals.counts, campaign)[S.QUEUED] == 1
    assert ledger.read(totals.unplanned, [campaign]) == meanwhile


def test_once_a_plan_has_taken_it_up_it_is_too_late(ledger: Ledger) -> None:
    campaign, [one] = doubtful(ledger)
    say(ledger, E.SAID_NOT_SENT, one)
    row = ledger.read(registry.find_campaign, "spring")
    assert row is not None
    plan_again(ledger, row)
    assert ledger.write(resolutions.undo, campaign).too_late == ["1"]
    assert ledger.read(totals.counts, campaign)[S.QUEUED] == 1


def test_what_the_api_itself_has_said_stays(ledger: Ledger) -> None:
    campaign, [one] = doubtful(ledger)
    say(ledger, E.SAID_SENT, one)
    late = Result(one, 1, E.ACCEPTED, 45.0, message_id="m1", thread_id="t1")
    ledger.write(outcomes.record, [late])
    assert ledger.write(resolutions.undo, campaign).too_late == ["1"]
    assert ledger.read(totals.counts, campaign)[S.SENT] == 1


def test_a_look_up_is_no_word(ledger: Ledger) -> None:
    campaign, [one] = doubtful(ledger)
    ledger.write(settlements.settle, [Settlement(one, E.FOUND, 40.0, "found", message_id="m1")])
    assert ledger.write(resolutions.undo, campaign) == resolutions.Undone()


def test_a_ledger_of_the_first_schema_learns_to_keep_words(location: str) -> None:
    with open_ledger(location) as ledger:
        campaign, _ = doubtful(ledger)
        with ledger.writing() as connection:
            make_old(connection, 1)
    upgrade(location)
    with open_ledger(location) as ledger:
        [doubt] = ledger.read(in_doubt.in_doubt, [campaign])
        say(ledger, E.SAID_SENT, doubt.id)
        assert ledger.write(resolutions.undo, campaign).back == ["1"]
