"""An old copy of a ledger, recognised and gone on with, on SQLite and PostgreSQL."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from runner.ledger import Ledger, age, history, lanes, moves, planning, views
from runner.ledger.age import Marks, Memory
from runner.ledger.moves import Result
from runner.ledger.planning import CampaignRow
from runner.message import Evidence, MessageStatus, message_key
from tests.support import LANE, SENDER, make_campaign, make_intent, make_queue, own_lane, recipient

S = MessageStatus
API = ("v2", "https://api.example/api/v2")


def bound(ledger: Ledger, name: str = "spring") -> CampaignRow:
    row = ledger.read(planning.find_campaign, name)
    assert row is not None
    ledger.write(planning.bind, row.id, "https://api.example", "team1")
    again = ledger.read(planning.find_campaign, name)
    assert again is not None
    return again


def test_a_ledger_only_ever_comes_further(ledger: Ledger) -> None:
    seen = [ledger.write(age.advance)]
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    [due] = ledger.read(views.due, [row.id], SENDER, 5.0, 1)
    ledger.write(moves.claim, [make_intent(due.id, run, epoch)])
    seen += [ledger.read(age.marks), ledger.write(age.advance)]
    assert seen == [Marks(1, 0), Marks(1, 1, ("spring",)), Marks(2, 1, ("spring",))]
    for earlier, later in pairwise(seen):
        assert earlier.is_behind(later)
        assert not later.is_behind(earlier)
    assert not seen[2].is_behind(seen[2])


def test_a_memory_keeps_the_furthest(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state", "abc", "/p/state.db")
    assert memory.recall() == Marks()
    memory.keep(Marks(4, 10, ("spring",)))
    memory.keep(Marks(5, 9, ("autumn",)))
    assert memory.recall() == Marks(5, 10, ("autumn", "spring"))
    assert Memory(tmp_path / "state", "other", "/p/state.db").recall() == Marks()


def test_a_memory_knows_which_ledgers_were_at_a_place(tmp_path: Path) -> None:
    Memory(tmp_path, "abc", "/p/state.db").keep(Marks(4, 10, ("spring",)))
    Memory(tmp_path, "def", "/p/state.db").keep(Marks(5, 9, ("autumn",)))
    Memory(tmp_path, "unused", "/p/state.db").keep(Marks(6, 0, ("winter",)))
    Memory(tmp_path, "elsewhere", "/q/state.db").keep(Marks(7, 70, ("summer",)))
    assert Memory(tmp_path, "new", "/p/state.db").recall_lost() == Marks(
        5, 10, ("autumn", "spring")
    )
    assert Memory(tmp_path, "def", "/p/state.db").recall_lost() == Marks(4, 10, ("spring",))
    assert Memory(tmp_path / "none", "new", "/p/state.db").recall_lost() == Marks()


def test_a_torn_memory_is_none(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "abc", "/p/state.db")
    memory.keep(Marks(4, 10))
    for torn in ("", "{", '{"changes": 4}', '{"changes": "x", "attempts": 1, "campaigns": []}'):
        (tmp_path / "abc.json").write_text(torn)
        assert memory.recall() == Marks()
    memory.keep(Marks(5, 11))
    assert memory.recall() == Marks(5, 11)


def test_an_accepted_copy_is_further_than_what_was_remembered(ledger: Ledger) -> None:
    ledger.write(age.advance)
    remembered = Marks(7, 0, ("spring",))
    assert ledger.read(age.marks).is_behind(remembered)
    accepted = ledger.write(age.accept, remembered)
    assert accepted.changes == 8
    assert not accepted.is_behind(remembered)


def test_what_an_old_copy_may_have_forgotten_is_in_doubt(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3])
    run, epoch = own_lane(ledger)
    first, second, _ = ledger.read(views.due, [row.id], SENDER, 5.0, 100)
    ledger.write(moves.claim, [make_intent(first.id, run, epoch)])
    ledger.write(moves.record, [Result(first.id, 1, Evidence.ACCEPTED, 9.0, message_id="m")])
    ledger.write(moves.claim, [make_intent(second.id, run, epoch)])
    ledger.write(moves.record, [Result(second.id, 1, Evidence.REJECTED, 9.0, "no")])
    spring = bound(ledger)
    requests = ledger.read(history.past_requests, LANE, 0.0)
    sends = ledger.read(history.past_sends, [SENDER], 0.0)

    assert ledger.write(age.presume, spring, *API, run) == 0  # nobody has accepted anything
    ledger.write(age.accept, Marks(9, 9, ("spring",)))
    assert ledger.write(age.presume, spring, *API, run) == 2
    assert ledger.write(age.presume, spring, *API, run) == 0  # once is enough
    doubts = ledger.read(views.in_doubt, [row.id])
    assert [(each.recipient.id, each.presumed) for each in doubts] == [("2", True), ("3", True)]
    assert doubts[1].key == message_key("spring", "1", recipient(3))
    assert doubts[1].first_server_at == 1.0  # when the campaign was first planned
    assert ledger.read(views.counts, row.id)[S.SENT] == 1

    # Nobody made these attempts: they use up no limit.
    assert ledger.read(history.past_requests, LANE, 0.0) == requests
    assert ledger.read(history.past_sends, [SENDER], 0.0) == sends


def test_a_campaign_that_the_copy_has_never_known_is_in_doubt_from_the_beginning(
    ledger: Ledger,
) -> None:
    ledger.write(age.accept, Marks(3, 9, ("spring",)))
    make_queue(ledger, make_campaign(ledger), [1])
    run = ledger.write(lanes.begin_run, 1.0, "test")
    assert ledger.write(age.presume, bound(ledger), *API, run) == 1
    row = bound(ledger)
    [doubt] = ledger.read(views.in_doubt, [row.id])
    assert doubt.first_server_at == 0.0
