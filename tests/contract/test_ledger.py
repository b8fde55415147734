"""The ledger's behaviour, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from runner.errors import LedgerError, LedgerTooNew
from runner.ledger import lanes, schema
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.doubts import in_doubt, orphans, settlements
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.engine import upgrade
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, plans, queue, usage
from runner.ledger.messages.claims import NotClaimed
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.outcomes import Recorded, Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.migrations import steps as migrations
from runner.ledger.queries import exports, totals
from runner.message.evidence import AttemptOutcome, Evidence
from runner.message.plan import Change, Entry, Known, PlannedMessage
from runner.message.prospect import RowSkip
from runner.message.status import MessageStatus, SkipReason
from tests.support import (
    LANE,
    SENDER,
    attempts_of,
    claim_one,
    make_campaign,
    make_intent,
    make_old,
    make_queue,
    own_lane,
    plan_again,
    recipient,
)

S = MessageStatus


def ids_of(ledger: Ledger, campaign: int, now: float = 5.0) -> list[int]:
    return [due.id for due in ledger.read(queue.due, campaign, SENDER, now, 100)]


def statuses(ledger: Ledger, campaign: int) -> list[tuple[str, str]]:
    return [(row.recipient, row.status.value) for row in ledger.read(_exported, campaign)]


def _exported(connection: object, campaign: int) -> list[exports.ExportRow]:
    return list(exports.export_rows(connection, campaign))  # type: ignore[arg-type]  # a Connection


def claimed(ledger: Ledger, campaign: int) -> tuple[int, int, int, int]:
    """One message, claimed: (message, attempt, run, epoch)."""
    run, epoch = own_lane(ledger)
    [message] = ids_of(ledger, campaign)
    number = claim_one(ledger, make_intent(message, run, epoch))
    return message, number, run, epoch


def record(
    ledger: Ledger, message: int, number: int, evidence: Evidence, **more: object
) -> Recorded:
    result = Result(message, number, evidence, 20.0, **more)  # type: ignore[arg-type]  # by name
    return ledger.write(outcomes.record, [result])[0]


def test_a_queue_is_due_in_plan_order(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 3, 9])
    due = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
    assert [each.recipient.id for each in due] == ["5", "3", "9"]
    assert ledger.read(queue.waiting, [row.id]) == [
        queue.SenderQueue(SENDER, row.id, "", 3, 0.0, 1, 3)
    ]


def test_what_is_under_way_takes_no_places_in_a_read(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 6, 7, 8, 9])
    first, second, *_ = ids_of(ledger, row.id)
    found = ledger.read(queue.due, row.id, SENDER, 5.0, 2, excluded={first, second})
    assert [due.recipient.id for due in found] == ["7", "8"]


def test_a_recipient_has_one_message_per_step(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    with pytest.raises((LedgerError, IntegrityError)):
        make_queue(ledger, row, [5])
    assert ledger.read(totals.counts, row.id)[S.QUEUED] == 1


def test_an_intent_is_committed_once(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, run, epoch = claimed(ledger, row.id)
    assert number == 1
    assert ledger.write(claims.claim, [make_intent(message, run, epoch)]) == [NotClaimed.MOVED]
    assert statuses(ledger, row.id) == [("5", "sending")]


def test_an_earlier_owner_is_fenced(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    own_lane(ledger)
    [message] = ids_of(ledger, row.id)
    assert ledger.write(claims.claim, [make_intent(message, run, epoch)]) == [NotClaimed.FENCED]
    assert statuses(ledger, row.id) == [("5", "queued")]


def test_a_suppressed_recipient_cannot_be_claimed(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 6])
    assert ledger.write(decisions.suppress, ["5", "99"], "asked", 3.0) == 1
    assert statuses(ledger, row.id) == [("5", "skipped"), ("6", "queued")]
    assert [row[0] for row in ledger.read(totals.suppression_list)] == ["5", "99"]
    assert ledger.write(decisions.unsuppress, ["5", "1"]) == ["5"]


def test_nothing_goes_to_a_person_with_a_message_in_doubt(ledger: Ledger) -> None:
    row, other = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, row, [5])
    message, number, run, epoch = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN)
    make_queue(ledger, other, [5])
    assert ids_of(ledger, other.id) == []
    assert ledger.read(queue.waiting, [other.id]) == []
    queued = ledger.read(_message_ids, other.id)
    assert ledger.write(claims.claim, [make_intent(queued[0], run, epoch)]) == [NotClaimed.MOVED]
    ledger.write(settlements.settle, [Settlement(message, Evidence.SAID_SENT, 30.0)])
    assert ids_of(ledger, other.id) == queued


def _message_ids(connection: object, campaign: int) -> list[int]:
    found = connection.execute(  # type: ignore[attr-defined]  # a Connection
        text("SELECT id FROM message WHERE campaign = :campaign"), {"campaign": campaign}
    )
    return [row.id for row in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("evidence", "status", "outcome"),
    [
        (Evidence.ACCEPTED, S.SENT, AttemptOutcome.ACCEPTED),
        (Evidence.REPLAYED, S.SENT, AttemptOutcome.ACCEPTED),
        (Evidence.REJECTED, S.REJECTED, AttemptOutcome.REJECTED),
        (Evidence.DEFERRED, S.QUEUED, AttemptOutcome.NOT_SENT),
        (Evidence.NOT_WRITTEN, S.QUEUED, AttemptOutcome.NOT_SENT),
        (Evidence.UNKNOWN, S.IN_DOUBT, AttemptOutcome.UNKNOWN),
    ],
)
def test_an_answer_moves_its_message(
    ledger: Ledger, evidence: Evidence, status: S, outcome: AttemptOutcome
) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    told = record(ledger, message, number, evidence, message_id="m1", thread_id="t1", reason="why")
    assert told == Recorded(status)
    assert statuses(ledger, row.id) == [("5", status)]
    [attempt] = ledger.read(attempts_of, row.id)
    assert (attempt.outcome, attempt.evidence) == (outcome, evidence)
    if status is S.SENT:
        [exported] = ledger.read(_exported, row.id)
        assert (exported.message_id, exported.thread_id, exported.sent_at) == ("m1", "t1", 20.0)
        assert ledger.read(in_doubt.is_taken, "m1")


def test_attempts_that_count_run_out(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    [message] = ids_of(ledger, row.id)
    seen = []
    for _ in range(2):
        number = claim_one(ledger, make_intent(message, run, epoch))
        told = record(ledger, message, number, Evidence.DEFERRED, counts=True, attempts_allowed=2)
        seen.append(told.status)
    assert seen == [S.QUEUED, S.FAILED]
    assert ledger.write(decisions.retry, RetryRequest(row.id)) == 1
    assert statuses(ledger, row.id) == [("5", "queued")]


def test_a_look_up_speaks_only_of_the_attempts_it_knew(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, run, epoch = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN)
    again = claim_one(ledger, make_intent(message, run, epoch, is_repeat=True))
    record(ledger, message, again, Evidence.UNKNOWN)
    old = Settlement(message, Evidence.ABSENT_ASSUMED, 30.0, numbers=frozenset({number}))
    assert ledger.write(settlements.settle, [old]) == [Recorded(S.IN_DOUBT)]


def test_found_after_a_persons_word_is_late_truth(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN)
    ledger.write(settlements.settle, [Settlement(message, Evidence.SAID_NOT_SENT, 30.0)])
    found = Settlement(message, Evidence.FOUND, 40.0, message_id="m", numbers=frozenset({number}))
    assert ledger.write(settlements.settle, [found]) == [Recorded(S.SENT)]
    assert statuses(ledger, row.id) == [("5", "sent")]


def test_one_message_of_the_api_proves_one_of_ours(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 6])
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, row.id)
    for id in ids:
        ledger.write(claims.claim, [make_intent(id, run, epoch)])
        record(ledger, id, 1, Evidence.UNKNOWN)
    both = [Settlement(id, Evidence.FOUND, 30.0, message_id="m1") for id in ids]
    told = ledger.write(settlements.settle, both)
    assert told == [Recorded(S.SENT), Recorded(S.IN_DOUBT)]


def test_nobody_on_the_list_is_asked_again_for(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, run, epoch = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN)
    ledger.write(decisions.suppress, ["5"], "asked", 1.0)
    again = make_intent(message, run, epoch, is_repeat=True)
    assert ledger.write(claims.claim, [again]) == [NotClaimed.MOVED]
    assert ledger.read(in_doubt.in_doubt, [row.id])[0].unwanted


def test_a_message_that_can_never_be_seen_is_not_sent_for_ever(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    [message] = ledger.read(_message_ids, row.id)
    seen = []
    for _ in range(2):
        plan_again(ledger, row)
        number = claim_one(ledger, make_intent(message, run, epoch))
        record(ledger, message, number, Evidence.UNKNOWN)
        absent = Settlement(message, Evidence.ABSENT_ASSUMED, 30.0, attempts_allowed=2)
        [told] = ledger.write(settlements.settle, [absent])
        assert told is not None
        seen.append(told.status)
    assert seen == [S.QUEUED, S.FAILED]


def test_a_replay_cannot_disprove_an_unanswered_attempt(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, run, epoch = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN)
    for evidence in (Evidence.REJECTED, Evidence.DEFERRED, Evidence.NOT_WRITTEN):
        again = claim_one(ledger, make_intent(message, run, epoch, is_repeat=True))
        assert record(ledger, message, again, evidence).status is S.IN_DOUBT
    again = claim_one(ledger, make_intent(message, run, epoch, is_repeat=True))
    assert record(ledger, message, again, Evidence.REPLAYED, message_id="m").status is S.SENT


def test_late_truth_is_welcome_and_a_doubling_is_told(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, first, run, epoch = claimed(ledger, row.id)
    record(ledger, message, first, Evidence.UNKNOWN)
    ledger.write(settlements.settle, [Settlement(message, Evidence.SAID_NOT_SENT, 30.0)])
    assert ids_of(ledger, row.id) == []
    plan_again(ledger, row)
    second = claim_one(ledger, make_intent(message, run, epoch))
    assert record(ledger, message, second, Evidence.REJECTED).status is S.REJECTED
    assert record(ledger, message, first, Evidence.ACCEPTED, message_id="m1") == Recorded(S.SENT)
    late = record(ledger, message, second, Evidence.ACCEPTED, message_id="m2")
    assert late == Recorded(S.SENT, doubled=True)
    [exported] = ledger.read(_exported, row.id)
    assert exported.message_id == "m1"
    ids = [attempt.message_id for attempt in ledger.read(attempts_of, row.id)]
    assert ids == ["m1", "m2"]


def test_a_message_without_an_owner_is_in_doubt(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 6])
    run, epoch = own_lane(ledger)
    message, _ = ids_of(ledger, row.id)
    ledger.write(claims.claim, [make_intent(message, run, epoch, body=b"exact", key="rc1-k")])
    assert ledger.write(orphans.recover_orphaned, "another lane", 50.0) == 0
    assert ledger.write(orphans.recover_orphaned, LANE, 50.0) == 1
    assert statuses(ledger, row.id) == [("5", "in_doubt"), ("6", "queued")]
    [doubt] = ledger.read(in_doubt.in_doubt, [row.id])
    assert (doubt.body, doubt.key, doubt.first_at, doubt.reason) == (
        b"exact",
        "rc1-k",
        10.0,
        "orphaned",
    )


def proven_late(ledger: Ledger, message: int, number: int) -> Recorded:
    """What a frozen owner, taken over from, says when it wakes up at 60."""
    proof = Result(message, number, Evidence.NOT_WRITTEN, 60.0, reason="too_late")
    return ledger.write(outcomes.record, [proof])[0]


@pytest.mark.parametrize("meanwhile", [False, True])
def test_what_is_proven_late_waits_for_a_plan_only_if_one_has_passed_it_over(
    ledger: Ledger, meanwhile: bool
) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    ledger.write(orphans.recover_orphaned, LANE, 50.0)
    if meanwhile:
        again = PlannedMessage(2, recipient(5), SENDER, "Hello 5", {"a": "b"})
        with ledger.writing() as connection:
            writer = PlanWriter(connection, row)
            writer.write([Entry(again, Change.KEPT)])
            writer.finish("another", 55.0)
    assert proven_late(ledger, message, number) == Recorded(S.QUEUED)
    assert ledger.read(totals.unplanned, [row.id]) == meanwhile
    assert len(ids_of(ledger, row.id)) == (not meanwhile)


def test_a_doubt_that_comes_late_is_planned_before_it_goes(ledger: Ledger) -> None:
    """As cancelled, for one, it was passed over."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    ledger.write(orphans.recover_orphaned, LANE, 50.0)
    ledger.write(settlements.settle, [Settlement(message, Evidence.SAID_NOT_SENT, 51.0)])
    ledger.write(decisions.withdraw, row.id)
    plan_again(ledger, row)
    late = Result(message, number, Evidence.UNKNOWN, 60.0, reason="timeout")
    assert ledger.write(outcomes.record, [late]) == [Recorded(S.IN_DOUBT)]
    ledger.write(settlements.settle, [Settlement(message, Evidence.ABSENT_ASSUMED, 90.0)])
    assert statuses(ledger, row.id) == [("5", "queued")]
    assert ledger.read(totals.unplanned, [row.id]) == 1


