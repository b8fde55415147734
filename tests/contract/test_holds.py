"""People on hold: nothing is claimed for them, and all of it waits; on SQLite and PostgreSQL."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Engine, event

from runner.control import holds as control_holds
from runner.ledger.campaigns import audit, submissions
from runner.ledger.campaigns.audit import CLI, Act
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import in_doubt
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, queue
from runner.ledger.messages.claims import NotClaimed, SendRequest
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.queue import SenderQueue
from runner.ledger.people import holds
from runner.ledger.people.holds import Held
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from runner.status.status import needs_of, status_of
from tests.support import SENDER, claim_one, hand_in, make_campaign, make_intent, make_queue
from tests.support import own_lane as own

S = MessageStatus
ADA: Any = {"by": "ada", "via": CLI}


class Clock:
    """A clock that stands still."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def boot(self) -> float:
        return self.at


def hold(ledger: Ledger, *ids: int, until: float | None = None, at: float = 5.0) -> list[str]:
    return ledger.write(
        decisions.hold_each, [str(id) for id in ids], until, why="", at=at, by="ada"
    )


def due(ledger: Ledger, row: CampaignRow, now: float = 10.0) -> list[str]:
    return [each.recipient.id for each in ledger.read(queue.due, row.id, SENDER, now, 100)]


def waiting(ledger: Ledger, row: CampaignRow) -> list[tuple[int, float, bool]]:
    return [(each.count, each.next_at, each.held) for each in ledger.read(queue.waiting, [row.id])]


def test_nothing_is_claimed_for_people_on_hold_and_it_stays_queued(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3])
    run, epoch = own(ledger)
    hold(ledger, 1)
    hold(ledger, 2, until=20.0)
    assert due(ledger, row) == ["3"]

    def claim(at: float) -> list[Any]:
        intents = [make_intent(id, run, epoch, started_at=at, server_at=at) for id in (1, 2, 3)]
        return ledger.write(claims.claim, intents)

    assert claim(10.0) == [NotClaimed.MOVED, NotClaimed.MOVED, 1]
    assert claim(20.0)[:2] == [NotClaimed.MOVED, 1]  # its hold is over
    assert ledger.write(decisions.unhold, ["1", "9"], 21.0) == ["1"]
    assert claim(21.0)[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 5))
def test_who_is_taken_off_hold_while_the_queue_is_read_is_not_overlooked(
    location: str, number: int
) -> None:
    """After whichever of its statements: a run that finds nothing that waits would end."""
    with open_ledger(location) as ledger, open_ledger(location) as other:
        row = make_campaign(ledger)
        make_queue(ledger, row, [1])
        hold(ledger, 1, until=1000.0)
        done = Counter[str]()

        @event.listens_for(Engine, "after_cursor_execute")
        def release(connection: Any, *_: Any) -> None:
            if connection.engine is ledger._engine:
                done["statements"] += 1
                if done["statements"] == number:
                    other.write(decisions.unhold, ["1"], 6.0)

        try:
            assert [each[0] for each in waiting(ledger, row)] == [1]
        finally:
            event.remove(Engine, "after_cursor_execute", release)


def test_a_hold_is_of_a_person_in_every_campaign(ledger: Ledger) -> None:
    rows = [make_campaign(ledger, name) for name in ("spring", "autumn")]
    for row in rows:
        make_queue(ledger, row, [1, 2])
    hold(ledger, 2)
    assert [due(ledger, row) for row in rows] == [["1"], ["1"]]


def test_a_claim_of_intents_begun_at_several_times_takes_the_earliest(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2])
    run, epoch = own(ledger)
    hold(ledger, 1, until=20.0)
    intents: list[SendRequest] = [
        make_intent(1, run, epoch, started_at=20.5), make_intent(2, run, epoch, started_at=19.5)
    ]  # fmt: skip
    assert ledger.write(claims.claim, intents) == [NotClaimed.MOVED, 1]


