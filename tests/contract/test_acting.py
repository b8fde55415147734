"""What persons do is written down with what it changes, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from runner.control import campaigns, resolution, suppression
from runner.errors import UsageError
from runner.ledger.campaigns import audit, brakes, submissions
from runner.ledger.campaigns.audit import CLI, DASHBOARD, NAMED_PEOPLE, Act, Action
from runner.ledger.ledger import Ledger
from runner.ledger.messages import outcomes
from runner.ledger.messages.outcomes import Result
from runner.ledger.migrations.steps import migrate
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import (
    claim_one,
    hand_in,
    make_campaign,
    make_intent,
    make_old,
    make_queue,
    own_lane,
)

S = MessageStatus


@dataclass(slots=True)
class Ticks:
    """A clock that goes on by a second whenever it is asked."""

    at: float = 100.0

    def now(self) -> float:
        self.at += 1.0
        return self.at

    def boot(self) -> float:
        return self.at


def done(ledger: Ledger, campaign: int | None = None) -> list[Action]:
    """What was done, oldest first."""
    return list(reversed(ledger.read(audit.actions, campaign).rows))


def test_each_act_is_kept_with_who_when_where_and_what_it_changed(ledger: Ledger) -> None:
    row, clock = make_campaign(ledger), Ticks()
    make_queue(ledger, row, range(1, 6))
    run, epoch = own_lane(ledger)
    for id in (1, 2):
        number = claim_one(ledger, make_intent(id, run, epoch))
        ledger.write(outcomes.record, [Result(id, number, Evidence.UNKNOWN, 11.0)])
    ada: Any = {"by": "ada", "via": CLI}
    bob: Any = {"by": "bob", "via": DASHBOARD}

    assert campaigns.pause(ledger, row, clock, **ada) is None
    assert campaigns.pause(ledger, row, clock, **bob) is not None  # Ada's stays: nothing to tell
    assert campaigns.resume(ledger, row, clock, **bob).before is not None
    again = campaigns.resume(ledger, row, clock, **bob)
    assert (again.before, again.workers, again.live) == (None, False, False)
    assert resolution.resolve(ledger, row, clock, sent=["1"], not_sent=["2"], **ada) == (
        1,
        1,
    )
    assert resolution.undo(ledger, row, clock, ["2"], **bob).back == ["2"]
    assert suppression.suppress(ledger, clock, {"3": ("asked", 1.0)}, why="asked", **ada) == 1
    assert suppression.suppress(ledger, clock, {"3": ("again", 2.0)}, **bob) == 0  # already
    assert suppression.unsuppress(ledger, clock, ["3", "4"], **bob) == ["3"]
    assert suppression.unsuppress(ledger, clock, ["3"], **bob) == []
    assert campaigns.cancel(ledger, row, clock, **ada) == 2
    assert campaigns.cancel(ledger, row, clock, **bob) == 0
    asked: Any = {"statuses": [S.CANCELLED], "ids": ["4"], "new_key": True}
    retried = campaigns.retry(ledger, row, clock, **asked, **ada)
    assert (retried.count, retried.submitted) == (1, False)
    with pytest.raises(UsageError, match="9 is not in campaign"):
        campaigns.retry(ledger, row, clock, ids=["9"], **ada)

    told = done(ledger)
    assert [(each.what, each.by, each.count, each.recipients) for each in told] == [
        (Act.PAUSE, "ada", 0, ()),
        (Act.RESUME, "bob", 0, ()),
        (Act.SENT, "ada", 1, ("1",)),
        (Act.NOT_SENT, "ada", 1, ("2",)),
        (Act.UNDO, "bob", 1, ("2",)),
        (Act.SUPPRESS, "ada", 1, ("3",)),
        (Act.UNSUPPRESS, "bob", 1, ("3",)),
        (Act.CANCEL, "ada", 2, ()),
        (Act.RETRY, "ada", 1, ("4",)),
    ]
    assert {each.via for each in told if each.by == "bob"} == {DASHBOARD}
    assert [each.why for each in told if each.why] == [
        "it was paused",
        "asked",
        "cancelled, new key",
    ]
    assert [each.at for each in told] == sorted(each.at for each in told)
    assert {(each.campaign, each.campaign_name) for each in told} == {
        (row.id, "spring"),
        (None, ""),
    }
    assert [each.what for each in done(ledger, row.id)] == [
        each.what for each in told if each.campaign == row.id
    ]
    page = ledger.read(audit.actions, row.id, limit=3)
    older = ledger.read(audit.actions, row.id, after=page.after, limit=4)
    assert [each.id for each in (*page.rows, *older.rows)] == [
        each.id for each in reversed(done(ledger, row.id))
    ]
    assert not ledger.read(audit.actions, make_campaign(ledger, "other").id).rows


def test_words_are_taken_back_together_or_not_at_all(ledger: Ledger) -> None:
    row, clock = make_campaign(ledger), Ticks()
    make_queue(ledger, row, [1])
    run, epoch = own_lane(ledger)
    number = claim_one(ledger, make_intent(1, run, epoch))
    ledger.write(outcomes.record, [Result(1, number, Evidence.UNKNOWN, 11.0)])
    resolution.resolve(ledger, row, clock, sent=["1"], by="ada", via=CLI)
    with pytest.raises(UsageError, match="7 was not resolved"):
        resolution.undo(ledger, row, clock, ["1", "7"], by="ada", via=CLI)
    assert [each.what for each in done(ledger)] == [Act.SENT]
    assert resolution.undo(ledger, row, clock, ["1"], by="ada", via=CLI).back == ["1"]


def test_what_fails_is_not_told_and_what_cannot_be_told_is_not_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1])
    with pytest.raises(UsageError, match="7 is not in doubt"):
        resolution.resolve(ledger, row, Ticks(), sent=["7"], by="ada", via=CLI)
    with pytest.raises(UsageError, match="7 was not resolved"):
        resolution.undo(ledger, row, Ticks(), ["7"], by="ada", via=CLI)
    assert not done(ledger)

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(KeyboardInterrupt):
        campaigns.cancel(ledger, row, Ticks(), by="ada", via=CLI)
    assert ledger.read(totals.counts, row.id)[S.QUEUED] == 1
    assert not ledger.read(brakes.active, [row.id])


def test_an_action_names_so_many_people_and_counts_all(ledger: Ledger) -> None:
    wanted = {str(id): ("", 1.0) for id in range(NAMED_PEOPLE + 5)}
    suppression.suppress(ledger, Ticks(), wanted, by="ada", via=CLI)
    [told] = done(ledger)
    assert (told.count, len(told.recipients)) == (NAMED_PEOPLE + 5, NAMED_PEOPLE)


def test_an_older_ledger_has_what_its_brakes_know(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    ledger.write(brakes.pause, row.id, 5.0, "ada")
    ledger.write(brakes.release, row.id, 6.0, "bob")
    halt = brakes.Halt(7.0, "10 in a row", campaign=row.id, kind=brakes.BrakeKind.GUARDED)
    ledger.write(brakes.halt, [halt])
    with ledger.writing() as connection:
        make_old(connection, 5)
        migrate(connection)
    assert [(each.what, each.at, each.by, each.campaign) for each in done(ledger)] == [
        (Act.PAUSE, 5.0, "ada", row.id),
        (Act.RESUME, 6.0, "bob", row.id),
    ]
    campaigns.pause(ledger, row, Ticks(), by="ada", via=CLI)  # and goes on counting
    assert len(done(ledger)) == 3


def test_a_campaign_is_not_resumed_without_its_workers_being_woken(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, nobody would go on with it: its lane rests until somebody says so."""
    row, clock = make_campaign(ledger), Ticks()
    campaigns.pause(ledger, row, clock, by="ada", via=CLI)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runner.control.campaigns.submissions.wake", killed)
    with pytest.raises(KeyboardInterrupt):
        campaigns.resume(ledger, row, clock, by="ada", via=CLI)
    assert ledger.read(brakes.active, [row.id])[row.id].kind == "paused"
    assert [each.what for each in done(ledger)] == [Act.PAUSE]