def test_what_is_proven_while_a_plan_is_made_waits_for_another(ledger: Ledger) -> None:
    """That plan has read it as in doubt already."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    ledger.write(orphans.recover_orphaned, LANE, 50.0)
    proof = threading.Thread(target=proven_late, args=(ledger, message, number))
    again = PlannedMessage(2, recipient(5), SENDER, "Hello 5", {"a": "b"})
    with ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write([Entry(again, Change.KEPT)])
        proof.start()
        proof.join(0.3)  # without a lock it is done by now
        writer.finish("another", 55.0)
    proof.join(30.0)
    assert statuses(ledger, row.id) == [("5", "queued")]
    assert ledger.read(totals.unplanned, [row.id]) == 1


def test_who_was_put_on_the_list_meanwhile_does_not_come_back_into_the_queue(
    ledger: Ledger,
) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    ledger.write(orphans.recover_orphaned, LANE, 50.0)
    ledger.write(decisions.suppress, ["5"], "asked", 55.0)
    told = proven_late(ledger, message, number)
    assert told.status is S.SKIPPED
    assert told.passed is not None
    assert told.passed.reason is SkipReason.SUPPRESSED
    assert statuses(ledger, row.id) == [("5", "skipped")]


def test_who_is_put_on_the_list_while_a_message_comes_back_is_skipped(ledger: Ledger) -> None:
    """Neither hears of the other, unless one waits."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    listed = threading.Thread(target=ledger.write, args=(decisions.suppress, ["5"], "asked", 55.0))
    with ledger.writing() as connection:
        proof = Result(message, number, Evidence.NOT_WRITTEN, 60.0, reason="too_late")
        assert outcomes.record(connection, [proof]) == [Recorded(S.QUEUED)]
        listed.start()
        listed.join(0.3)
        assert listed.is_alive()
    listed.join(30.0)
    assert statuses(ledger, row.id) == [("5", "skipped")]


