"""A whole ledger moved from its file into PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from runner.clock import SystemClock
from runner.errors import LaneHeld, LedgerError, OldLedger, UsageError
from runner.ledger import lanes, locks, schema
from runner.ledger.campaigns import registry
from runner.ledger.copies import staleness, transfer
from runner.ledger.database import moved_mark
from runner.ledger.engine import upgrade
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import decisions
from runner.ledger.people import holds
from runner.ledger.queries import totals
from runner.project.ledgers.move_ledger import move
from runner.project.ledgers.old_copies import allow_changes
from tests.support import make_campaign

from .filling import brakes_in_order, facts, fill


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The place of a ledger in a file, in a folder of its own."""
    (tmp_path / "project").mkdir()
    return str(tmp_path / "project" / "state.db")


@pytest.fixture
def to(new_database: str) -> str:
    return new_database


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}


def moving_now(file: str, to: str, env: dict[str, str], progress: Any = lambda *_: None) -> None:
    move(file, to, env, SystemClock(), progress)


@contextmanager
def filled(location: str, seed: int, *names: str) -> Iterator[Ledger]:
    with open_ledger(location) as ledger:
        ledger.write(fill, seed, names or ("spring", "autumn", "spring (test)"))
        yield ledger


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 14])
def test_a_moved_ledger_says_the_same_up_to_its_numbers(
    file: str, to: str, env: dict[str, str], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "COPY_ROWS", 10)
    with filled(file, seed) as source:
        before, brakes = source.read(facts), source.read(brakes_in_order)
        marked = source.read(schema.note, f"prospects {seed}")
    told: list[tuple[int, int]] = []
    moving_now(file, to, env, lambda *rows: told.append(rows))
    with open_ledger(to) as target, target.reading() as connection:
        assert facts(connection) == before
        assert brakes_in_order(connection) == brakes
        for key in (f"prospects {seed}", "presumed spring"):
            assert schema.note(connection, key)
        assert marked == schema.note(connection, f"prospects {seed}")
        assert not schema.note(connection, "driven https://api.example|both")
        [first, *_] = registry.campaigns(connection)
        folder = Path(file).parent.resolve()
        assert first.path == str(folder.parent / "spring.yaml")
        assert first.source == str(folder / "sheets" / "spring.csv")
    assert told[-1][0] == told[-1][1]
    assert len(told) > 20


def test_every_table_is_moved_or_has_a_reason_not_to_be() -> None:
    moved = {table.name for table in (*transfer.COPIED, *transfer.MERGED)}
    otherwise = {"campaign", "lane", "meta"}  # by functions of their own
    left = {"submission"}  # of PostgreSQL alone
    assert moved | otherwise | left == set(schema.metadata.tables)


PAID = {"platform": "twitter", "source": "x", "rehearsal": False}
HERE_AND_THERE = {
    "both": (("found", "1", 5.0), ("found", "1", 9.0), ("found", "1", "")),
    "changed": (("found", "1", 5.0), ("found", "2", 9.0), ("changed", "2", "1")),
    "given_away": (("found", "2", 9.0), ("found", "1", 5.0), ("changed", "2", "1")),
    "paid": (("found", "1", 5.0), ("not_a_contact", "", 9.0), ("found", "1", "")),
    "unknown": (("not_a_contact", "", 9.0), ("found", "1", 5.0), ("found", "1", "")),
    "gone": (("found", "1", 5.0), ("suspended", "", 9.0), ("suspended", "", "")),
    "back": (("suspended", "", 5.0), ("found", "1", 9.0), ("found", "1", "")),
}