def test_a_campaign_is_taken_back_from_the_workers_and_stays_as_stopped_as_it_was(
    ledger: Ledger,
) -> None:
    row = make_campaign(ledger)
    clock, told = Ticks(), []

    def taken(during: Callable[[], object] = lambda: None) -> bool:
        def tell() -> None:
            told.append(ledger.read(brakes.active, [row.id])[row.id].kind)
            during()

        return campaigns.unsubmit(ledger, row, clock, tell, by="ada", via=CLI)

    assert not taken()
    assert (told, done(ledger)) == ([], [])
    hand_in(ledger, row)
    assert taken()
    assert told == ["paused"]  # until no worker has its lane
    assert ledger.read(brakes.active, [row.id]) == {}
    assert not ledger.read(submissions.is_submitted, row.id)
    assert [each.what for each in done(ledger)] == [Act.UNSUBMIT]
    hand_in(ledger, row)
    assert taken(lambda: campaigns.cancel(ledger, row, clock, by="ada", via=CLI))
    assert ledger.read(brakes.active, [row.id])[row.id].kind == "cancelled"
    hand_in(ledger, row)
    assert taken()
    assert told == ["paused", "paused", "cancelled"]
    assert ledger.read(brakes.active, [row.id])[row.id].kind == "cancelled"