def test_a_look_up_that_proves_nothing_keeps_the_attempts_own_words(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN, reason="sendUnconfirmed", message_id="ask")
    ledger.write(
        settlements.settle, [Settlement(message, Evidence.UNCLEAR, 30.0, reason="unclear")]
    )
    [doubt] = ledger.read(in_doubt.in_doubt, [row.id])
    assert (doubt.reason, doubt.unconfirmed, doubt.asked_id) == ("unclear", True, "ask")


@pytest.mark.parametrize(
    ("evidence", "status"),
    [
        (Evidence.FOUND, S.SENT),
        (Evidence.ABSENT_HELD, S.IN_DOUBT),
        (Evidence.ABSENT_ASSUMED, S.QUEUED),
        (Evidence.SAID_SENT, S.SENT),
        (Evidence.SAID_NOT_SENT, S.QUEUED),
    ],
)
def test_settling_covers_every_unproven_attempt(
    ledger: Ledger, evidence: Evidence, status: S
) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, run, epoch = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.UNKNOWN)
    again = claim_one(ledger, make_intent(message, run, epoch, is_repeat=True))
    record(ledger, message, again, Evidence.UNKNOWN)
    told = ledger.write(settlements.settle, [Settlement(message, evidence, 30.0, message_id="m")])
    assert told == [Recorded(status)]
    assert statuses(ledger, row.id) == [("5", status)]
    if status is not S.IN_DOUBT:
        once_more = Settlement(message, evidence, 30.0, message_id="m")
        assert ledger.write(settlements.settle, [once_more]) == [None]