def test_handles_that_both_ledgers_know_are_nobodys_where_they_differ(
    file: str, to: str, env: dict[str, str]
) -> None:
    for at, location in enumerate((file, to)):
        with open_ledger(location) as ledger, ledger.writing() as connection:
            for name, said in HERE_AND_THERE.items():
                answer, id, asked_at = said[at]
                values = {"handle": name, "answer": answer, "id": id, "asked_at": asked_at}
                connection.execute(schema.handle.insert().values(**values, **PAID))
    moving_now(file, to, env)
    with open_ledger(to) as target, target.reading() as connection:
        wanted = select(*(schema.handle.c[key] for key in ("handle", "answer", "id", "before")))
        found = {row.handle: tuple(row[1:]) for row in connection.execute(wanted)}
    assert found == {name: said[2] for name, said in HERE_AND_THERE.items()}


def test_of_two_answers_about_a_person_the_later_stays(
    file: str, to: str, env: dict[str, str]
) -> None:
    table = schema.acquaintance
    for at, location in enumerate((file, to)):
        with open_ledger(location) as ledger, ledger.writing() as connection:
            for person, asked_at in (("1", 5.0 + at), ("2", 5.0 - at)):
                values = {"lane": "l", "platform": "twitter", "recipient": person,
                          "asked_at": asked_at, "status": f"of {at}"}  # fmt: skip
                connection.execute(table.insert().values(**values))
    moving_now(file, to, env)
    with open_ledger(to) as target, target.reading() as connection:
        rows = connection.execute(select(table.c.recipient, table.c.status)).all()
        assert sorted(map(tuple, rows)) == [("1", "of 1"), ("2", "of 0")]


def test_who_is_on_hold_stays_so_for_the_longer_of_two_holds(
    file: str, to: str, env: dict[str, str]
) -> None:
    def hold(ledger: Ledger, by: str, **ends: float | None) -> None:
        for id, until in ends.items():
            ledger.write(decisions.hold_each, [id], until, why=by, at=1.0, by=by)

    with open_ledger(file) as source:
        make_campaign(source)
        hold(source, "ada", a=50.0, b=None, c=90.0, d=None)
    with open_ledger(to) as target:
        hold(target, "bob", b=60.0, c=70.0, d=None, e=80.0)
    moving_now(file, to, env)
    with open_ledger(to) as target:
        found = target.read(holds.listed, 2.0)
    assert {each.recipient: (each.until, each.why) for each in found} == {
        "a": (50.0, "ada"),
        "b": (None, "ada"),
        "c": (90.0, "ada"),
        "d": (None, "bob"),
        "e": (80.0, "bob"),
    }


def test_an_opt_out_stays_of_its_teams_where_it_is_that_in_both_ledgers(
    file: str, to: str, env: dict[str, str]
) -> None:
    def opt_out(ledger: Ledger, **teams: str) -> None:
        for id, team in teams.items():
            ledger.write(decisions.suppress_each, {id: ("stop", 1.0)}, team)

    with open_ledger(file) as source:
        make_campaign(source)
        opt_out(source, a="acme", b="acme", c="acme", d="", f="")
    with open_ledger(to) as target:
        opt_out(target, b="other", c="", d="other", e="other")
    moving_now(file, to, env)
    with open_ledger(to) as target:
        assert target.read(totals.opt_outs) == {
            "a": ["acme"],
            "b": ["acme", "other"],
            "e": ["other"],
        }
        assert {id for id, _, _ in target.read(totals.suppression_list)} == set("abcdef")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [92])
def test_a_ledger_moves_in_beside_others(
    file: str, to: str, env: dict[str, str], seed: int
) -> None:
    with filled(to, 1, "winter", "summer") as target:
        there = target.read(facts)
    with filled(file, seed) as source:
        coming = source.read(facts)
    moving_now(file, to, env)
    with open_ledger(to) as target:
        now = target.read(facts)
        for name in there.keys() - {"suppression", "opt_out", "lane"}:
            assert now[name] == there[name] + coming[name], name
        # Who is on the list there stays as they are; of two owners' numbers the higher one counts.
        listed = {row[0]: row for row in (*coming["suppression"], *there["suppression"])}
        assert now["suppression"] == Counter(listed.values())
        epochs = {row[0]: row[1] for row in (*there["lane"], *coming["lane"])}
        assert {row[0]: row[1] for row in now["lane"]} == epochs
        # The API's last word, and the longest wait.
        hold = target.read(schema.note, "hold https://api.example|both ")
        assert hold.startswith(f"[{float(seed)}")
        assert target.read(schema.note, "characters https://api.example twitter") == "1001"
        # What comes after gets numbers of its own.
        row = make_campaign(target, "next")
        assert row.id == target.read(_last, schema.campaign)
        run = target.write(lanes.begin_run, 1.0, "test")
        assert run == target.read(_last, schema.run)


