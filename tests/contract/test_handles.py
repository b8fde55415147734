"""Handles that are kept, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import SQLAlchemyError

from runner.errors import LedgerError
from runner.ledger.ledger import Ledger
from runner.ledger.people import handles
from runner.message.handle import HandleAnswer, KeptHandle

ADA = KeptHandle("ada", HandleAnswer.FOUND, "11", "Ada", "Ada Adler", "inbox", 5.0)
BEN = KeptHandle("ben", HandleAnswer.NOT_A_CONTACT, "", "ben", "", "inbox", 5.0)


def test_answers_are_kept_apart_by_platform_and_by_who_answered(ledger: Ledger) -> None:
    ledger.write(handles.keep, [ADA, BEN], "twitter", rehearsal=False)
    made_up = ADA._replace(id="99")
    ledger.write(handles.keep, [made_up], "twitter", rehearsal=True)
    ledger.write(handles.keep, [ADA._replace(id="AC1")], "linkedin", rehearsal=False)
    kept = ledger.read(handles.kept, "twitter", rehearsal=False)
    assert kept == {"ada": ADA, "ben": BEN}
    assert ledger.read(handles.kept, "twitter", rehearsal=True) == {"ada": made_up}
    among = ledger.read(handles.kept_among, ["ada", "zoe"], "twitter", rehearsal=False)
    assert among == [ADA]
    every = ledger.read(handles.kept_among, ["ada"], None, rehearsal=False)
    assert sorted(each.id for each in every) == ["11", "AC1"]


def test_a_later_answer_takes_the_place_of_an_earlier_one(ledger: Ledger) -> None:
    before = ledger.read(handles.changes)
    ledger.write(handles.keep, [BEN], "twitter", rehearsal=False)
    now = BEN._replace(answer=HandleAnswer.FOUND, id="12", source="x", asked_at=9.0)
    ledger.write(handles.keep, [now], "twitter", rehearsal=False)
    assert ledger.read(handles.kept, "twitter", rehearsal=False) == {"ben": now}
    assert ledger.read(handles.changes) != before
    ledger.write(handles.keep, [], "twitter", rehearsal=False)
    assert ledger.read(handles.kept, "twitter", rehearsal=False) == {"ben": now}


def test_found_without_an_id_is_refused(ledger: Ledger) -> None:
    with pytest.raises((SQLAlchemyError, LedgerError)):
        ledger.write(handles.keep, [ADA._replace(id="")], "twitter", rehearsal=False)