def test_a_new_key_only_where_every_attempt_is_proven(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.REJECTED)
    assert ledger.write(decisions.retry, RetryRequest(row.id, new_key=True)) == 1
    assert ids_of(ledger, row.id) == []
    plan_again(ledger, row)
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 10)
    assert due.generation == 1


def test_no_new_key_where_the_api_was_never_shown_the_old_one(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.NOT_WRITTEN)
    assert ledger.write(decisions.withdraw, row.id) == 1
    assert ledger.write(decisions.retry, RetryRequest(row.id, new_key=True)) == 1
    plan_again(ledger, row)
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 10)
    assert due.generation == 0


def test_retry_chooses(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.REJECTED, reason="contentRejected")
    assert ledger.write(decisions.retry, RetryRequest(row.id, statuses=frozenset({S.FAILED}))) == 0
    assert ledger.write(decisions.retry, RetryRequest(row.id, reasons=frozenset({"other"}))) == 0
    assert ledger.write(decisions.retry, RetryRequest(row.id, ids=frozenset({"6"}))) == 0
    assert (
        ledger.write(decisions.retry, RetryRequest(row.id, reasons=frozenset({"contentRejected"})))
        == 1
    )


def test_what_is_withdrawn_can_be_retried(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 6])
    run, epoch = own_lane(ledger)
    message, _ = ids_of(ledger, row.id)
    ledger.write(claims.claim, [make_intent(message, run, epoch)])
    assert ledger.write(decisions.withdraw, row.id) == 1
    assert statuses(ledger, row.id) == [("5", "sending"), ("6", "cancelled")]
    assert ledger.write(decisions.retry, RetryRequest(row.id)) == 1


