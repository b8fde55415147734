"""Follow-ups in the ledger: how they stand as the messages before them do; SQLite and
PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from runner.ledger import lanes
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.copies import staleness
from runner.ledger.copies.staleness import ProgressMarks
from runner.ledger.ledger import Ledger
from runner.ledger.messages import follow_up_claims, outcomes, plans, replies
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.messages.replies import Batch, Heard, Kind
from runner.ledger.schema import message
from runner.message.acquaintance import Obstacle
from runner.message.evidence import Evidence
from runner.message.plan import FIRST_STEP
from runner.message.prospect import Prospect
from runner.message.status import MessageStatus, SkipReason
from runner.planning.planner import StepPlan, plan_messages
from runner.planning.preview import Preview
from runner.replies.opt_out import read
from tests.pacing import sender
from tests.support import (
    LANE,
    ORIGIN,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    own_lane,
    recipient,
)

STOP_ON = "reply colleague assigned"
S = MessageStatus


STEPS = [
    StepPlan("nudge", FIRST_STEP, 60.0, {"": lambda _: (("Hi again", None, ""),)}),
    StepPlan("last", "nudge", 60.0, {"": lambda _: (("Bye", None, ""),)}),
]


def plan(
    ledger: Ledger,
    row: CampaignRow,
    bars: Mapping[str, Obstacle] | None = None,
    steps: Sequence[StepPlan] = STEPS,
) -> Preview:
    """Plan a first message and its follow-ups to one person, as a run does. `bars`: whom Inbox
    knows."""
    chunks = plan_messages(
        [Prospect(2, recipient(1), {})],
        lambda _: (("Hi", None, ""),),
        [sender(SENDER)],
        lambda asked: ledger.read(plans.known, row.id, asked, rehearsal=False),
        {},
        bars=lambda _: bars or {},
        steps=steps,
    )
    entries = [each for chunk in chunks for each in chunk]
    with ledger.writing() as connection:
        writer = PlanWriter(connection, replace(row, stop_on=STOP_ON))
        writer.write(entries)
        writer.finish("fingerprint", 2.0, [each.name for each in steps], STOP_ON)
    found = Preview(row.name)
    for each in entries:
        found.count(each)
    return found


@pytest.fixture
def row(ledger: Ledger) -> CampaignRow:
    made = make_campaign(ledger)
    ledger.write(bound_team.bind, made.id, ORIGIN, LANE)
    return made


def rows_of(ledger: Ledger) -> dict[str, int]:
    with ledger.reading() as connection:
        found = connection.execute(select(message.c.step, message.c.id))
        return {each.step: each.id for each in found}


def send(ledger: Ledger, id: int) -> None:
    run, epoch = own_lane(ledger)
    number = claim_one(ledger, make_intent(id, run, epoch, started_at=100.0, server_at=100.0))
    ids: Any = {"message_id": f"m{id}", "thread_id": "t1"}
    ledger.write(outcomes.record, [Result(id, number, Evidence.ACCEPTED, 101.0, **ids)])


def stands(ledger: Ledger) -> dict[str, tuple[str, str]]:
    """Status and reason of each step."""
    with ledger.reading() as connection:
        wanted = select(message.c.step, message.c.status, message.c.reason)
        return {step: (status, reason) for step, status, reason in connection.execute(wanted)}


ALL_TO_COME = {"1": (S.QUEUED, ""), "nudge": (S.WAITING, ""), "last": (S.WAITING, "")}
ALL_BARRED = {
    "1": (S.SKIPPED, "assigned"),
    "nudge": (S.SKIPPED, "step_before"),
    "last": (S.SKIPPED, "step_before"),
}
ASSIGNED = Obstacle(SkipReason.ASSIGNED, "assigned to kim")


def test_an_obstacle_before_the_first_message_takes_no_step_along(
    ledger: Ledger, row: CampaignRow
) -> None:
    """Assigned is final for follow-ups, but a first message comes back when that is over."""
    plan(ledger, row)
    assert stands(ledger) == ALL_TO_COME
    plan(ledger, row, {"1": ASSIGNED})
    assert stands(ledger) == ALL_BARRED
    plan(ledger, row)
    assert stands(ledger) == ALL_TO_COME


def test_an_obstacle_in_the_moment_of_sending_takes_no_step_along(
    ledger: Ledger, row: CampaignRow
) -> None:
    plan(ledger, row)
    ledger.write(skip_late, {rows_of(ledger)["1"]: LateSkip(SkipReason.ASSIGNED, "to kim")})
    assert stands(ledger) == ALL_BARRED
    plan(ledger, row)
    assert stands(ledger) == ALL_TO_COME


@pytest.mark.parametrize("reason", [SkipReason.ASSIGNED, SkipReason.COLLEAGUE])
def test_a_follow_up_that_ends_takes_the_later_ones_along(
    ledger: Ledger, row: CampaignRow, reason: SkipReason
) -> None:
    plan(ledger, row)
    rows = rows_of(ledger)
    send(ledger, rows["1"])
    ledger.write(skip_late, {rows["nudge"]: LateSkip(reason, "why")})
    assert stands(ledger)["last"] == (S.SKIPPED, reason)
    plan(ledger, row)
    assert stands(ledger) == {
        "1": (S.SENT, ""),
        "nudge": (S.SKIPPED, reason),
        "last": (S.SKIPPED, reason),
    }


def test_what_a_person_called_no_reply_is_known_before_a_follow_up(
    ledger: Ledger, row: CampaignRow
) -> None:
    plan(ledger, row)
    rows = rows_of(ledger)
    send(ledger, rows["1"])
    said = [
        Heard(id, "t1", 200.0, Kind.REPLY, rows["1"], read("Out of office")) for id in ("a", "b")
    ]
    ledger.write(replies.record, Batch(LANE, 300.0, said[:1], 7, read_up_to=300.0))
    assert stands(ledger)["nudge"] == (S.SKIPPED, "replied")
    ledger.write(replies.dismiss, row.id, ["1"])
    assert stands(ledger) == {"1": (S.SENT, ""), "nudge": (S.QUEUED, ""), "last": (S.WAITING, "")}
    before = ledger.read(follow_up_claims.before, rows["nudge"])
    assert before is not None
    assert before.dismissed == {"a"}
    ledger.write(replies.record, Batch(LANE, 400.0, said[1:], 8, read_up_to=400.0))
    assert stands(ledger)["nudge"] == (S.SKIPPED, "replied")


@pytest.mark.parametrize("has_answered", [True, False])
def test_a_new_step_is_counted_for_those_who_would_get_it(
    ledger: Ledger, row: CampaignRow, has_answered: bool
) -> None:
    plan(ledger, row)
    rows = rows_of(ledger)
    send(ledger, rows["1"])
    if has_answered:
        said = Heard("a", "t1", 200.0, Kind.REPLY, rows["1"], read("Yes"))
        ledger.write(replies.record, Batch(LANE, 300.0, [said], 7, read_up_to=300.0))
    more = StepPlan("more", "last", 60.0, {"": lambda _: (("One more", None, ""),)})
    found = plan(ledger, row, steps=[*STEPS, more])
    assert found.steps["more"].added == (0 if has_answered else 1)
    assert found.steps["more"].skipped == ({"replied": 1} if has_answered else {})
    assert stands(ledger)["more"] == ((S.SKIPPED, "replied") if has_answered else (S.WAITING, ""))


@pytest.mark.parametrize(("accepted_at", "in_doubt"), [(160.0, []), (162.0, ["nudge"])])
def test_a_follow_up_that_was_not_due_when_an_old_copy_was_accepted_is_not_in_doubt(
    ledger: Ledger, row: CampaignRow, accepted_at: float, in_doubt: list[str]
) -> None:
    """Due at 161: before that no lost run has sent it, and its thread shows whether one has."""
    plan(ledger, row)
    send(ledger, rows_of(ledger)["1"])
    run = ledger.write(lanes.begin_run, accepted_at, "test")
    ledger.write(staleness.accept, ProgressMarks(9, 9, (row.name,)), (), accepted_at)
    bound = ledger.read(registry.find_campaign, row.name)
    assert bound is not None
    ledger.write(staleness.presume, bound, "v2", ORIGIN, run)
    found = stands(ledger)
    assert [step for step, (status, _) in found.items() if status == S.IN_DOUBT] == in_doubt
    assert found["last"] == (S.WAITING, "")
