"""What Inbox said of people, on both databases."""

from __future__ import annotations

from runner.ledger.ledger import Ledger
from runner.ledger.people import acquaintances
from runner.message.acquaintance import FRESH, Acquaintance, Talk
from tests.support import make_campaign, make_queue

ADA = Acquaintance("11", 5.0, "c1", "active", "m1", "Customer", ("a", "ß"), Talk(4.5, "link", True))
BEN = Acquaintance("12", 5.0)


def test_answers_are_kept_apart_by_team_and_platform(ledger: Ledger) -> None:
    ledger.write(acquaintances.keep, [ADA, BEN], "team1", "twitter")
    ledger.write(acquaintances.keep, [ADA._replace(tags=())], "SANDBOX team1", "twitter")
    ids = ["11", "12", "13"]
    found = ledger.read(acquaintances.known_among, ids, "team1", "twitter")
    assert found == {"11": ADA, "12": BEN}
    other = ledger.read(acquaintances.known_among, ids, "SANDBOX team1", "twitter")
    assert list(other) == ["11"]
    assert ledger.read(acquaintances.known_among, ids, "team1", "linkedin") == {}


def test_a_later_answer_takes_the_place_of_an_earlier_one(ledger: Ledger) -> None:
    ledger.write(acquaintances.keep, [ADA], "team1", "twitter")
    before = ledger.read(acquaintances.changes, "team1")
    now = BEN._replace(recipient="11", asked_at=9.0)
    ledger.write(acquaintances.keep, [now], "team1", "twitter")
    assert ledger.read(acquaintances.known_among, ["11"], "team1", "twitter") == {"11": now}
    assert ledger.read(acquaintances.changes, "team1") != before
    assert ledger.read(acquaintances.changes, "team2") == ""


def test_what_was_not_sent_is_no_message_of_ours(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [11, 12])
    assert ledger.read(acquaintances.own_messages, ["11", "12"]) == frozenset()


def test_whom_to_ask_about_again_is_known_without_the_sheet(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [11, 12, 13])
    ledger.write(acquaintances.keep, [ADA._replace(asked_at=100.0), BEN], "team1", "twitter")
    now = FRESH + 50.0
    due = ledger.read(acquaintances.stale, row.id, "team1", "twitter", now)
    assert due == ["12", "13"]
    assert ledger.read(acquaintances.stale, row.id, "team2", "twitter", now) == ["11", "12", "13"]
    set_back = ledger.read(acquaintances.stale, row.id, "team1", "twitter", 4.0 - FRESH)
    assert set_back == ["11", "12", "13"]