def plan(ledger: Ledger, entries: Sequence[Entry | RowSkip], name: str = "spring") -> None:
    row = ledger.read(registry.find_campaign, name)
    assert row is not None
    with ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write(entries)
        writer.finish("next", 3.0)


def entry(id: int, change: Change, text: str = "Hi", **more: object) -> Entry:
    skip = more.get("skip")
    planned = PlannedMessage(7, recipient(id), SENDER, text, {}, skip, "why" if skip else "")  # type: ignore[arg-type]  # a SkipReason
    was = more.get("was", S.QUEUED)
    return Entry(planned, change, Known(SENDER, was, "old", 7))  # type: ignore[arg-type]  # a status


def test_a_plan_adds_revises_skips_and_removes(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3, 4])
    plan(
        ledger,
        [
            entry(1, Change.SAME),
            entry(2, Change.REVISED, "Hello"),
            entry(3, Change.SKIPPED, skip=SkipReason.MISSING_VALUE),
            Entry(PlannedMessage(9, recipient(9), SENDER, "New", {}), Change.NEW),
            RowSkip(12, SkipReason.NO_ID, "the id is empty", {"a": "b"}),
        ],
    )
    assert statuses(ledger, row.id) == [
        ("1", "queued"),
        ("4", "skipped"),
        ("2", "queued"),
        ("3", "skipped"),
        ("9", "queued"),
        ("", "skipped"),
    ]
    reasons = {reason for _, reason, _ in ledger.read(totals.reasons, row.id)}
    assert reasons == {"removed", "missing_value", "no_id"}
    assert ledger.read(plans.known, row.id, [recipient(2)])[recipient(2)].text == "Hello"
    plan(
        ledger,
        [
            entry(1, Change.SAME),
            entry(2, Change.SAME),
            entry(4, Change.REQUEUED, "Back", was=S.SKIPPED),
            entry(9, Change.SAME),
        ],
    )
    assert ledger.read(totals.counts, row.id)[S.QUEUED] == 4


def test_a_plan_keeps_each_ones_zone(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3], {1: "Asia/Tokyo", 2: "Asia/Tokyo"})
    assert ledger.read(queue.zones, row.id) == {"", "Asia/Tokyo"}
    assert ledger.read(queue.waiting, [row.id]) == [
        queue.SenderQueue(SENDER, row.id, "", 1, 0.0, 3, 3),
        queue.SenderQueue(SENDER, row.id, "Asia/Tokyo", 2, 0.0, 1, 2),
    ]
    known = ledger.read(plans.known, row.id, [recipient(id) for id in (1, 2, 3)])
    moved = [
        PlannedMessage(each.row, who, SENDER, each.text, {}, zone="Europe/Rome")
        for who, each in known.items()
        if each.zone
    ]
    stays = PlannedMessage(4, recipient(3), SENDER, "Hi 3", {})
    entries = [Entry(each, Change.SAME, known[each.recipient]) for each in (*moved, stays)]
    plan(ledger, entries)
    assert ledger.read(queue.zones, row.id) == {"", "Europe/Rome"}


