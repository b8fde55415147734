"""Two campaigns and one person at the very moment of a claim, as another run may come between."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from runner.ledger import lanes
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, plans, queue, recontact
from runner.ledger.messages.claims import NotClaimed, SendRequest
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus, SkipReason
from tests.support import LANE, SENDER, claim_one, make_campaign, make_intent, make_queue, recipient

S = MessageStatus
MONTH = 30 * 86400.0
OTHER = "team2"


def queued(ledger: Ledger, name: str, lane: str) -> SendRequest:
    """A campaign of its own lane with a message to person 1 in the queue; what would be sent."""
    row = make_campaign(ledger, name)
    make_queue(ledger, row, [1])
    run = ledger.write(lanes.begin_run, 1.0, "test")
    epoch = ledger.write(lanes.take_lane, lane, run)
    [due] = ledger.read(queue.due, row.id, SENDER, 1.0, 5)
    return make_intent(due.id, run, epoch, lane=lane, contact_once_in=MONTH)


def accepted(message: int) -> Result:
    return Result(message, 1, Evidence.ACCEPTED, 11.0, message_id=f"m{message}", thread_id="t")


def status(ledger: Ledger, name: str) -> str:
    row = ledger.read(registry.find_campaign, name)
    assert row is not None
    [one] = [str(each) for each, n in ledger.read(totals.counts, row.id).items() if n]
    return one


@pytest.mark.parametrize("location", ["postgres"], indirect=True)
def test_an_answer_that_comes_between_two_looks_is_seen(
    ledger: Ledger, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL shows each statement what was committed before it: the other campaign's message
    is under way for the first look, and sent for the second."""
    first, second = (queued(ledger, *each) for each in (("spring", LANE), ("autumn", OTHER)))
    claim_one(ledger, first)
    look = recontact.skip_contacted

    def look_and_let_others_in(*args: Any) -> Any:
        found = look(*args)
        with open_ledger(location) as other:
            other.write(outcomes.record, [accepted(first.message)])
        return found

    monkeypatch.setattr(claims, "skip_contacted", look_and_let_others_in)
    assert ledger.write(claims.claim, [second]) == [NotClaimed.MOVED]
    monkeypatch.undo()
    [passed] = ledger.write(claims.claim, [second])  # the next try
    assert isinstance(passed, LateSkip)
    assert passed.reason is SkipReason.CONTACTED
    assert (status(ledger, "spring"), status(ledger, "autumn")) == ("sent", "skipped")


def test_what_is_decided_after_the_plan_is_seen_by_the_claim(ledger: Ledger, location: str) -> None:
    spring, autumn = (queued(ledger, *each) for each in (("spring", LANE), ("autumn", OTHER)))
    with open_ledger(location) as other:
        number = claim_one(other, autumn)
        assert ledger.write(claims.claim, [spring]) == [NotClaimed.MOVED]  # not skipped yet
        assert status(ledger, "spring") == "queued"
        other.write(outcomes.record, [accepted(autumn.message)])
        assert number == 1
        [passed] = ledger.write(claims.claim, [spring])
    assert isinstance(passed, LateSkip)
    assert "contacted by autumn on" in passed.detail
    assert passed.free_at == 11.0 + MONTH


def test_who_is_listed_while_a_run_is_live_is_not_written_to(ledger: Ledger, location: str) -> None:
    spring = queued(ledger, "spring", LANE)
    with open_ledger(location) as other:
        assert other.write(decisions.suppress, ["1"], "asked", 5.0) == 1
    assert ledger.write(claims.claim, [spring]) == [NotClaimed.MOVED]
    assert status(ledger, "spring") == "skipped"


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_claim_and_a_plan_find_other_campaigns_by_an_index(ledger: Ledger) -> None:
    """However many messages the ledger has: no statement reads them all."""
    spring = queued(ledger, "spring", LANE)
    engine = ledger._engine
    seen: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    ledger.write(claims.claim, [spring])
    ledger.read(plans.known, 1, [recipient(id) for id in range(1, 1001)])
    ledger.read(recontact.may_be_free, 1, 5.0)
    event.remove(engine, "before_cursor_execute", note)
    looked = [each for each in seen if "message" in each[0] and each[0][:6] in ("SELECT", "UPDATE")]
    assert len(looked) == 4  # not one for each of the thousand
    with engine.connect() as connection:
        for statement, parameters in looked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [str(row[-1]) for row in plan]
            assert not [step for step in steps if step.startswith("SCAN message")], statement
            assert any("message_by_recipient" in step for step in steps), statement
