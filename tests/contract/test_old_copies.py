"""An old copy of a ledger, recognised and gone on with, on SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from runner.errors import OldLedger
from runner.ledger import lanes
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.copies import staleness
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.copies.staleness import ProgressMarks
from runner.ledger.doubts import in_doubt, settlements
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, queue, usage
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.key import message_key
from runner.message.status import MessageStatus
from runner.project.ledgers.old_copies import allow_changes
from tests.support import (
    LANE,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

S = MessageStatus
API = ("v2", "https://api.example/api/v2")


def bound(ledger: Ledger, name: str = "spring") -> CampaignRow:
    row = ledger.read(registry.find_campaign, name)
    assert row is not None
    ledger.write(bound_team.bind, row.id, "https://api.example", "team1")
    again = ledger.read(registry.find_campaign, name)
    assert again is not None
    return again


def test_a_ledger_only_ever_comes_further(ledger: Ledger) -> None:
    seen = [ledger.write(staleness.advance)]
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 1)
    ledger.write(claims.claim, [make_intent(due.id, run, epoch)])
    seen += [ledger.read(staleness.progress_marks), ledger.write(staleness.advance)]
    assert seen == [
        ProgressMarks(1, 0),
        ProgressMarks(1, 1, ("spring",)),
        ProgressMarks(2, 1, ("spring",)),
    ]
    for earlier, later in pairwise(seen):
        assert earlier.is_behind(later)
        assert not later.is_behind(earlier)
    assert not seen[2].is_behind(seen[2])


def test_a_memory_keeps_the_furthest(tmp_path: Path) -> None:
    memory = SeenLedger(tmp_path / "state", "abc", "/p/state.db")
    assert memory.marks() == ProgressMarks()
    memory.remember(ProgressMarks(4, 10, ("spring",)))
    memory.remember(ProgressMarks(5, 9, ("autumn",)))
    assert memory.marks() == ProgressMarks(5, 10, ("autumn", "spring"))
    assert SeenLedger(tmp_path / "state", "other", "/p/state.db").marks() == ProgressMarks()


def test_a_memory_knows_which_ledgers_were_at_a_place(tmp_path: Path) -> None:
    SeenLedger(tmp_path, "abc", "/p/state.db").remember(ProgressMarks(4, 10, ("spring",)))
    SeenLedger(tmp_path, "def", "/p/state.db").remember(ProgressMarks(5, 9, ("autumn",)))
    SeenLedger(tmp_path, "unused", "/p/state.db").remember(ProgressMarks(6, 0, ("winter",)))
    SeenLedger(tmp_path, "elsewhere", "/q/state.db").remember(ProgressMarks(7, 70, ("summer",)))
    lost = SeenLedger(tmp_path, "new", "/p/state.db").lost()
    assert [each.ledger for each in lost] == ["abc", "def"]
    assert [each.ledger for each in SeenLedger(tmp_path, "def", "/p/state.db").lost()] == ["abc"]
    assert SeenLedger(tmp_path / "none", "new", "/p/state.db").lost() == []
    lost[0].outdate()
    assert lost[0].marks() == ProgressMarks(5, 10, ("spring",))


def test_a_torn_memory_is_none(tmp_path: Path) -> None:
    memory = SeenLedger(tmp_path, "abc", "/p/state.db")
    memory.remember(ProgressMarks(4, 10))
    for torn in ("", "{", '{"changes": 4}', '{"changes": "x", "attempts": 1, "campaigns": []}'):
        (tmp_path / "abc.json").write_text(torn)
        assert memory.marks() == ProgressMarks()
    memory.remember(ProgressMarks(5, 11))
    assert memory.marks() == ProgressMarks(5, 11)


def test_an_accepted_copy_is_further_than_what_was_remembered_for_good(ledger: Ledger) -> None:
    for _ in range(5):
        ledger.write(staleness.advance)
    for remembered in (ProgressMarks(7, 9, ("spring",)), ProgressMarks(2, 12, ())):
        accepted = ledger.write(staleness.accept, remembered, (), 5.0)
        assert not accepted.is_behind(remembered)
        assert accepted == ledger.read(staleness.progress_marks)
    assert ledger.read(staleness.progress_marks) == ProgressMarks(9, 12)


def test_commands_beside_each_other_are_no_sign_of_age(tmp_path: Path) -> None:
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}
    location = str(tmp_path / "state.db")
    open_ledger(location).close()

    def command(_: int) -> None:
        with open_ledger(location) as ledger:
            allow_changes(ledger, env, 1.0)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(command, range(24)))
    with open_ledger(location) as ledger:
        assert ledger.read(staleness.progress_marks).changes == 24


def test_of_two_copies_that_begin_at_once_one_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}
    first, second = tmp_path / "one.db", tmp_path / "two.db"
    with open_ledger(str(first)) as ledger:
        allow_changes(ledger, env, 1.0)
    shutil.copy(first, second)
    both_here = Barrier(2)
    recall = SeenLedger.marks

    def together(self: SeenLedger) -> ProgressMarks:
        with contextlib.suppress(BrokenBarrierError):
            both_here.wait(0.3)  # unless one keeps the other out
        return recall(self)

    monkeypatch.setattr(SeenLedger, "marks", together)

    def begin(location: Path) -> bool:
        with open_ledger(str(location)) as ledger:
            try:
                allow_changes(ledger, env, 2.0)
            except OldLedger:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(begin, (first, second))) == [False, True]


def accepted_copy(ledger: Ledger) -> tuple[CampaignRow, int]:
    """A campaign of three, one sent and one rejected, that goes on from an old copy."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3])
    run, epoch = own_lane(ledger)
    first, second, _ = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
    ledger.write(claims.claim, [make_intent(first.id, run, epoch)])
    ledger.write(outcomes.record, [Result(first.id, 1, Evidence.ACCEPTED, 9.0, message_id="m")])
    ledger.write(claims.claim, [make_intent(second.id, run, epoch)])
    ledger.write(outcomes.record, [Result(second.id, 1, Evidence.REJECTED, 9.0, "no")])
    ledger.write(staleness.accept, ProgressMarks(9, 9, ("spring",)), (), 50.0)
    return bound(ledger), run