def test_a_message_in_doubt_is_not_repeated_on_hold(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1])
    run, epoch = own(ledger)
    number = claim_one(ledger, make_intent(1, run, epoch))
    ledger.write(outcomes.record, [Result(1, number, Evidence.UNKNOWN, 11.0)])

    def held_until() -> float:
        [doubt] = ledger.read(in_doubt.in_doubt, [row.id])
        assert not doubt.unwanted
        return doubt.held_until

    again = make_intent(1, run, epoch, is_repeat=True)
    assert held_until() == 0.0
    hold(ledger, 1, until=20.0)
    assert held_until() == 20.0
    assert ledger.write(claims.claim, [again]) == [NotClaimed.MOVED]
    hold(ledger, 1)
    assert held_until() == math.inf
    assert ledger.write(claims.claim, [again]) == [NotClaimed.MOVED]
    ledger.write(decisions.unhold, ["1"], 12.0)
    assert ledger.write(claims.claim, [again]) == [2]


def test_what_waits_says_until_when(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, range(1, 6))
    assert waiting(ledger, row) == [(5, 0.0, False)]
    hold(ledger, 1, 2)
    assert waiting(ledger, row) == [(3, 0.0, False)]
    hold(ledger, 3, until=40.0)
    hold(ledger, 4, until=30.0)
    assert waiting(ledger, row) == [(1, 0.0, False), (2, 30.0, True)]
    assert ledger.read(holds.held_of, row.id, 10.0) == Held(4, 2)
    assert ledger.read(holds.held_of, row.id, 35.0) == Held(3, 2)  # one is over
    only = ledger.read(queue.waiting, [row.id], ["1", "3"])
    assert only == [SenderQueue(SENDER, row.id, "", 1, 40.0, 3, 3, held=True)]
    hold(ledger, 3, 4)
    ledger.write(decisions.suppress, ["5"], "asked", 6.0)
    assert waiting(ledger, row) == []


def test_a_status_tells_what_is_held_and_how_to_go_on(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, range(1, 6))
    hold(ledger, 1, 2)
    hold(ledger, 3, until=40.0)
    status = ledger.read(status_of, row, 10.0, "spring.yaml")
    assert (status.queued, status.blocked, status.held) == (3, 0, Held(3, 2))
    assert status.queue == {(SENDER, ""): 3}
    assert status.as_json()["held"] == 3
    [need] = needs_of(status)
    assert (need.what, need.words) == ("held: 3", ("unhold", "ID"))


def test_who_waits_for_another_campaign_and_is_held_is_told_as_held(ledger: Ledger) -> None:
    spring, autumn = (make_campaign(ledger, name) for name in ("spring", "autumn"))
    make_queue(ledger, spring, [1])
    make_queue(ledger, autumn, [1, 2])
    run, epoch = own(ledger)
    claim_one(ledger, make_intent(1, run, epoch))
    assert ledger.read(status_of, autumn, 10.0).blocked == 1
    hold(ledger, 1)
    status = ledger.read(status_of, autumn, 10.0)
    assert (status.queued, status.blocked, status.waits_for) == (1, 0, [])
    assert status.held == Held(1, 1)


def test_a_hold_is_as_it_was_said_last(ledger: Ledger) -> None:
    assert hold(ledger, 1, 2, 2) == ["1", "2"]
    assert hold(ledger, 1) == []  # as it was
    assert hold(ledger, 1, until=20.0, at=6.0) == ["1"]
    told = ledger.read(holds.listed, 10.0)
    assert [(each.recipient, each.until, each.made_by) for each in told] == [
        ("2", None, "ada"),
        ("1", 20.0, "ada"),
    ]
    assert [each.recipient for each in ledger.read(holds.listed, 20.0)] == ["2"]
    assert ledger.read(holds.held_among, ["1", "2", "3"], 10.0) == {"1", "2"}
    assert ledger.read(totals.unwanted_among, ["1", "2", "3"], 20.0) == {"2"}
    assert ledger.write(decisions.unhold, ["1"], 20.0) == []  # it was over
    assert ledger.read(holds.hold_of, "1") is None
    one = ledger.read(holds.hold_of, "2")
    assert one is not None
    assert one.lasts(1e12)


