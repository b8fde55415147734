"""The figures of steps, on SQLite and PostgreSQL."""

from __future__ import annotations

from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import steps, totals
from runner.ledger.queries.message_lists import messages
from runner.message.plan import Change, Entry, PlannedMessage
from runner.message.status import MessageStatus
from tests.support import SENDER, make_campaign, recipient

S = MessageStatus


def plan(ledger: Ledger, row: CampaignRow) -> None:
    """Plan a first message and two follow-ups to one person."""
    first = PlannedMessage(2, recipient(1), SENDER, "Hi", {"a": "b"})
    later = tuple(
        Entry(first._replace(step=step, previous=previous, after=60.0), Change.NEW)
        for step, previous in (("nudge", "1"), ("last", "nudge"))
    )
    with ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write([Entry(first, Change.NEW, None, later)])
        writer.finish("fingerprint", 2.0, ["nudge", "last"], "reply")


def test_figures_of_each_step_and_when_the_next_is_due(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    assert ledger.read(steps.step_figures, row.id) == []
    plan(ledger, row)
    first, nudge, last = ledger.read(steps.step_figures, row.id)
    assert (first.name, nudge.name, last.name) == ("1", "nudge", "last")
    assert (first.counts[S.QUEUED], nudge.counts[S.WAITING], last.counts[S.WAITING]) == (1, 1, 1)
    assert steps.following([first, nudge, last], "1") == [(60.0, 1.0), (60.0, 1.0)]
    assert ledger.read(steps.due_follow_ups, row.id) == []
    assert ledger.read(totals.follow_ups_to_come, row.id) == 2
    assert ledger.read(totals.people_to_come, row.id) == 1
    assert [each.name for each in ledger.read(steps.removed, row.id, ["nudge"])] == ["last"]
    [waits, _] = ledger.read(messages, row.id, S.WAITING).rows
    assert (waits.step, waits.previous, waits.after, waits.due_at) == ("nudge", "1", 60.0, None)


def test_follow_ups_are_counted_by_the_hour_in_which_they_are_due(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    plan(ledger, row)
    with ledger.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE message SET status = 'queued', not_before = 7300 WHERE step = 'nudge'"
        )
        connection.exec_driver_sql(
            "UPDATE message SET status = 'skipped', reason = 'replied' WHERE step = 'last'"
        )
    [due] = ledger.read(steps.due_follow_ups, row.id)
    assert (due.step, due.messages, due.first, due.last) == ("nudge", 1, 7300.0, 7300.0)
    _, nudge, last = ledger.read(steps.step_figures, row.id)
    assert (nudge.next_at, nudge.why, nudge.to_come) == (7300.0, "", 1)
    assert last.skipped == {"replied": 1}