def test_only_open_zones_are_due(ledger: Ledger) -> None:
    row, other = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, row, [1, 2, 3], {1: "Asia/Tokyo", 2: "Europe/Rome"})
    make_queue(ledger, other, [4], {4: "Asia/Tokyo"})

    def due(campaign: int, zones: set[str] | None) -> list[str]:
        found = ledger.read(queue.due, campaign, SENDER, 5.0, 10, (), zones)
        return [each.recipient.id for each in found]

    assert due(row.id, None) == ["1", "2", "3"]
    assert due(other.id, None) == ["4"]
    assert due(row.id, {"", "Europe/Rome"}) == ["2", "3"]
    assert due(row.id, set()) == due(other.id, {""}) == []


def test_whether_a_campaign_has_begun(ledger: Ledger) -> None:
    row, other = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, row, [1])
    make_queue(ledger, other, [3])
    assert not ledger.read(totals.has_begun, row.id)
    claimed(ledger, row.id)
    assert ledger.read(totals.has_begun, row.id)
    assert not ledger.read(totals.has_begun, other.id)


def test_a_plan_is_all_or_nothing(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1])

    def half_a_plan() -> None:
        with ledger.writing() as connection:
            PlanWriter(connection, row).write(
                [Entry(PlannedMessage(9, recipient(9), SENDER, "New", {}), Change.NEW)]
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_a_plan()
    assert statuses(ledger, row.id) == [("1", "queued")]


@pytest.mark.parametrize("sender", [SENDER, "another"])
def test_new_bytes_after_a_proven_no_take_a_new_key(ledger: Ledger, sender: str) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.REJECTED)
    text = "Shorter" if sender == SENDER else "Hi 5"
    planned = PlannedMessage(2, recipient(5), sender, text, {})
    plan(ledger, [Entry(planned, Change.REVISED, Known(SENDER, S.REJECTED, "Hi 5", 2))])
    ledger.write(decisions.retry, RetryRequest(row.id))
    plan_again(ledger, row)
    [due] = ledger.read(queue.due, row.id, sender, 5.0, 10)
    assert (due.text, due.generation) == (text, 1)


