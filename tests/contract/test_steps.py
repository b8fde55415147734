"""Follow-ups in the ledger: every way in which they begin to count, wait, end and come back, on
SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, update

from runner.errors import LedgerError
from runner.ledger.doubts import resolutions
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.engine import upgrade
from runner.ledger.erasure import erasure
from runner.ledger.erasure.records import known_as
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import (
    claims,
    decisions,
    feeds,
    follow_up_claims,
    late_skips,
    outcomes,
    queue,
    replies,
)
from runner.ledger.messages.claims import NotClaimed
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.ledger.schema import campaign, message
from runner.message.evidence import Evidence
from runner.message.key import message_key
from runner.message.plan import Change, Entry
from runner.message.status import MessageStatus, SkipReason
from tests.contract.sequence import DAY, StepCampaign
from tests.support import (
    LANE,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_old,
    make_queue,
    own_lane,
    recipient,
)

S, E, R = MessageStatus, Evidence, SkipReason
QUEUED, WAITING, SENT = (S.QUEUED, ""), (S.WAITING, ""), (S.SENT, "")
STEP_BEFORE = (S.SKIPPED, R.STEP_BEFORE)
REPLIED = (S.SKIPPED, R.REPLIED)


@pytest.fixture
def spring(ledger: Ledger) -> StepCampaign:
    return StepCampaign(ledger)


def statuses(found: StepCampaign, id: int = 1) -> list[str]:
    return [status for status, _ in found.stands(id).values()]


# How a follow-up begins to count.


def test_a_follow_up_waits_until_the_one_before_is_sent_and_counts_from_then(
    spring: StepCampaign,
) -> None:
    assert spring.stands() == {"1": QUEUED, "nudge": WAITING, "last": WAITING}
    spring.claim(at=10.0)
    assert statuses(spring) == [S.SENDING, S.WAITING, S.WAITING]
    spring.end(at=12.0)
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}
    assert spring.rows()["nudge"].not_before == 12.0 + DAY
    spring.read_up_to(12.0 + DAY + 1.0)
    spring.send("nudge", at=DAY + 20.0)
    assert spring.rows()["last"].not_before == DAY + 20.0 + DAY
    spring.read_up_to(2 * DAY + 21.0)
    spring.send("last", at=2 * DAY + 30.0)
    assert spring.stands() == {"1": SENT, "nudge": SENT, "last": SENT}


def test_all_of_it_is_one_transaction_with_the_outcome(spring: StepCampaign) -> None:
    spring.claim()
    row = spring.rows()["1"]
    done = Result(row.id, 1, E.ACCEPTED, 12.0, message_id="m1", thread_id="t1")

    def record_and_die(connection: Connection) -> None:
        outcomes.record(connection, [done])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        spring.ledger.write(record_and_die)
    assert statuses(spring) == [S.SENDING, S.WAITING, S.WAITING]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (E.UNKNOWN, E.FOUND),
        (E.UNKNOWN, E.REPLAYED),
        (E.ORPHANED, E.FOUND),
        (E.REJECTED, E.ACCEPTED),
    ],
)
def test_a_late_proof_promotes_as_an_answer_does(
    spring: StepCampaign, first: Evidence, then: Evidence
) -> None:
    spring.claim(at=10.0)
    spring.end(at=11.0, evidence=first)
    assert spring.stands()["nudge"] == (STEP_BEFORE if first is E.REJECTED else WAITING)
    spring.end(at=50.0, evidence=then, sent_at=10.0)
    assert spring.stands()["nudge"] == QUEUED
    assert spring.rows()["nudge"].not_before == 10.0 + DAY


def say(found: StepCampaign, step: str, word: Evidence, at: float = 40.0) -> None:
    said = Settlement(found.rows()[step].id, word, at, word)
    found.ledger.write(resolutions.resolve, found.id, [said])


def test_a_persons_word_promotes_and_its_undoing_takes_back(spring: StepCampaign) -> None:
    spring.claim(at=10.0)
    spring.end(at=11.0, evidence=E.UNKNOWN, message_id="m1", thread_id="t1")
    say(spring, "1", E.SAID_SENT)
    assert spring.stands()["nudge"] == QUEUED
    spring.ledger.write(resolutions.undo, spring.id)
    assert statuses(spring) == [S.IN_DOUBT, S.WAITING, S.WAITING]
    say(spring, "1", E.SAID_NOT_SENT)
    assert statuses(spring) == [S.QUEUED, S.WAITING, S.WAITING]
    spring.ledger.write(resolutions.undo, spring.id)
    assert statuses(spring) == [S.IN_DOUBT, S.WAITING, S.WAITING]


def test_an_undone_word_takes_back_a_follow_up_that_was_tried(spring: StepCampaign) -> None:
    spring.claim(at=10.0)
    spring.end(at=11.0, evidence=E.UNKNOWN)
    say(spring, "1", E.SAID_SENT)
    spring.read_up_to(DAY + 41.0)
    spring.claim("nudge", at=DAY + 42.0)
    spring.end("nudge", at=DAY + 43.0, evidence=E.NOT_WRITTEN)
    assert spring.stands()["nudge"][0] == S.QUEUED
    spring.ledger.write(resolutions.undo, spring.id)
    assert statuses(spring) == [S.IN_DOUBT, S.WAITING, S.WAITING]


@pytest.mark.parametrize("late", [E.ACCEPTED, E.UNKNOWN])
def test_late_truth_of_a_follow_up_that_waits_again_is_kept(
    spring: StepCampaign, late: Evidence
) -> None:
    spring.claim(at=10.0)
    spring.end(at=11.0, evidence=E.UNKNOWN)
    say(spring, "1", E.SAID_SENT)
    spring.read_up_to(DAY + 41.0)
    spring.claim("nudge", at=DAY + 42.0)
    spring.end("nudge", at=DAY + 43.0, evidence=E.NOT_WRITTEN)
    spring.ledger.write(resolutions.undo, spring.id)
    spring.end("nudge", at=DAY + 44.0, evidence=late)
    assert spring.stands()["nudge"][0] == (S.SENT if late is E.ACCEPTED else S.IN_DOUBT)


# What goes before ends otherwise.


@pytest.mark.parametrize("evidence", [E.REJECTED])
def test_what_follows_a_refused_message_is_skipped_and_comes_back_with_it(
    spring: StepCampaign, evidence: Evidence
) -> None:
    spring.claim()
    spring.end(evidence=evidence, reason="blocked")
    assert spring.stands() == {
        "1": (S.REJECTED, "blocked"),
        "nudge": STEP_BEFORE,
        "last": STEP_BEFORE,
    }
    assert spring.rows()["nudge"].detail == "the message before it is rejected"
    spring.ledger.write(decisions.retry, RetryRequest(spring.id))
    assert spring.stands() == {"1": QUEUED, "nudge": WAITING, "last": WAITING}
    spring.plan()
    assert spring.stands() == {"1": QUEUED, "nudge": WAITING, "last": WAITING}


def test_a_failed_step_in_the_middle_keeps_the_last_back(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.read_up_to(DAY + 11.0)
    spring.claim("nudge", at=DAY + 12.0)
    tries: Any = {"counts": True, "attempts_allowed": 1}
    spring.end("nudge", at=DAY + 13.0, evidence=E.DEFERRED, reason="busy", **tries)
    assert spring.stands() == {"1": SENT, "nudge": (S.FAILED, "busy"), "last": STEP_BEFORE}
    spring.ledger.write(decisions.retry, RetryRequest(spring.id))
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}
    assert spring.rows()["nudge"].not_before == 10.0 + DAY


def test_cancelled_is_cancelled_for_all_and_comes_back_as_it_stands(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    assert spring.ledger.write(decisions.withdraw, spring.id) == 2
    assert statuses(spring) == [S.SENT, S.CANCELLED, S.CANCELLED]
    spring.plan()
    assert statuses(spring) == [S.SENT, S.CANCELLED, S.CANCELLED]
    spring.ledger.write(decisions.retry, RetryRequest(spring.id))
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}


def test_a_skip_of_one_step_keeps_the_next_back_for_the_same_reason_if_it_ends_the_person(
    spring: StepCampaign,
) -> None:
    spring.send()
    nudge = spring.rows()["nudge"].id
    gone = LateSkip(R.THREAD_GONE, "the thread was deleted")
    spring.ledger.write(late_skips.skip_late, {nudge: gone})
    assert spring.stands()["last"] == (S.SKIPPED, R.THREAD_GONE)
    spring.plan()
    assert spring.stands()["last"] == (S.SKIPPED, R.THREAD_GONE)


# Replies.


def test_a_reply_ends_all_that_is_left(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.reply(20.0)
    assert spring.stands() == {"1": SENT, "nudge": REPLIED, "last": REPLIED}
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": REPLIED, "last": REPLIED}


def test_a_reply_that_is_heard_before_our_outcome_is_known_ends_them_too(
    spring: StepCampaign,
) -> None:
    spring.claim(at=10.0)
    early = spring.heard(11.0)
    assert early.kind == "open"
    spring.read_up_to(12.0, early)
    spring.end(at=13.0)
    assert spring.stands()["nudge"] == QUEUED
    # Read past its time, and not matched yet: nothing may go before it is.
    spring.read_up_to(DAY + 14.0)
    assert spring.due(DAY + 14.0) == []
    assert spring.claim("nudge", at=DAY + 14.0) is NotClaimed.MOVED
    [left] = spring.ledger.read(replies.unsettled, LANE, 10)
    late = replace(spring.heard(left.at), message_id=left.message_id)
    spring.read_up_to(DAY + 15.0, late)
    assert spring.stands() == {"1": SENT, "nudge": REPLIED, "last": REPLIED}


def test_a_reply_while_a_follow_up_is_under_way_bars_its_next_try(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.read_up_to(DAY + 11.0)
    spring.claim("nudge", at=DAY + 12.0)
    spring.reply(DAY + 13.0)
    assert spring.stands() == {"1": SENT, "nudge": (S.SENDING, ""), "last": REPLIED}
    spring.end("nudge", at=DAY + 14.0, evidence=E.NOT_WRITTEN)
    assert isinstance(spring.claim("nudge", at=DAY + 15.0), LateSkip)
    assert spring.stands() == {"1": SENT, "nudge": REPLIED, "last": REPLIED}


def test_a_doubtful_follow_up_is_not_repeated_once_the_person_has_answered(
    spring: StepCampaign,
) -> None:
    spring.send(at=10.0)
    spring.read_up_to(DAY + 11.0)
    spring.claim("nudge", at=DAY + 12.0)
    spring.end("nudge", at=DAY + 13.0, evidence=E.UNKNOWN)
    spring.reply(DAY + 14.0)
    assert spring.claim("nudge", at=DAY + 15.0, is_repeat=True) is NotClaimed.MOVED
    assert spring.rows()["nudge"].status == S.IN_DOUBT
    spring.end("nudge", at=DAY + 16.0, evidence=E.FOUND)
    assert spring.stands() == {"1": SENT, "nudge": SENT, "last": REPLIED}


def test_where_a_reply_is_no_end_they_go_on(ledger: Ledger) -> None:
    found = StepCampaign(ledger, stop_on=["colleague"])
    found.send(at=10.0)
    found.reply(20.0)
    assert found.stands()["nudge"] == QUEUED
    found.read_up_to(DAY + 11.0)
    found.send("nudge", at=DAY + 12.0)


def test_a_reply_to_another_campaign_ends_nothing_here(spring: StepCampaign) -> None:
    other = StepCampaign(spring.ledger, name="autumn")
    spring.send(at=10.0)
    other.send(at=30.0)
    spring.reply(40.0)  # answers the newest of ours in the thread
    assert other.stands()["nudge"] == REPLIED
    assert spring.stands()["nudge"] == QUEUED


def test_a_reply_that_is_none_lets_them_go_on_whatever_ends_the_thread(
    spring: StepCampaign,
) -> None:
    spring.send(at=10.0)
    spring.reply(20.0)
    spring.ledger.write(replies.dismiss, spring.id, ["1"])
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}
    assert spring.rows()["nudge"].not_before == 10.0 + DAY
    before = spring.before("nudge")
    assert before is not None
    assert before.dismissed == {"in1"}
    spring.read_up_to(DAY + 11.0)
    spring.send("nudge", at=DAY + 12.0)


def test_steps_of_who_came_onto_the_list_since_do_not_go_on(spring: StepCampaign) -> None:
    """A run would not send them, and would leave them in the queue without a word."""
    spring.send(at=10.0)
    spring.reply(20.0)
    spring.ledger.write(decisions.suppress, ["1"], "asked", 30.0)
    spring.ledger.write(replies.dismiss, spring.id, ["1"])
    assert spring.rows()["nudge"].reason == "suppressed"
    assert QUEUED not in spring.stands().values()
    assert WAITING not in spring.stands().values()


def test_nothing_lets_steps_of_an_erased_person_go_on(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.reply(20.0)
    person = spring.ledger.read(known_as, {"1"})
    spring.ledger.write(erasure.erase, person, 30.0, by="bob", via="cli", count=1)
    with spring.ledger.reading() as connection:
        gone = connection.execute(select(message.c.recipient).distinct()).scalar_one()
    assert spring.ledger.write(replies.dismiss, spring.id, [gone]) == [gone]
    with spring.ledger.reading() as connection:
        left = connection.execute(select(message.c.status).order_by(message.c.id)).scalars().all()
    assert left == [S.SENT, S.SKIPPED, S.SKIPPED]


def test_late_truth_queues_nothing_for_an_erased_person(spring: StepCampaign) -> None:
    spring.claim()
    id = spring.rows()["1"].id
    spring.end(evidence=E.REJECTED, reason="blocked")
    person = spring.ledger.read(known_as, {"1"})
    spring.ledger.write(erasure.erase, person, 30.0, by="bob", via="cli", count=1)
    late = Result(id, 1, E.ACCEPTED, 40.0, message_id="late", thread_id="late")
    spring.ledger.write(outcomes.record, [late])
    with spring.ledger.reading() as connection:
        left = connection.execute(select(message.c.status).order_by(message.c.id)).scalars().all()
    assert left == [S.SENT, S.SKIPPED, S.SKIPPED]


def test_a_step_that_comes_after_an_answer_is_not_made_for_them(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.reply(20.0)
    spring.steps.append(("more", DAY))
    spring.plan()
    assert spring.stands()["more"] == REPLIED


# Who may not be written to.


def test_the_do_not_contact_list_takes_out_all_and_gives_back(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.ledger.write(decisions.suppress, ["1"], "asked", 20.0)
    assert [reason for _, reason in spring.stands().values()] == ["", "suppressed", "suppressed"]
    spring.plan()
    spring.ledger.write(decisions.unsuppress, ["1"])
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}
    assert spring.rows()["nudge"].not_before == 10.0 + DAY


def test_whom_the_campaigns_own_list_names_gets_no_follow_up(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.listed = {1}
    spring.plan()
    assert spring.stands()["nudge"][1] == R.SUPPRESSED
    spring.listed = set()
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}


def test_a_hold_keeps_them_back_and_takes_nothing_away(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    hold: Any = {"why": "on leave", "at": 20.0, "by": "ada"}
    spring.ledger.write(decisions.hold_each, ["1"], None, **hold)
    spring.read_up_to(DAY + 11.0)
    assert spring.due(DAY + 12.0) == []
    assert spring.claim("nudge", at=DAY + 12.0) is NotClaimed.MOVED
    spring.ledger.write(decisions.unhold, ["1"], DAY + 13.0)
    spring.read_up_to(3 * DAY)
    assert spring.due(3 * DAY) == [("1", "nudge")]


def test_time_on_hold_is_not_counted(spring: StepCampaign) -> None:
    def due_at() -> float:
        found: float = spring.rows()["nudge"].not_before
        return found

    spring.send(at=100.0)
    ledger, said = spring.ledger, {"why": "", "by": "ann"}
    ledger.write(decisions.hold_each, ["1"], None, at=200.0, **said)
    assert due_at() == 100.0 + DAY
    ledger.write(decisions.unhold, ["1"], 700.0)
    assert due_at() == 100.0 + DAY + 500.0
    ledger.write(decisions.hold_each, ["1"], 2000.0, at=1000.0, **said)
    assert due_at() == 100.0 + DAY + 1500.0
    ledger.write(decisions.hold_each, ["1"], 3000.0, at=1500.0, **said)  # another one instead
    assert due_at() == 100.0 + DAY + 500.0 + 2000.0
    ledger.write(decisions.unhold, ["1"], 1700.0)
    assert due_at() == 100.0 + DAY + 500.0 + 700.0
    spring.plan(1800.0)
    assert due_at() == 100.0 + DAY + 1200.0
    ledger.write(decisions.hold_each, ["1"], 2000.0, at=1900.0, **said)
    assert ledger.write(decisions.unhold, ["1"], 2500.0) == []  # it is over already
    assert due_at() == 100.0 + DAY + 1300.0


def test_a_hold_from_before_the_message_counts_from_when_that_is_sent(
    spring: StepCampaign,
) -> None:
    spring.claim(at=50.0)
    spring.ledger.write(decisions.hold_each, ["1"], None, why="", at=60.0, by="ann")
    spring.end(at=100.0)
    spring.ledger.write(decisions.unhold, ["1"], 300.0)
    assert spring.rows()["nudge"].not_before == 100.0 + DAY + 200.0


def test_another_campaign_between_two_steps_bars_as_it_does_a_first_message(
    ledger: Ledger,
) -> None:
    spring = StepCampaign(ledger, contact_once_in=30 * DAY)
    other = StepCampaign(ledger, (), name="autumn")
    spring.send(at=10.0)
    other.send(at=20.0)
    spring.read_up_to(DAY + 11.0)
    claimed = spring.claim("nudge", at=DAY + 12.0)
    assert isinstance(claimed, LateSkip)
    assert spring.stands() == {"1": SENT, "nudge": (S.SKIPPED, R.CONTACTED), "last": STEP_BEFORE}
    spring.plan(DAY + 13.0)
    assert spring.stands()["nudge"] == (S.SKIPPED, R.CONTACTED)
    spring.plan(40 * DAY)
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}


# What a claim refuses.


def sent_and_due(found: StepCampaign) -> float:
    found.send(at=10.0)
    return 10.0 + DAY


def test_a_claim_is_refused_until_the_feed_is_read_past_its_time(spring: StepCampaign) -> None:
    at = sent_and_due(spring)
    for up_to in (at - 1.0, at):
        spring.read_up_to(up_to)
        assert spring.due(at + 5.0) == []
        assert spring.claim("nudge", at=at + 5.0) is NotClaimed.MOVED
    spring.read_up_to(at + 0.1)
    assert spring.due(at + 5.0) == [("1", "nudge")]
    assert spring.claim("nudge", at=at + 5.0) == 1


def test_a_try_that_came_to_nothing_makes_the_feed_no_older(spring: StepCampaign) -> None:
    at = sent_and_due(spring)
    spring.read_up_to(at + 1.0)
    spring.claim("nudge", at=at + 2.0)
    spring.end("nudge", at=at + 3.0, evidence=E.NOT_WRITTEN)
    with spring.ledger.writing() as connection:  # another lane's owner has lost its place
        connection.exec_driver_sql("UPDATE feed SET read_at = 50")
    assert spring.claim("nudge", at=at + 4.0) is NotClaimed.MOVED


def test_a_claim_is_refused_while_its_thread_is_to_be_read_back(spring: StepCampaign) -> None:
    at = sent_and_due(spring)
    spring.ledger.write(feeds.tear, LANE, at, 0.0)
    spring.read_up_to(at + 1.0)
    assert spring.due(at + 5.0) == []
    assert spring.claim("nudge", at=at + 5.0) is NotClaimed.MOVED
    spring.ledger.write(feeds.was_read_back, LANE, "t1")
    assert spring.claim("nudge", at=at + 5.0) == 1


def test_a_torn_feed_reads_back_what_is_still_followed_however_old(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.ledger.write(feeds.tear, LANE, 40 * DAY, 26 * DAY)
    spring.read_up_to(40 * DAY + 1.0)
    assert spring.claim("nudge", at=40 * DAY + 5.0) is NotClaimed.MOVED


def test_a_claim_is_refused_when_the_one_before_is_in_doubt_again(spring: StepCampaign) -> None:
    spring.claim(at=10.0)
    spring.end(at=11.0, evidence=E.UNKNOWN)
    say(spring, "1", E.SAID_SENT)
    spring.read_up_to(DAY + 60.0)
    spring.ledger.write(resolutions.undo, spring.id)
    assert spring.due(DAY + 61.0) == []
    assert spring.claim("nudge", at=DAY + 61.0) is NotClaimed.MOVED
    assert spring.before("nudge") is None


def test_a_paused_or_cancelled_campaign_claims_none(spring: StepCampaign) -> None:
    at = sent_and_due(spring)
    spring.read_up_to(at + 1.0)
    spring.ledger.write(decisions.cancel, spring.id, at + 2.0, "ada")
    assert statuses(spring) == [S.SENT, S.CANCELLED, S.CANCELLED]
    assert not isinstance(spring.claim("nudge", at=at + 3.0), int)


# Edits.


def test_after_is_changed_for_what_is_not_sent(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    for after in (3 * DAY, DAY / 2):
        spring.steps[0] = ("nudge", after)
        spring.plan()
        assert spring.rows()["nudge"].not_before == 10.0 + after


def test_after_is_changed_for_what_was_tried_and_not_sent(spring: StepCampaign) -> None:
    at = sent_and_due(spring)
    spring.read_up_to(at + 1.0)
    spring.claim("nudge", at=at + 2.0)
    spring.end("nudge", at=at + 3.0, evidence=E.NOT_WRITTEN)
    spring.steps[0] = ("nudge", 3 * DAY)
    spring.plan()
    assert spring.rows()["nudge"].not_before == 10.0 + 3 * DAY


def test_a_shorter_after_asks_no_thread_sooner_that_was_put_off(spring: StepCampaign) -> None:
    at = sent_and_due(spring)
    nudge = spring.rows()["nudge"].id
    spring.ledger.write(follow_up_claims.put_off, nudge, at + 60.0, "it is being imported")
    spring.plan()
    assert spring.rows()["nudge"].not_before == at + 60.0


def test_a_step_added_at_the_end_goes_to_all_who_are_there(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.read_up_to(DAY + 11.0)
    spring.send("nudge", at=DAY + 12.0)
    spring.read_up_to(2 * DAY + 13.0)
    spring.send("last", at=2 * DAY + 14.0)
    spring.steps.append(("more", DAY))
    spring.plan()
    assert spring.stands()["more"] == QUEUED
    assert spring.rows()["more"].not_before == 3 * DAY + 14.0


def test_what_is_inserted_before_their_place_goes_to_none_past_it(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.read_up_to(DAY + 11.0)
    spring.send("nudge", at=DAY + 12.0)
    spring.steps.insert(0, ("early", 60.0))
    spring.steps.insert(2, ("middle", DAY))
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": SENT, "middle": QUEUED, "last": WAITING}
    assert spring.rows()["middle"].previous == "nudge"
    assert spring.rows()["last"].previous == "middle"


@pytest.mark.parametrize("sends", [0, 1, 2])
def test_a_renamed_step_is_another_one_and_nobody_past_it_gets_it(
    spring: StepCampaign, sends: int
) -> None:
    send_some(spring, sends)
    spring.steps[0] = ("hello", DAY)
    spring.plan()
    stands = spring.stands()
    if sends < 2:
        assert stands["nudge"] == (S.SKIPPED, R.REMOVED)
        assert stands["hello"] == (QUEUED if sends else WAITING)
        assert spring.rows()["last"].previous == "hello"
    else:
        assert "hello" not in stands
        assert stands["last"] == QUEUED
        assert spring.rows()["last"].previous == "nudge"
        assert spring.rows()["last"].not_before == spring.rows()["nudge"].sent_at + DAY


def test_all_steps_renamed_go_on_from_where_people_are(spring: StepCampaign) -> None:
    send_some(spring, 2)
    spring.steps = [("hello", DAY), ("bye", DAY)]
    spring.plan()
    assert spring.stands() == {
        "1": SENT,
        "nudge": SENT,
        "last": (S.SKIPPED, R.REMOVED),
        "bye": QUEUED,
    }
    assert spring.rows()["bye"].previous == "nudge"


def test_a_removed_step_that_was_sent_still_counts_for_the_distance(spring: StepCampaign) -> None:
    send_some(spring, 2)
    del spring.steps[0]
    spring.plan()
    last, nudge = spring.rows()["last"], spring.rows()["nudge"]
    assert spring.stands()["last"] == QUEUED
    assert (last.previous, last.not_before) == ("nudge", nudge.sent_at + DAY)


def test_a_removed_step_that_comes_back_goes_to_none_past_it(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    nudge = spring.steps.pop(0)
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": (S.SKIPPED, R.REMOVED), "last": QUEUED}
    spring.read_up_to(DAY + 11.0)
    spring.send("last", at=DAY + 12.0)
    spring.steps.insert(0, nudge)
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": (S.SKIPPED, R.REMOVED), "last": SENT}


def test_a_removed_step_that_comes_back_in_time_goes_on(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    nudge = spring.steps.pop(0)
    spring.plan()
    spring.steps.insert(0, nudge)
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}


def test_steps_in_another_order_go_on_after_the_last_that_was_sent(spring: StepCampaign) -> None:
    send_some(spring, 2)
    spring.steps.reverse()
    spring.plan()
    last, nudge = spring.rows()["last"], spring.rows()["nudge"]
    assert (last.status, last.previous) == (S.QUEUED, "nudge")
    assert last.not_before == nudge.sent_at + DAY


def test_all_steps_taken_out_take_out_all_that_is_to_come(spring: StepCampaign) -> None:
    spring.send(at=10.0)
    spring.steps = []
    spring.plan()
    removed = (S.SKIPPED, R.REMOVED)
    assert spring.stands() == {"1": SENT, "nudge": removed, "last": removed}


def test_a_row_that_is_gone_takes_its_steps_with_it_and_brings_them_back(
    spring: StepCampaign,
) -> None:
    spring.send(at=10.0)
    spring.people = [2]
    spring.plan()
    removed = (S.SKIPPED, R.REMOVED)
    assert spring.stands() == {"1": SENT, "nudge": removed, "last": removed}
    spring.people = [1, 2]
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}
    assert spring.rows()["nudge"].not_before == 10.0 + DAY


def test_a_sender_that_is_gone_ends_what_it_has_begun_until_it_is_back(
    spring: StepCampaign,
) -> None:
    spring.send(at=10.0)
    spring.senders = ["other"]
    spring.plan()
    assert spring.stands()["nudge"][1] == R.UNKNOWN_SENDER
    spring.senders = [SENDER]
    spring.plan()
    assert spring.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}


def send_some(found: StepCampaign, count: int) -> None:
    """Send the first messages of the sequence, a day apart."""
    at = 10.0
    for step in ["1", *(name for name, _ in found.steps)][:count]:
        if step != "1":
            found.read_up_to(at)
        found.send(step, at=at + 1.0)
        at += DAY + 2.0


@pytest.mark.slow
@pytest.mark.parametrize("sends", [0, 1, 2, 3])
def test_planning_again_changes_nothing(spring: StepCampaign, sends: int) -> None:
    send_some(spring, sends)
    before = spring.rows()
    for entry in spring.entries():
        assert isinstance(entry, Entry)
        for each in (entry, *entry.later):
            assert each.change in (Change.SAME, Change.KEPT)
    spring.plan()
    assert spring.rows() == before


def test_the_keys_of_first_messages_are_what_they_were() -> None:
    assert message_key("spring", "1", recipient("17"), 0) == KEY
    assert message_key("spring", "nudge", recipient("17"), 0) != KEY


KEY = "rc1-1308ed1d60eba7b9d5d21bf317c2c23c1f56d5d480e2a75dcd78e21e2a40893c"


# What the queue says.


def test_the_queue_tells_what_waits_for_replies_to_be_read(ledger: Ledger) -> None:
    found = StepCampaign(ledger, people=(1, 2, 3))
    found.send(id=1, at=10.0)
    found.send(id=2, at=20.0)
    found.read_up_to(DAY + 15.0)
    said = ledger.read(queue.waiting, [found.id], (), LANE)
    told = sorted((each.count, each.next_at, each.unheard) for each in said)
    assert told == [(1, 0.0, False), (1, DAY + 10.0, False), (1, DAY + 20.0, True)]
    assert ledger.read(totals.people_to_come, found.id) == 3


def test_follow_ups_come_first_the_longest_due_before_the_others(ledger: Ledger) -> None:
    found = StepCampaign(ledger, people=(1, 2, 3))
    found.send(id=2, at=10.0)
    found.send(id=1, at=20.0)
    found.read_up_to(2 * DAY)
    assert found.due(2 * DAY) == [("2", "nudge"), ("1", "nudge"), ("3", "1")]


def test_campaigns_without_steps_pay_nothing_for_them(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    seen: list[str] = []
    with ledger.reading() as connection:
        event.listen(connection.engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    ledger.write(claims.claim, [make_intent(1, run, epoch)])
    claimed = len(seen)
    ledger.write(outcomes.record, [Result(1, 1, E.ACCEPTED, 20.0, message_id="m1")])
    assert (claimed, len(seen) - claimed) == COSTS[connection.dialect.name]


COSTS = {"sqlite": (3, 4), "postgresql": (4, 4)}


# Old ledgers.


def test_an_old_ledger_with_messages_takes_steps(location: str) -> None:
    with open_ledger(location) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [1])
        run, epoch = own_lane(ledger)
        claim_one(ledger, make_intent(1, run, epoch))
        done = Result(1, 1, E.ACCEPTED, 20.0, message_id="m1", thread_id="t1")
        ledger.write(outcomes.record, [done])
        with ledger.writing() as connection:
            make_old(connection, 11)
    upgrade(location)
    with open_ledger(location) as ledger:
        with ledger.reading() as connection:
            [kept] = connection.execute(select(message)).all()
            assert (kept.status, kept.previous, kept.after) == (S.SENT, "", 0.0)
            assert connection.execute(select(campaign.c.stop_on)).scalar_one() == ""
        found = StepCampaign.again(ledger, row.id)
        found.plan()
        assert found.stands() == {"1": SENT, "nudge": QUEUED, "last": WAITING}
        with pytest.raises(LedgerError, match="message_status"):
            ledger.write(lambda each: each.execute(update(message).values(status="odd")))
