"""How follow-ups are told: while a run lasts, beforehand, and of one person."""

from __future__ import annotations

import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from runner.cli.output import counts_line, finish_lines
from runner.cli.prompts import preview_lines, sequence_lines
from runner.errors import ChangesError
from runner.events import (
    Event,
    FollowUpsLeft,
    LaneStarted,
    MessageDeferred,
    MessageInDoubt,
    MessageSent,
    MessageSkipped,
)
from runner.ledger.queries.steps import StepFigures
from runner.message.plan import Change, Entry, Known, PlannedMessage
from runner.message.status import MessageStatus, SkipReason
from runner.pacing.forecast import Forecast
from runner.planning.changes import moved_texts, refuse_step_changes
from runner.planning.dates.sequence import sequence
from runner.planning.preview import Preview, StepPreview
from runner.schedule import Hours, make_week
from runner.terminal.counters import Tally
from runner.terminal.event_text import event_line
from runner.terminal.live import display
from runner.terminal.plain import PlainLines
from tests.support import recipient

_S = MessageStatus
NOW = 1_800_000_000.0
DAY = 86_400.0
LONDON, TOKYO = "Europe/London", "Asia/Tokyo"
WHO = ("spring", "100", "a1")
STARTED = LaneStarted(
    NOW, {"spring": 2}, {}, NOW + 8 * DAY, to_follow={"spring": 4}, finish_earliest_at=NOW + 60
)


def sent(step: str = "1") -> MessageSent:
    return MessageSent(NOW, *WHO, "m1", "t1", step=step)


def tallied(*events: Event) -> Tally:
    tally = Tally(now=lambda: NOW)
    for event in events:
        tally.watch(event)
    return tally


def test_what_follows_is_never_among_what_is_to_be_sent_now() -> None:
    tally = tallied(STARTED, sent(), sent())
    line = tally.campaigns["spring"]
    assert (line.total, line.sent, line.queued, line.to_follow) == (2, 2, 0, 4)
    tally.watch(sent("nudge"))
    assert (line.total, line.sent, line.queued, line.to_follow) == (3, 3, 0, 3)
    tally.watch(MessageDeferred(NOW, *WHO, "thread_unclear", "", step="nudge"))
    assert (line.total, line.queued, line.to_follow) == (3, 0, 3)
    tally.watch(MessageSkipped(NOW, *WHO, "replied", "", step="nudge"))
    assert (line.total, line.queued, line.to_follow) == (3, 0, 2)
    tally.watch(MessageInDoubt(NOW, *WHO, "timeout", "", step="last"))
    tally.watch(MessageSent(NOW, *WHO, "m2", "t1", settled=True, step="last"))
    assert (line.total, line.sent, line.in_doubt, line.to_follow) == (4, 4, 0, 1)
    tally.watch(FollowUpsLeft(NOW, "spring", 0))
    assert (line.total, line.queued, line.to_follow) == (4, 0, 0)


@pytest.mark.parametrize("width", [40, 80])
def test_a_run_with_follow_ups_to_come_is_never_shown_as_done(width: int) -> None:
    lines = [line.plain for line in display(tallied(STARTED, sent(), sent()), width, 24)]
    assert " 33%" in lines[0]
    assert "2 sent · 4 to follow" in lines[1]
    assert all(len(line) <= width for line in lines)
    over = tallied(STARTED, sent(), sent(), FollowUpsLeft(NOW, "spring", 0))
    assert "100%" in display(over, width, 24)[0].plain


def test_lines_without_a_terminal_count_what_follows_as_a_limit() -> None:
    out = io.StringIO()
    tally = Tally(now=lambda: NOW)
    lines = PlainLines(out, tally)
    for event in (STARTED, sent()):
        tally.watch(event)
        lines.watch(event)
    tally.now = lambda: NOW + 11
    lines.watch(sent())
    began, progress = out.getvalue().splitlines()
    assert began.startswith("sending 2, then 4 follow-ups at most, until about ")
    assert began.endswith(" if nobody answers")
    assert progress.startswith("sent 1 of 6 at most, ")
    assert progress.endswith(" if nobody answers")
    waiting = LaneStarted(NOW, {"spring": 0}, {}, to_follow={"spring": 1})
    assert event_line(waiting) == "nothing to send now, then 1 follow-up at most"
    assert event_line(sent("nudge")) == "sent to 100 from a1 (step nudge)"


def test_counts_and_the_finish_are_told_as_a_range() -> None:
    assert counts_line({"sent": 3, "queued": 1, "waiting": 2}) == "3 sent, 1 queued, 2 waiting"
    told = Forecast(8 * DAY, {"a1": 8 * DAY}, "the time between steps", earliest=2 * DAY)
    [line] = finish_lines(told, NOW)
    assert line.startswith("done between ")
    assert ", if everybody answers, and about " in line
    assert line.endswith("(in 8 d) if nobody does; slowest limit: the time between steps")
    [line] = finish_lines(Forecast(DAY, {"a1": DAY}, "", earliest=0.0), NOW)
    assert line.startswith("done between now, if everybody answers, and about ")