def test_new_bytes_keep_a_key_that_the_api_was_never_shown(ledger: Ledger) -> None:
    """Another ledger may have used it, which only the key can tell."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    record(ledger, message, number, Evidence.NOT_WRITTEN)
    planned = PlannedMessage(2, recipient(5), SENDER, "Shorter", {})
    plan(ledger, [Entry(planned, Change.REVISED, Known(SENDER, S.QUEUED, "Hi 5", 2))])
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 10)
    assert (due.text, due.generation) == ("Shorter", 0)


def test_what_is_known_of_a_recipient(ledger: Ledger) -> None:
    row, other = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, row, [5])
    found = ledger.read(plans.known, other.id, [recipient(5), recipient(6)])
    assert found == {recipient(5): Known(SENDER)}
    mine = ledger.read(plans.known, row.id, [recipient(5)])
    assert mine[recipient(5)].status is S.QUEUED


def test_a_campaign_is_bound_to_its_api_and_team(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    ledger.write(bound_team.bind, row.id, "https://api.example", "team1")
    ledger.write(bound_team.bind, row.id, "https://api.example", "team1")
    with pytest.raises(LedgerError, match="begun on team team1"):
        ledger.write(bound_team.bind, row.id, "https://api.example", "team2")
    with pytest.raises(LedgerError, match="begun on API"):
        ledger.write(bound_team.bind, row.id, "https://other.example", "team1")


def test_the_schema_refuses_what_must_never_be(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    for change in (
        "status = 'unheard_of'",
        "status = 'sent'",
        "status = 'in_doubt'",
        "status = 'skipped'",
    ):
        with pytest.raises(LedgerError), ledger.writing() as connection:
            connection.execute(text(f"UPDATE message SET {change}"))


def test_requests_and_sends_of_the_past_are_remembered(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    message, number, *_ = claimed(ledger, row.id)
    ledger.write(usage.count_requests, [{"lane": LANE, "started_at": 10.0, "ended_at": 13.0}])
    both = [(10.0, None, 10.0), (10.0, 13.0, None)]
    assert ledger.read(usage.past_requests, LANE, 0.0, 0.0) == both
    assert ledger.read(usage.past_requests, LANE, 11.0, 10.0) == both[:1]
    assert ledger.read(usage.past_requests, LANE, 10.0, 11.0) == both[1:]
    assert ledger.read(usage.past_sends, [SENDER], 0.0) == [(SENDER, 10.0, None, 10.0)]
    record(ledger, message, number, Evidence.NOT_WRITTEN)
    assert ledger.read(usage.past_sends, [SENDER], 0.0) == []


async def test_commits_are_grouped_and_answered_one_by_one(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, list(range(50)))
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, row.id)
    begun = [ledger.commit(claims.claim, make_intent(id, run, epoch)) for id in [*ids, ids[0]]]
    numbers = await asyncio.gather(*begun)
    assert numbers == [*[1] * 50, NotClaimed.MOVED]
    results = [
        ledger.commit(outcomes.record, Result(id, 1, Evidence.ACCEPTED, 20.0, message_id=f"m{id}"))
        for id in ids
    ]
    assert set(await asyncio.gather(*results)) == {Recorded(S.SENT)}


async def test_what_is_in_no_hurry_waits_for_others_to_share_its_commit(ledger: Ledger) -> None:
    groups: list[list[str]] = []

    def note(_connection: object, items: list[str]) -> list[None]:
        groups.append(items)
        return [None] * len(items)

    patient = [asyncio.ensure_future(ledger.commit(note, name, 3600.0)) for name in "ab"]
    await asyncio.sleep(0.05)
    assert groups == []
    await ledger.commit(note, "c")  # which is, and takes them along
    await asyncio.gather(*patient)
    await ledger.commit(note, "d", 0.01)  # alone: after its time
    assert groups == [["a", "b", "c"], ["d"]]


def test_what_waits_for_others_is_committed_when_the_ledger_is_closed(ledger: Ledger) -> None:
    done: list[str] = []

    def note(_connection: object, items: list[str]) -> list[None]:
        done.extend(items)
        return [None] * len(items)

    async def leave() -> None:
        task = asyncio.ensure_future(ledger.commit(note, "a", 3600.0))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    ledger.close()
    assert done == ["a"]


async def test_a_failed_commit_is_told_to_everyone_in_it(ledger: Ledger) -> None:
    def broken(_connection: object, _items: list[int]) -> list[int]:
        raise LedgerError("disk full")

    ended = await asyncio.gather(
        *(ledger.commit(broken, n) for n in range(3)), return_exceptions=True
    )
    assert all(isinstance(each, LedgerError) for each in ended)


def test_a_ledger_of_a_newer_version_is_refused(location: str) -> None:
    with open_ledger(location) as ledger, ledger.writing() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE key = 'schema_version'"))
    with pytest.raises(LedgerTooNew, match="schema 99"):
        open_ledger(location)


def test_an_older_ledger_is_brought_up_to_date_once(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_a_column(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE suppression ADD COLUMN added_by VARCHAR"))

    with open_ledger(location) as ledger:
        make_queue(ledger, make_campaign(ledger), [5])
        with ledger.writing() as connection:
            make_old(connection, 0)
    shared = "://" in location
    for read_only in (True, False) if shared else (True,):
        with pytest.raises(LedgerError, match="has schema 0, this version needs") as caught:
            open_ledger(location, read_only=read_only)
        assert "run-campaign db upgrade" in caught.value.hint
    monkeypatch.setitem(migrations.MIGRATIONS, 0, add_a_column)
    for before in (0, schema.SCHEMA_VERSION):
        if shared:
            assert upgrade(location)[1:] == (before, schema.SCHEMA_VERSION)
        with open_ledger(location) as ledger:
            assert ledger.read(schema.note, "schema_version") == str(schema.SCHEMA_VERSION)
            [found] = ledger.read(registry.campaigns)
            assert found.fingerprint is None  # so that the next plan fills the zones
            assert ledger.read(queue.zones, found.id) == {""}


def test_runs_are_remembered(ledger: Ledger) -> None:
    assert ledger.read(lanes.last_run) is None
    run, _ = own_lane(ledger)
    owner = ledger.read(lanes.owner_of, LANE)
    assert owner is not None
    assert owner[2] == 1.0
    ledger.write(lanes.end_run, run, 9.0, "exit 0")
    last = ledger.read(lanes.last_run)
    assert last is not None
    assert (last.id, last.ended_at, last.ending) == (run, 9.0, "exit 0")
    assert ledger.read(lanes.owner_of, LANE) is None