def _last(connection: Connection, table: Any) -> int:
    last: int = connection.execute(select(func.max(table.c.id))).scalar_one()
    return last


def test_tests_of_one_name_move_in_too(file: str, to: str, env: dict[str, str]) -> None:
    for location in (to, file):
        with filled(location, 5, "spring (test)"):
            pass
    moving_now(file, to, env)
    with open_ledger(to) as target, target.reading() as connection:
        found = connection.execute(select(schema.campaign.c.name, schema.campaign.c.is_test)).all()
    assert [each.is_test for each in found] == [True, True]


def test_a_name_that_is_there_is_refused_and_nothing_changes(
    file: str, to: str, env: dict[str, str]
) -> None:
    with filled(to, 1, "spring") as target, filled(file, 2):
        before = target.read(facts)
        with pytest.raises(LedgerError, match=r"campaign spring is in postgresql\+psycopg://"):
            moving_now(file, to, env)
        assert target.read(facts) == before
    with open_ledger(file) as source:  # and may be used
        make_campaign(source, "next")


def test_a_live_run_of_either_is_waited_for(file: str, to: str, env: dict[str, str]) -> None:
    folder = Path(file).parent / ".run-campaign"
    with (
        filled(file, 2),
        locks.hold_lane_file(folder, "lane", "spring", 1.0, 0.0),
        pytest.raises(LaneHeld, match=r"a run is live on this ledger: process .* \(spring\)"),
    ):
        moving_now(file, to, env)
    with (
        open_ledger(to) as target,
        target.hold("lane", wait=False),
        pytest.raises(LaneHeld, match="a run is live on this ledger: session"),
    ):
        moving_now(file, to, env)
    with open_ledger(file) as source:
        assert source.read(moved_mark.read_mark) is None
        make_campaign(source, "next")


def test_what_is_no_file_or_no_database_is_refused(file: str, to: str, env: dict[str, str]) -> None:
    with filled(file, 2), filled(to, 3, "winter"):
        with pytest.raises(UsageError, match="not a PostgreSQL ledger"):
            moving_now(file, file + "2", env)
        with pytest.raises(LedgerError, match="not an SQLite file"):
            moving_now(to, to, env)