def follow_up(name: str, after: float, previous: str = "1", zone: str = "") -> PlannedMessage:
    first = PlannedMessage(2, recipient(1), "a1", f"Text of {name}", {}, zone=zone)
    return first._replace(step=name, previous=previous, after=after)


def test_a_persons_dates_are_by_their_own_clock_and_within_the_schedule() -> None:
    first = follow_up("1", 0.0, "", TOKYO)
    later = (
        Entry(follow_up("nudge", 2 * DAY, "1", TOKYO), Change.NEW),
        Entry(follow_up("last", 3600.0, "nudge", TOKYO), Change.NEW),
    )
    hours = Hours(LONDON, make_week([(range(5), 540, 1050)]))
    thursday = datetime(2026, 3, 5, 16, tzinfo=ZoneInfo(TOKYO)).timestamp()
    dated = list(sequence(first, later, hours, thursday))
    assert [each.date for each in dated] == [
        f"Thu 2026-03-05 16:00 ({TOKYO})",
        f"Mon 2026-03-09 09:00 ({TOKYO})",  # Saturday is closed
        f"Mon 2026-03-09 10:00 ({TOKYO})",
    ]
    assert dated[1].as_json()["not_before"] == "2026-03-09T00:00:00Z"
    lines = list(sequence_lines(first, later, hours, thursday))
    assert lines[1] == f"  nudge, not before Mon 2026-03-09 09:00 ({TOKYO}):"
    assert lines[2].strip() == "Text of nudge"
    assert list(sequence_lines(first, (), hours, thursday)) == []


def known(status: MessageStatus, after: float = 60.0, **more: object) -> Known:
    return Known("a1", status, "x", previous="1", after=after)._replace(**more)  # type: ignore[arg-type]


def entry(first: Known | None, later: Entry) -> Entry:
    change = Change.NEW if first is None else Change.KEPT
    return Entry(follow_up("1", 0.0, ""), change, first, (later,))


def test_an_edit_is_told_by_who_is_before_in_and_past_a_step() -> None:
    found = Preview("spring", steps={"nudge": StepPreview(120.0)})
    new = follow_up("nudge", 120.0)
    begun = Known("a1", _S.SENT)
    found.count(entry(None, Entry(new, Change.NEW)))
    found.count(entry(begun, Entry(new, Change.NEW)))
    found.count(entry(begun, Entry(new, Change.KEPT, known(_S.SENT))))
    moved = known(_S.QUEUED)
    found.count(entry(begun._replace(later={"nudge": moved}), Entry(new, Change.SAME, moved)))
    ended = known(_S.SKIPPED, reason="replied")
    found.count(entry(begun, Entry(new, Change.KEPT, ended)))
    found.count(Entry(follow_up("1", 0.0, ""), Change.KEPT, begun))
    step = found.steps["nudge"]
    assert step.as_json() == {
        "after": 120.0,
        "to_come": 3,
        "before": 1,
        "in": 2,
        "past": 2,
        "new": 1,
        "moved": 1,
        "skipped": {"replied": 1},
    }
    assert moved_texts(found) == [
        "step nudge comes 2 min after the message before it now, not 60 s: for 1 person with it "
        "to come"
    ]
    shown = list(preview_lines(found))
    assert (
        "  then nudge, 2 min after the message before it: 3 at most (before it: 1, in it: 2); "
        "past it: 2; skipped: 1 replied"
    ) in shown
    gone = StepFigures("last", "nudge", 60.0)
    gone.counts.update({_S.WAITING: 4, _S.QUEUED: 1, _S.SENT: 7})
    found.steps_removed = [gone]
    with pytest.raises(ChangesError) as refused:
        refuse_step_changes(found)
    told = str(refused.value)
    assert "step nudge is new, and would go to 1 person written to already: 0 before it, 1 " in told
    assert (
        "step last is gone from the file, and 5 people would not get it: 4 before it, 1 in " in told
    )
    assert "past it: 7" in told


def test_a_skipped_follow_up_says_why_instead_of_a_text() -> None:
    skipped = follow_up("nudge", 60.0)._replace(skip=SkipReason.TOO_LONG, detail="1,001 letters")
    lines = list(sequence_lines(follow_up("1", 0.0, ""), (Entry(skipped, Change.NEW),), None, NOW))
    assert lines[1:] == ["  nudge: skipped (too_long: 1,001 letters)"]


def test_rows_that_are_skipped_stand_below_their_count() -> None:
    found = Preview("spring", steps={"nudge": StepPreview(60.0)})
    found.skipped[SkipReason.BAD_ID] += 1
    lines = list(preview_lines(found, ["    row 2: bad_id"]))
    assert lines[1:3] == ["  skipped: 1 bad_id", "    row 2: bad_id"]
    assert lines[3].startswith("  then nudge")
