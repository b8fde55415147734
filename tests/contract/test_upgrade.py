"""An upgraded ledger is the ledger that would be made now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from runner.errors import LaneHeld, LedgerError
from runner.ledger import lanes, locks, schema
from runner.ledger.doubts import in_doubt, orphans
from runner.ledger.engine import upgrade
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import outcomes, queue
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from tests.support import (
    LANE,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_old,
    make_queue,
    own_lane,
)


def indexes(file: Path) -> dict[str, str]:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        return {name: " ".join((sql or "").split()) for name, sql in found}


def columns(file: Path) -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(file)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: {tuple(row[1:]) for row in connection.execute(f"PRAGMA table_info({name})")}
            for (name,) in tables.fetchall()
        }


@pytest.mark.slow
@pytest.mark.parametrize("version", range(1, schema.SCHEMA_VERSION))
def test_an_older_ledger_gets_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    open_ledger(str(new)).close()
    with open_ledger(str(old)) as ledger, ledger.writing() as connection:
        make_old(connection, version)
    assert columns(old) != columns(new)
    open_ledger(str(old)).close()
    assert indexes(old) == indexes(new)
    assert columns(old) == columns(new)


def test_what_was_in_doubt_before_an_upgrade_is_planned_when_it_comes_back(location: str) -> None:
    with open_ledger(location) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [5])
        run, epoch = own_lane(ledger)
        [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
        claim_one(ledger, make_intent(due.id, run, epoch))
        ledger.write(orphans.recover_orphaned, LANE, 20.0)
        ledger.write(lanes.end_run, run, 20.0, "ended")
        with ledger.writing() as connection:
            make_old(connection, 6)
    if "://" in location:
        upgrade(location)
    with open_ledger(location) as ledger:
        proof = Result(due.id, 1, Evidence.NOT_WRITTEN, 60.0, reason="too_late")
        ledger.write(outcomes.record, [proof])
        assert ledger.read(totals.unplanned, [row.id]) == 1


def test_an_id_is_looked_for_by_its_index(tmp_path: Path) -> None:
    """Not in every message and attempt: a look-up of settling asks for each that it meets."""
    plans: list[str] = []
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        make_queue(ledger, make_campaign(ledger), [5])

        def explain(connection, _cursor, sql, values, _context, _many):  # type: ignore[no-untyped-def]
            if sql.startswith("SELECT"):
                plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
                plans.extend(row[3] for row in plan)

        event.listen(ledger._engine, "before_cursor_execute", explain)
        assert not ledger.read(in_doubt.is_taken, "m1")
    assert [plan.split(" (")[0] for plan in plans] == [
        "SEARCH message USING COVERING INDEX message_by_message_id",
        "SEARCH attempt USING INDEX attempt_by_message_id",
    ]


def test_a_message_without_an_id_proves_none(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        assert ledger.read(in_doubt.is_taken, "")


def test_an_upgrade_is_refused_beside_a_live_run_and_a_run_after_it(new_database: str) -> None:
    with open_ledger(new_database) as ledger:
        with ledger.writing() as connection:
            make_old(connection, 3)
        run = ledger.write(lanes.begin_run, 1.0, "test")
        ledger.write(lanes.take_lane, "lane", run)
        with pytest.raises(LedgerError, match="has schema 3, this version needs") as caught:
            open_ledger(new_database)
        assert "once all runs and workers of the older version have ended" in caught.value.hint
    with pytest.raises(LedgerError, match="has schema 3"):
        open_ledger(new_database, read_only=True)
    with open_ledger_as_it_is(new_database) as older:
        with (
            pytest.raises(LedgerError, match="brought to schema 3 meanwhile"),
            older.hold("lane", wait=False),
        ):
            pass
        session = older._engine.connect()
        assert locks.lock_lane(session, "lane", wait=False)
        with pytest.raises(LaneHeld, match=r"a run is live on this ledger: process .* on "):
            upgrade(new_database)
        session.invalidate()
        session.close()
    assert upgrade(new_database)[1:] == (3, schema.SCHEMA_VERSION)
    assert upgrade(new_database)[1:] == (schema.SCHEMA_VERSION, schema.SCHEMA_VERSION)


@contextmanager
def open_ledger_as_it_is(location: str) -> Iterator[Ledger]:
    """As a process has it that opened it before its schema changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.ledger.engine.SCHEMA_VERSION", 3)
        ledger = open_ledger(location)
    with ledger:
        yield ledger