def test_a_moved_ledger_takes_nothing_any_more(file: str, to: str, env: dict[str, str]) -> None:
    with filled(file, 2) as before:  # a process that has it open since before
        moving_now(file, to, env)
        with pytest.raises(LedgerError, match=r"this ledger has moved to postgresql\+psycopg://"):
            make_campaign(before, "next")
        with pytest.raises(LedgerError, match="has moved"):
            before.write(lanes.begin_run, 1.0, "test")
        assert len(before.read(registry.campaigns)) == 2
    with pytest.raises(LedgerError, match=r"this ledger has moved to postgresql\+psycopg://"):
        open_ledger(file)
    with pytest.raises(LedgerError, match="has moved"):
        upgrade(file)
    with open_ledger(file, read_only=True) as ledger:
        assert str(ledger.read(moved_mark.read_mark)).startswith(
            "this ledger has moved to postgresql"
        )
    # An older version, which knows nothing of moves, is stopped by the file itself.
    with closing(sqlite3.connect(file)) as older:
        for change in (
            "UPDATE message SET status = 'queued'",
            "DELETE FROM attempt",
            "INSERT INTO suppression VALUES ('1', '', 0)",
            "UPDATE meta SET value = '9' WHERE key = 'changes'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="has moved"):
                older.execute(change)
    with open_ledger(to) as target, target.hold("lane", wait=False):
        moving_now(file, to, env)  # again: nothing happens
        assert len(target.read(registry.campaigns)) == 2


def test_a_move_that_failed_leaves_the_file_in_use(file: str, to: str, env: dict[str, str]) -> None:
    def fail(*_rows: int) -> None:
        raise KeyboardInterrupt

    with filled(file, 2) as source:
        with pytest.raises(KeyboardInterrupt):
            moving_now(file, to, env, fail)
        make_campaign(source, "next")
        with open_ledger(to) as target:
            assert not target.read(registry.campaigns)
    moving_now(file, to, env)


def begun(file: str, to: str) -> None:
    """What a move that was killed before it had copied anything leaves."""
    with open_ledger(file) as source, open_ledger(to) as target:
        mark = moved_mark.Moved(target.place, target.read(staleness.ledger_id), done=False)
        source.write(transfer.leave, mark)


def test_a_move_that_was_killed_is_finished(file: str, to: str, env: dict[str, str]) -> None:
    with filled(file, 2) as source:
        before = source.read(facts)
    begun(file, to)
    with pytest.raises(LedgerError, match="this ledger is being moved to") as caught:
        open_ledger(file)
    assert caught.value.hint == "finish that: run-campaign db move --to URL"
    moving_now(file, to, env)
    with open_ledger(to) as target:
        assert target.read(facts) == before


def test_a_move_that_has_begun_goes_nowhere_else(
    file: str, to: str, env: dict[str, str], another_database: str
) -> None:
    with filled(file, 2):
        pass
    begun(file, to)
    with pytest.raises(LedgerError, match="is being moved to"):
        moving_now(file, another_database, env)
    moving_now(file, to, env)
    with pytest.raises(LedgerError, match="has moved to"):
        moving_now(file, another_database, env)


def test_a_database_from_before_the_move_is_not_taken_for_the_one_after(
    file: str, to: str, env: dict[str, str]
) -> None:
    with filled(file, 2) as source:
        number = source.read(staleness.ledger_id)
    moving_now(file, to, env)
    with open_ledger(to) as target:  # as a backup would have it, of a machine that never saw it
        target.write(schema.set_note, f"moved from {number}", "")
        (Path(env["RUN_CAMPAIGN_MEMORY"]) / f"{target.read(staleness.ledger_id)}.json").unlink()
        with pytest.raises(LedgerError, match="knows nothing of the move"):
            moving_now(file, to, env)
    with pytest.raises(LedgerError, match="this ledger has moved to"):
        open_ledger(file)


def move_and_restore_a_copy(file: str, to: str, env: dict[str, str]) -> None:
    with filled(file, 2) as source:
        allow_changes(source, env, 1.0)
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(file + ".copy")) as copy:
        live.backup(copy)
    moving_now(file, to, env)
    with open_ledger(to) as target:
        allow_changes(target, env, 1.0)
    Path(file + ".copy").replace(file)


def test_a_copy_from_before_the_move_is_known_as_moved(
    file: str, to: str, env: dict[str, str]
) -> None:
    move_and_restore_a_copy(file, to, env)
    with open_ledger(file) as source:
        with pytest.raises(OldLedger, match=r"has moved to postgresql\+psycopg://"):
            allow_changes(source, env, 1.0)
        with pytest.raises(OldLedger, match="has moved to"):
            moving_now(file, to, env)
    Path(file).unlink()
    with open_ledger(file) as new, pytest.raises(OldLedger, match="has moved to"):
        allow_changes(new, env, 1.0)


def test_a_copy_from_before_the_move_is_used_again_with_its_messages_presumed_sent(
    file: str, to: str, env: dict[str, str]
) -> None:
    move_and_restore_a_copy(file, to, env)
    with open_ledger(file) as source:
        allow_changes(source, env, 7.0, accept=True)
        allow_changes(source, env, 8.0)
        for name in ("spring", "autumn"):
            assert source.read(staleness.accepted_at, name) is not None
