"""Two campaigns and one person: who is passed over, by whose word, and until when."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy import text

from runner.ledger.campaigns import registry
from runner.ledger.campaigns.brakes import Brake
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import settlements
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.ledger import Ledger
from runner.ledger.messages import claims, decisions, outcomes, plans, recontact
from runner.ledger.messages.claims import NotClaimed
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.messages.outcomes import Recorded, Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.plan import Change, Contact, Entry, Known, PlannedMessage
from runner.message.status import MessageStatus, SkipReason
from tests.support import (
    SENDER,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

S = MessageStatus
DAY = 86400.0
RULE = 30 * DAY
FREE = "contacted by spring on 1970-01-01; free from 1970-01-31"


def message_ids(ledger: Ledger, row: CampaignRow) -> list[int]:
    with ledger.reading() as connection:
        wanted = text("SELECT id FROM message WHERE campaign = :id ORDER BY id")
        return list(connection.execute(wanted, {"id": row.id}).scalars())


def standing(ledger: Ledger, row: CampaignRow) -> list[tuple[str, str, str, float, int]]:
    with ledger.reading() as connection:
        wanted = text(
            "SELECT status, reason, detail, not_before, attempts FROM message "
            "WHERE campaign = :id ORDER BY id"
        )
        return [tuple(each) for each in connection.execute(wanted, {"id": row.id})]


def claim(
    ledger: Ledger, lane: tuple[int, int], ids: Sequence[int], at: float, within: float | None
) -> list[int | NotClaimed | LateSkip | Brake]:
    intents = [
        make_intent(id, *lane, key=f"k{id}", started_at=at, server_at=at, contact_once_in=within)
        for id in ids
    ]
    return ledger.write(claims.claim, intents)


def end(ledger: Ledger, row: CampaignRow, lane: tuple[int, int], evidence: Evidence) -> int:
    """Send a campaign's first message, with this end at 20.0; its number."""
    [message, *_] = message_ids(ledger, row)
    assert claim(ledger, lane, [message], 10.0, None) == [1]
    ledger.write(outcomes.record, [Result(message, 1, evidence, 20.0, message_id="m1")])
    return message


def test_whom_another_campaign_has_written_to_is_passed_over_by_the_claim(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, spring, [5])
    make_queue(ledger, autumn, [5, 6])
    lane = own_lane(ledger)
    end(ledger, spring, lane, Evidence.ACCEPTED)
    told = claim(ledger, lane, message_ids(ledger, autumn), 100.0, RULE)
    assert told == [LateSkip(SkipReason.CONTACTED, FREE, 20.0 + RULE), 1]
    first, second = standing(ledger, autumn)
    assert first == ("skipped", "contacted", FREE, 20.0 + RULE, 0)
    assert second[0] == "sending"


def test_they_are_written_to_after_the_time_or_without_the_rule(ledger: Ledger) -> None:
    spring = make_campaign(ledger)
    make_queue(ledger, spring, [5])
    lane = own_lane(ledger)
    end(ledger, spring, lane, Evidence.ACCEPTED)
    for name, at, within in (("late", 20.0 + RULE, RULE), ("free", 100.0, None)):
        row = make_campaign(ledger, name)
        make_queue(ledger, row, [5])
        [message] = message_ids(ledger, row)
        assert claim(ledger, lane, [message], at, within) == [1]
        ledger.write(outcomes.record, [Result(message, 1, Evidence.DEFERRED, at)])


def test_neither_ones_own_message_nor_a_test_is_a_contact(ledger: Ledger) -> None:
    spring = make_campaign(ledger)
    tests = ledger.write(
        registry.add_campaign,
        name="spring (test)",
        path="/spring.yaml",
        source="/spring.csv",
        platform="twitter",
        id_type="platform",
        at=1.0,
        is_test=True,
    )
    make_queue(ledger, tests, [5])
    lane = own_lane(ledger)
    end(ledger, tests, lane, Evidence.ACCEPTED)
    make_queue(ledger, spring, [5])
    assert ledger.read(plans.known, None, [recipient(5)])[recipient(5)].contact is None
    assert claim(ledger, lane, message_ids(ledger, spring), 100.0, RULE) == [1]


def test_another_kind_of_id_is_another_recipient(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, spring, [5])
    lane = own_lane(ledger)
    end(ledger, spring, lane, Evidence.ACCEPTED)
    make_queue(ledger, autumn, [5])
    with ledger.writing() as connection:
        change = text("UPDATE message SET id_type = 'inbox' WHERE campaign = :id")
        connection.execute(change, {"id": autumn.id})
    assert claim(ledger, lane, message_ids(ledger, autumn), 100.0, RULE) == [1]


def test_a_message_in_doubt_elsewhere_is_waited_for_and_counts_once_it_is_sent(
    ledger: Ledger,
) -> None:
    spring, autumn = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, spring, [5])
    make_queue(ledger, autumn, [5])
    lane = own_lane(ledger)
    doubt = end(ledger, spring, lane, Evidence.UNKNOWN)
    waiting = message_ids(ledger, autumn)
    assert claim(ledger, lane, waiting, 100.0, RULE) == [NotClaimed.MOVED]
    assert standing(ledger, autumn)[0][0] == "queued"
    ledger.write(settlements.settle, [Settlement(doubt, Evidence.SAID_SENT, 30.0)])
    [told] = claim(ledger, lane, waiting, 100.0, RULE)
    assert isinstance(told, LateSkip)
    assert told.reason is SkipReason.CONTACTED