def doubted(ledger: Ledger, row: CampaignRow) -> list[str]:
    return [doubt.recipient.id for doubt in ledger.read(in_doubt.in_doubt, [row.id])]


def test_what_an_old_copy_may_have_forgotten_is_in_doubt_once(ledger: Ledger) -> None:
    row, run = accepted_copy(ledger)
    requests = ledger.read(usage.past_requests, LANE, 0.0, 0.0)
    sends = ledger.read(usage.past_sends, [SENDER], 0.0)
    ahead = ledger.read(usage.server_ahead, LANE)
    assert ledger.write(staleness.presume, row, *API, run) == 1
    [doubt] = ledger.read(in_doubt.in_doubt, [row.id])
    assert (doubt.recipient.id, doubt.presumed) == ("3", True)
    assert doubt.key == message_key("spring", "1", recipient(3))
    assert doubt.first_server_at == 1.0  # when the campaign was first planned
    assert ledger.read(totals.counts, row.id)[S.SENT] == 1

    # Nobody made this attempt: it uses up no limit, and tells nothing of a clock.
    assert ledger.read(usage.past_requests, LANE, 0.0, 0.0) == requests
    assert ledger.read(usage.past_sends, [SENDER], 0.0) == sends
    assert ledger.read(usage.server_ahead, LANE) == ahead

    # Once is enough, however often it is accepted and whatever has come of it.
    ledger.write(staleness.accept, ProgressMarks(9, 9, ("spring",)), (), 60.0)
    say = Settlement(doubt.id, Evidence.SAID_NOT_SENT, 70.0, "said")
    ledger.write(settlements.settle, [say])
    assert ledger.write(staleness.presume, row, *API, run) == 0
    assert ledger.read(staleness.accepted_at, "spring") == 50.0


def test_who_comes_back_or_is_added_later_is_in_doubt_too(ledger: Ledger) -> None:
    row, run = accepted_copy(ledger)
    ledger.write(staleness.presume, row, *API, run)
    ledger.write(decisions.retry, RetryRequest(row.id))
    assert ledger.write(staleness.presume, row, *API, run) == 1  # the rejected one, not before
    make_queue(ledger, row, [4])
    assert ledger.write(staleness.presume, row, *API, run) == 1
    assert doubted(ledger, row) == ["2", "3", "4"]


def test_a_campaign_that_nobody_took_for_old_has_no_doubt(ledger: Ledger) -> None:
    make_queue(ledger, make_campaign(ledger), [1])
    run = ledger.write(lanes.begin_run, 1.0, "test")
    assert ledger.write(staleness.presume, bound(ledger), *API, run) == 0
    assert ledger.read(staleness.accepted_at, "spring") is None


