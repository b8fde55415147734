"""Replies in the ledger: each counts once, opt-outs are obeyed at once; SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from runner.ledger.campaigns import bound_team, submissions
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions, feeds, follow_ups, outcomes, replies
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.replies import UNREAD_WHY, Batch, Heard, Kind
from runner.ledger.people import holds
from runner.ledger.schema import inbound, message, suppression
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from runner.replies.match import answered
from runner.replies.opt_out import read
from tests.support import (
    LANE,
    ORIGIN,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

S = MessageStatus


def sent(ledger: Ledger, *ids: int, name: str = "spring") -> dict[int, int]:
    """Send to these recipients at 100 s by the server; return the rows of the messages."""
    row = make_campaign(ledger, name)
    ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
    make_queue(ledger, row, list(ids))
    run, epoch = own_lane(ledger)
    rows: dict[int, int] = {}
    for id in ids:
        with ledger.reading() as connection:
            wanted = select(message.c.id).where(
                message.c.campaign == row.id, message.c.recipient == str(id)
            )
            rows[id] = connection.execute(wanted).scalar_one()
        times = {"started_at": 100.0, "server_at": 100.0}
        of: Any = {"campaign": row.id, "recipient": recipient(id), "key": f"{name}{id}", **times}
        number = claim_one(ledger, make_intent(rows[id], run, epoch, **of))
        ids_of_api: Any = {"message_id": f"m{name}{id}", "thread_id": f"t{id}"}
        done = Result(rows[id], number, Evidence.ACCEPTED, 101.0, **ids_of_api)
        ledger.write(outcomes.record, [done])
    return rows


def heard(ledger: Ledger, thread: str, text: str | None, at: float = 200.0, **more: Any) -> Heard:
    """What a reader makes of a message in a thread."""
    id = more.pop("id", f"in-{thread}-{at}")
    found = ledger.read(replies.threads_of_ours, LANE, [thread]).get(thread)
    if found is None:
        return Heard(id, thread, at, Kind.OPEN)
    ours = answered(at, found.ours)
    if ours is None:
        return Heard(id, thread, at, Kind.NONE)
    if text is None:
        return Heard(id, thread, at, Kind.UNREAD, ours.id, **more)
    return Heard(id, thread, at, Kind.REPLY, ours.id, read(text), **more)


def hear(ledger: Ledger, *all: Heard, cursor: int = 7, at: float = 300.0) -> replies.News:
    return ledger.write(replies.record, Batch(LANE, at, all, cursor, read_up_to=at))


def kept(ledger: Ledger) -> dict[str, tuple[str, int | None, str]]:
    with ledger.reading() as connection:
        each = inbound.c
        wanted = select(each.message_id, each.kind, each.answers, each.words)
        return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(wanted)}


def listed(ledger: Ledger) -> dict[str, str]:
    with ledger.reading() as connection:
        wanted = select(suppression.c.recipient, suppression.c.reason)
        return {row[0]: row[1] for row in connection.execute(wanted)}


def statuses(ledger: Ledger, campaign: int) -> dict[str, str]:
    with ledger.reading() as connection:
        wanted = select(message.c.recipient, message.c.status).where(message.c.campaign == campaign)
        return {row[0]: row[1] for row in connection.execute(wanted)}


def test_a_reply_counts_once_however_often_it_is_heard(ledger: Ledger) -> None:
    rows = sent(ledger, 1)
    one = heard(ledger, "t1", "Sounds good")
    assert [each.message_id for each in hear(ledger, one, one).replies] == ["in-t1-200.0"]
    assert hear(ledger, one).replies == []
    assert kept(ledger) == {"in-t1-200.0": ("reply", rows[1], "")}
    assert ledger.read(feeds.feed_of, LANE) == (7, 300.0, None)


def test_an_opt_out_protects_every_profile_in_every_campaign_at_once(ledger: Ledger) -> None:
    sent(ledger, 1, 2)
    autumn = make_campaign(ledger, "autumn")
    make_queue(ledger, autumn, [1, 2, 71])
    news = hear(ledger, heard(ledger, "t1", "STOP, please.", people=("1", "71", "ccontact")))
    assert news.stopped == 2
    assert statuses(ledger, autumn.id) == {"1": S.SKIPPED, "2": S.QUEUED, "71": S.SKIPPED}
    why = "opted out: “STOP, please.”"
    assert listed(ledger) == {"1": why, "71": why, "ccontact": why}
    assert kept(ledger)["in-t1-200.0"][2] == "STOP, please."


def test_a_phrase_inside_of_more_holds_until_a_person_has_read_it(ledger: Ledger) -> None:
    sent(ledger, 1)
    hear(ledger, heard(ledger, "t1", "please stop by our booth"))
    assert listed(ledger) == {}
    [held] = ledger.read(holds.listed, 300.0)
    assert (held.recipient, held.until, held.made_by) == ("1", None, "")
    assert held.why == "“stop” is in what they answered"
    assert [words for *_, words in kept(ledger).values()] == [""]  # what they wrote is not kept
    ledger.write(decisions.unhold, ["1"], 301.0)
    hear(ledger, heard(ledger, "t1", "please stop by our booth"))  # heard before
    assert ledger.read(holds.listed, 302.0) == []


def test_a_hold_by_a_person_is_never_shortened(ledger: Ledger) -> None:
    sent(ledger, 1, 2)
    ledger.write(decisions.hold_each, ["1"], 400.0, why="on leave", at=1.0, by="ada")
    ledger.write(decisions.hold_each, ["2"], None, why="a friend", at=1.0, by="ada")
    hear(
        ledger,
        heard(ledger, "t1", "not interested"),
        heard(ledger, "t2", "we need to stop this bill"),
    )
    told = {each.recipient: each for each in ledger.read(holds.listed, 500.0)}
    assert told["1"].until is None
    assert told["1"].why.startswith("on leave; ")
    assert told["2"].why.startswith("a friend; ")
    assert {each.made_by for each in told.values()} == {"ada"}


def test_an_answer_that_cannot_be_read_holds_until_it_can(ledger: Ledger) -> None:
    rows = sent(ledger, 1, 2)
    ledger.write(decisions.hold_each, ["2"], None, why="a friend", at=1.0, by="ada")
    hear(ledger, heard(ledger, "t1", None), heard(ledger, "t2", None))
    assert {each.why for each in ledger.read(holds.listed, 300.0)} == {
        UNREAD_WHY,
        f"a friend; {UNREAD_WHY}",
    }
    again = ledger.read(replies.unsettled, LANE, 10)
    assert [each.message_id for each in again] == ["in-t1-200.0", "in-t2-200.0"]
    news = hear(ledger, heard(ledger, "t1", "Yes"), heard(ledger, "t2", "Yes"))
    assert news.replies == []  # both were counted before
    assert [each.recipient for each in ledger.read(holds.listed, 300.0)] == ["2"]
    assert kept(ledger)["in-t1-200.0"] == ("reply", rows[1], "")
    assert ledger.read(replies.unsettled, LANE, 10) == []


def test_one_from_before_we_wrote_is_no_reply(ledger: Ledger) -> None:
    sent(ledger, 1)
    assert hear(ledger, heard(ledger, "t1", "stop", at=90.0)).replies == []
    assert listed(ledger) == {}
    assert kept(ledger) == {"in-t1-90.0": ("none", None, "")}


def test_one_that_is_heard_before_our_outcome_is_matched_later(ledger: Ledger) -> None:
    early = heard(ledger, "t1", "stop", at=102.0)
    hear(ledger, early)
    assert ledger.read(replies.unsettled, LANE, 10) == []
    rows = sent(ledger, 1)
    [found] = ledger.read(replies.unsettled, LANE, 10)
    assert found == ("in-t1-102.0", "t1", 102.0)
    hear(ledger, heard(ledger, "t1", "stop", at=102.0))
    assert listed(ledger).keys() == {"1"}
    assert kept(ledger)["in-t1-102.0"] == ("reply", rows[1], "stop")


def test_what_matches_nothing_is_kept_for_seven_days(ledger: Ledger) -> None:
    hear(ledger, heard(ledger, "strange", None), at=300.0)
    hear(ledger, at=300.0 + 7 * 86400 - 1)
    assert list(kept(ledger)) == ["in-strange-200.0"]
    hear(ledger, at=300.0 + 7 * 86400 + 1)
    assert kept(ledger) == {}


def test_a_reply_answers_the_newest_message_of_ours_in_the_thread(ledger: Ledger) -> None:
    first, second = sent(ledger, 1), sent(ledger, 1, name="autumn")
    assert first != second
    hear(ledger, heard(ledger, "t1", "Yes"))
    assert list(kept(ledger).values()) == [("reply", second[1], "")]


EFFECTS = (
    *("_obey", "_hold_unsure", "_keep", "end_for", "_keep_other_ids", "wake_for"),
    *("advance", "mend", "forget_open", "_told"),
)


@pytest.mark.slow
@pytest.mark.parametrize("step", EFFECTS)
@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_any_step_loses_nothing_and_counts_nothing_twice(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    rows = sent(ledger, 1, 2)
    owners: tuple[Any, ...] = (feeds, follow_ups, submissions, replies)
    module = next(each for each in owners if hasattr(each, step))
    works = getattr(module, step)

    class Death(Exception):
        pass

    def die(*args: Any) -> Any:
        if after:
            works(*args)
        raise Death

    def both() -> tuple[Heard, Heard]:
        return heard(ledger, "t1", "stop"), heard(ledger, "t2", "please stop by")

    with monkeypatch.context() as patch:
        patch.setattr(module, step, die)
        with pytest.raises(Death):
            hear(ledger, *both())
    assert kept(ledger) == {}
    assert listed(ledger) == {}
    assert ledger.read(feeds.feed_of, LANE) is None
    assert len(hear(ledger, *both()).replies) == 2
    assert kept(ledger) == {
        "in-t1-200.0": ("reply", rows[1], "stop"),
        "in-t2-200.0": ("reply", rows[2], ""),
    }
    assert listed(ledger).keys() == {"1"}
    assert ledger.read(feeds.feed_of, LANE) == (7, 300.0, None)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["_obey", "_keep", "was_read_back"])
@pytest.mark.parametrize("after", [False, True])
def test_a_death_while_a_thread_is_read_back_leaves_it_to_be_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    rows = sent(ledger, 1)
    ledger.write(feeds.tear, LANE, 200.0, 0.0)
    module: Any = feeds if step == "was_read_back" else replies
    works = getattr(module, step)

    def die(*args: Any) -> Any:
        if after:
            works(*args)
        raise InterruptedError

    def read_it() -> replies.News:
        found = heard(ledger, "t1", "stop")
        return ledger.write(replies.record, Batch(LANE, 300.0, [found], thread="t1"))

    with monkeypatch.context() as patch:
        patch.setattr(module, step, die)
        with pytest.raises(InterruptedError):
            read_it()
    assert (kept(ledger), listed(ledger)) == ({}, {})
    assert ledger.read(feeds.to_read_back, LANE, 9) == ["t1"]
    assert len(read_it().replies) == 1
    assert kept(ledger) == {"in-t1-200.0": ("reply", rows[1], "stop")}
    assert listed(ledger).keys() == {"1"}
    assert ledger.read(feeds.to_read_back, LANE, 9) == []


def test_each_answer_is_told_once_and_each_opt_out_when_it_is_known(ledger: Ledger) -> None:
    rows = sent(ledger, 1)
    first = hear(ledger, heard(ledger, "t1", None, id="a")).answers
    again = hear(ledger, heard(ledger, "t1", None, id="a")).answers
    then = hear(ledger, heard(ledger, "t1", "stop", id="a")).answers
    late = hear(ledger, heard(ledger, "t1", "stop", id="a")).answers
    about = ("spring", "1", SENDER, "1", "t1", "a")
    assert rows.keys() == {1}
    assert [[*each] for each in first] == [[*about, True, False]]
    assert [[*each] for each in again] == [[*about, False, False]]
    assert [[*each] for each in then] == [[*about, False, True]]
    assert late == []


def test_a_torn_feed_has_its_threads_read_back_one_by_one(ledger: Ledger) -> None:
    sent(ledger, 1, 2, 3)
    hear(ledger)
    make_queue(ledger, make_campaign(ledger, "autumn"), [2])
    assert ledger.write(feeds.tear, LANE, 400.0, 50.0) == 3
    assert ledger.write(feeds.tear, LANE, 401.0, 50.0) == 0
    assert ledger.read(feeds.feed_of, LANE) == (7, 300.0, 401.0)
    assert ledger.read(feeds.to_read_back, LANE, 2) == ["t2", "t1"]  # t2 has one in a queue
    ledger.write(feeds.try_again, LANE, "t1", 500.0)
    for thread in ("t2", "t3"):
        ledger.write(replies.record, Batch(LANE, 410.0, thread=thread))
    assert ledger.read(feeds.count_to_read_back, LANE) == 1
    batch = Batch(LANE, 410.0, [heard(ledger, "t1", "stop")], thread="t1")
    assert len(ledger.write(replies.record, batch).replies) == 1
    assert ledger.read(feeds.count_to_read_back, LANE) == 0
    assert ledger.read(feeds.feed_of, LANE) == (7, 300.0, None)
    assert ledger.write(feeds.tear, LANE, 400.0, 102.0) == 0  # too old to be answered still


def test_a_feed_is_quiet_after_six_days() -> None:
    feed = feeds.Feed(5, 1000.0)
    assert not feed.is_quiet(1000.0 + 6 * 86400)
    assert feed.is_quiet(1000.0 + 6 * 86400 + 1)


def test_people_of_a_rehearsal_are_no_people(ledger: Ledger) -> None:
    """What the sandbox's people say puts nobody on the real list."""
    lane = f"SANDBOX {LANE}"
    rows = sent(ledger, 1)
    one = Heard("in", "t1", 200.0, Kind.REPLY, rows[1], read("stop"), ("1",))
    two = Heard("in2", "t1", 201.0, Kind.REPLY, rows[1], read("please stop by"), ("1",))
    news = ledger.write(replies.record, Batch(lane, 300.0, [one, two], 7))
    assert len(news.replies) == 2
    assert listed(ledger) == {}
    assert ledger.read(holds.listed, 300.0) == []


def test_two_processes_that_hear_the_same_count_it_once(ledger: Ledger) -> None:
    """A run and `replies` beside it."""
    sent(ledger, *range(1, 9))
    all_of_them = [heard(ledger, f"t{id}", "stop" if id % 2 else "Yes") for id in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: hear(ledger, *all_of_them), range(4)))
    assert sorted(len(each.replies) for each in told) == [0, 0, 0, 8]
    assert len(kept(ledger)) == 8
    assert listed(ledger).keys() == {"1", "3", "5", "7"}


def test_the_place_in_the_feed_never_goes_back(ledger: Ledger) -> None:
    hear(ledger, cursor=9, at=300.0)
    hear(ledger, cursor=7, at=200.0)
    assert ledger.read(feeds.feed_of, LANE) == (9, 300.0, None)
    ledger.write(feeds.tear, LANE, 400.0, 0.0, from_start=True)
    hear(ledger, cursor=3, at=500.0)
    assert ledger.read(feeds.feed_of, LANE) == (3, 500.0, None)