def test_a_live_run_can_tell_that_something_was_said(ledger: Ledger) -> None:
    seen = [ledger.read(holds.changes)]
    hold(ledger, 1)
    seen.append(ledger.read(holds.changes))
    hold(ledger, 1, until=50.0)
    seen.append(ledger.read(holds.changes))
    ledger.write(decisions.unhold, ["1"], 6.0)
    seen.append(ledger.read(holds.changes))
    assert len(set(seen)) == 4
    ledger.write(decisions.unhold, ["1"], 7.0)
    assert ledger.read(holds.changes) == seen[-1]


def test_who_held_whom_is_kept_and_workers_are_woken(ledger: Ledger) -> None:
    row, clock = make_campaign(ledger), Clock(10.0)
    make_queue(ledger, row, [1, 2])
    hand_in(ledger, row)

    def sleeps() -> bool:
        return not ledger.read(submissions.due_lanes, 1e9)

    def put_off() -> None:
        ledger.write(submissions.postpone, "team1", ledger.read(submissions.wakes, "team1"), None)
        assert sleeps()

    put_off()
    control_holds.hold(ledger, clock, ["1", "7"], 90.0, why="on holiday", **ADA)
    assert not sleeps()
    put_off()
    control_holds.hold(ledger, clock, ["1"], 90.0, why="on holiday", **ADA)  # nothing new
    assert control_holds.unhold(ledger, clock, ["7", "8"], **ADA) == ["7"]  # of no message
    assert sleeps()
    assert control_holds.unhold(ledger, clock, ["1"], **ADA) == ["1"]
    assert not sleeps()
    assert control_holds.unhold(ledger, clock, ["1"], **ADA) == []
    told = [
        (each.what, each.by, each.recipients, each.why, each.campaign)
        for each in reversed(ledger.read(audit.actions).rows)
    ]
    assert told == [
        (Act.HOLD, "ada", ("1", "7"), "until 1970-01-01T00:01:30Z; on holiday", None),
        (Act.UNHOLD, "ada", ("7",), "", None),
        (Act.UNHOLD, "ada", ("1",), "", None),
    ]


def test_what_cannot_be_told_is_not_done(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(KeyboardInterrupt):
        control_holds.hold(ledger, Clock(10.0), ["1"], None, **ADA)
    assert ledger.read(holds.listed, 10.0) == []


def test_what_comes_back_on_hold_stays_in_the_queue(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1])
    run, epoch = own(ledger)
    number = claim_one(ledger, make_intent(1, run, epoch))
    hold(ledger, 1)
    [back] = ledger.write(outcomes.record, [Result(1, number, Evidence.NOT_WRITTEN, 11.0)])
    assert back.status is S.QUEUED
    assert due(ledger, row) == []
    assert ledger.write(decisions.retry, decisions.RetryRequest(row.id)) == 0


@pytest.mark.parametrize("act", ["hold", "unhold"])
def test_people_are_put_on_and_off_hold_only_with_their_lanes_woken(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Killed in between, a worker's lane would rest for good: the same again changes nothing."""
    clock: Any = Clock(5.0)
    if act == "unhold":
        control_holds.hold(ledger, clock, ["1"], None, **ADA)
    before = ledger.read(holds.listed, 6.0)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runner.control.holds.submissions.wake_for", killed)
    rest = () if act == "unhold" else (None,)
    with pytest.raises(KeyboardInterrupt):
        getattr(control_holds, act)(ledger, clock, ["1"], *rest, **ADA)
    assert ledger.read(holds.listed, 6.0) == before