def test_many_are_presumed_in_parts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staleness, "PRESUMED_ROWS", 3)
    make_queue(ledger, make_campaign(ledger), range(1, 9))
    run = ledger.write(lanes.begin_run, 1.0, "test")
    ledger.write(staleness.accept, ProgressMarks(3, 9), (), 5.0)
    assert ledger.write(staleness.presume, bound(ledger), *API, run) == 8


def test_a_campaign_that_the_copy_has_never_known_is_in_doubt_from_the_beginning(
    ledger: Ledger,
) -> None:
    ledger.write(staleness.accept, ProgressMarks(3, 9, ("spring",)), ("autumn",), 5.0)
    run = ledger.write(lanes.begin_run, 1.0, "test")
    for name in ("spring", "autumn"):
        make_queue(ledger, make_campaign(ledger, name), [1])
        row = bound(ledger, name)
        assert ledger.write(staleness.presume, row, *API, run) == 1
        [doubt] = ledger.read(in_doubt.in_doubt, [row.id])
        assert doubt.first_server_at == 0.0


def test_what_a_process_knows_to_be_there_is_looked_for_by_itself(location: str) -> None:
    """A copy may count more than was seen: others have gone on with it."""
    with open_ledger(location) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [5, 6, 7])
        run, epoch = own_lane(ledger)
        intent = make_intent(1, run, epoch)
        number = claim_one(ledger, intent)
        there = staleness.newest_attempt(1, number, intent.started_at, 0)
        absent = staleness.newest_attempt(2, 1, 20.0, 0)
        other = there._replace(at=11.0)  # the same message's, which another has begun instead
        for newest, lacks in (({"a": there}, False), ({"b": absent}, True), ({"c": other}, True)):
            told = ledger.read(staleness.missing, ProgressMarks(newest=newest))
            assert bool(told) is lacks, newest
            assert ("knows of a send at 1970-01-01T" in told) is lacks
        ledger.write(staleness.tell_old, "far knows of a send")
        assert ledger.read(staleness.missing, ProgressMarks()) == "far knows of a send"


@pytest.mark.parametrize("at", [-9e9, 29.0, 31.0, 9e9])  # by whatever clock
def test_what_was_made_before_a_copy_was_accepted_is_not_missed_and_what_was_after_is(
    ledger: Ledger, at: float
) -> None:
    made = ledger.write(staleness.advance).changes
    before = ProgressMarks(newest={"a": staleness.newest_attempt(2, 1, at, made)})
    assert ledger.read(staleness.missing, before)
    accepted = ledger.write(staleness.accept, before, (), 30.0).changes
    assert not ledger.read(staleness.missing, before)
    after = ProgressMarks(newest={"a": staleness.newest_attempt(2, 2, at, accepted)})
    assert ledger.read(staleness.missing, after)
    assert ledger.read(staleness.missing, before.joined(after)) == ""  # the process' newer one
    assert ledger.read(staleness.missing, after.joined(before))


def test_a_memory_keeps_the_newest_of_each_process(tmp_path: Path) -> None:
    memory = SeenLedger(tmp_path, "abc", "/p/state.db")
    first, second = (staleness.newest_attempt(1, number, 5.5, 1) for number in (1, 2))
    memory.remember(ProgressMarks(1, 1, newest={"a": first}))
    memory.remember(ProgressMarks(1, 1, newest={"b": first}))
    memory.remember(ProgressMarks(1, 1, newest={"a": second}))
    assert list(memory.marks().newest.items()) == [("b", first), ("a", second)]
    for number in range(staleness.PROCESSES):
        memory.remember(ProgressMarks(newest={str(number): first}))
    assert len(memory.marks().newest) == staleness.PROCESSES
    assert "a" not in memory.marks().newest


def test_a_new_database_where_another_was_is_told_as_that(
    new_database: str, another_database: str, tmp_path: Path
) -> None:
    """And nothing is noted in it: it lacks nothing of its own."""
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path)}
    with open_ledger(new_database) as old, open_ledger(another_database) as new:
        memory = allow_changes(old, env, 1.0)
        sent = staleness.newest_attempt(1, 1, 5.0, 9)
        here = SeenLedger(tmp_path, memory.ledger, new.place)
        here.remember(ProgressMarks(9, 9, ("spring",), {"a": sent}))
        with pytest.raises(OldLedger, match="is gone: this machine remembers 9 sends of spring"):
            allow_changes(new, env, 2.0)
        assert not new.read(staleness.is_told_old)