def test_who_was_put_on_the_list_while_written_to_is_skipped_once_that_has_failed(
    ledger: Ledger,
) -> None:
    spring = make_campaign(ledger)
    make_queue(ledger, spring, [5])
    lane = own_lane(ledger)
    [message] = message_ids(ledger, spring)
    assert claim(ledger, lane, [message], 10.0, None) == [1]
    ledger.write(decisions.suppress, ["5"], "asked", 3.0)
    told = "on the ledger's list since 1970-01-01: asked"
    assert ledger.write(outcomes.record, [Result(message, 1, Evidence.DEFERRED, 20.0)]) == [
        Recorded(MessageStatus.SKIPPED, passed=LateSkip(SkipReason.SUPPRESSED, told))
    ]
    assert standing(ledger, spring) == [("skipped", "suppressed", told, 0.0, 1)]


def test_of_several_contacts_the_last_is_told(ledger: Ledger) -> None:
    rows = [make_campaign(ledger, name) for name in ("spring", "summer", "autumn")]
    for row in rows:
        make_queue(ledger, row, [5])
    lane = own_lane(ledger)
    for row, at in zip(rows, (3 * DAY, 2 * DAY), strict=False):
        [message] = message_ids(ledger, row)
        assert claim(ledger, lane, [message], at, None) == [1]
        ledger.write(
            outcomes.record, [Result(message, 1, Evidence.ACCEPTED, at, message_id=str(at))]
        )
    known = ledger.read(plans.known, rows[2].id, [recipient(5)])[recipient(5)]
    assert known.contact == Contact("spring", 3 * DAY)
    [told] = claim(ledger, lane, message_ids(ledger, rows[2]), 4 * DAY, RULE)
    assert isinstance(told, LateSkip)
    assert told.free_at == 3 * DAY + RULE


def plan(ledger: Ledger, row: CampaignRow, *entries: Entry) -> None:
    with ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write(entries)
        writer.finish("fingerprint", 2.0)


def contacted(free_at: float, change: Change, known: Known | None = None) -> Entry:
    planned = PlannedMessage(
        2, recipient(5), SENDER, "", {}, SkipReason.CONTACTED, "by spring", free_at
    )
    return Entry(planned, change, known)


def test_a_plan_is_made_again_when_somebody_is_free(ledger: Ledger) -> None:
    autumn = make_campaign(ledger, "autumn")
    plan(ledger, autumn, contacted(50.0, Change.NEW))
    assert standing(ledger, autumn) == [("skipped", "contacted", "by spring", 50.0, 0)]
    assert not ledger.read(recontact.may_be_free, autumn.id, 49.0)
    assert ledger.read(recontact.may_be_free, autumn.id, 50.0)
    known = Known(SENDER, S.SKIPPED, "", 2, "contacted", "by spring")
    plan(ledger, autumn, contacted(80.0, Change.SKIPPED, known))
    assert not ledger.read(recontact.may_be_free, autumn.id, 79.0)
    again = PlannedMessage(2, recipient(5), SENDER, "Hi", {})
    plan(ledger, autumn, Entry(again, Change.REQUEUED, known))
    assert standing(ledger, autumn) == [("queued", "", "", 0.0, 0)]
    assert not ledger.read(recontact.may_be_free, autumn.id, 99.0)


def test_who_is_gone_from_the_sheet_makes_no_plan_stale(ledger: Ledger) -> None:
    autumn = make_campaign(ledger, "autumn")
    plan(ledger, autumn, contacted(50.0, Change.NEW))
    plan(ledger, autumn)
    assert standing(ledger, autumn)[0][1] == "removed"
    assert not ledger.read(recontact.may_be_free, autumn.id, 99.0)


def test_a_plan_is_made_again_when_the_doubt_is_settled(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, spring, [5])
    doubt = end(ledger, spring, own_lane(ledger), Evidence.UNKNOWN)
    known = ledger.read(plans.known, autumn.id, [recipient(5)])[recipient(5)]
    assert known.contact == Contact("spring")
    plan(ledger, autumn, contacted(0.0, Change.NEW))
    assert not ledger.read(recontact.may_be_free, autumn.id, 1e9)
    ledger.write(settlements.settle, [Settlement(doubt, Evidence.SAID_NOT_SENT, 30.0)])
    assert ledger.read(recontact.may_be_free, autumn.id, 31.0)


def test_two_lanes_that_claim_one_person_in_the_same_moment(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger), make_campaign(ledger, "autumn")
    make_queue(ledger, spring, [5])
    make_queue(ledger, autumn, [5])
    run, epoch = own_lane(ledger)
    other = own_lane(ledger, "team2")
    [first], [second] = message_ids(ledger, spring), message_ids(ledger, autumn)
    told: list[object] = []

    def claim_second() -> None:
        intent = make_intent(second, *other, lane="team2", contact_once_in=RULE)
        told.extend(ledger.write(claims.claim, [intent]))

    thread = threading.Thread(target=claim_second)
    with ledger.writing() as connection:
        intent = make_intent(first, run, epoch, contact_once_in=RULE)
        assert claims.claim(connection, [intent]) == [1]
        thread.start()
        thread.join(0.5)  # without a lock it has an answer by now
    thread.join(30.0)
    assert told == [NotClaimed.MOVED]
    assert ledger.read(totals.counts, autumn.id)[S.QUEUED] == 1
