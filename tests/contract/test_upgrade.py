"""An upgraded ledger is the ledger that would be made now."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from runner.ledger import open_ledger, views
from tests.support import make_campaign, make_old, make_queue


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


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_older_ledger_gets_the_indexes_of_a_new_one(tmp_path: Path, version: int) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    open_ledger(str(new)).close()
    with open_ledger(str(old)) as ledger, ledger.writing() as connection:
        make_old(connection, version)
    assert indexes(old) != indexes(new)
    open_ledger(str(old)).close()
    assert indexes(old) == indexes(new)
    assert columns(old) == columns(new)


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
        assert not ledger.read(views.is_taken, "m1")
    assert [plan.split(" (")[0] for plan in plans] == [
        "SEARCH message USING COVERING INDEX message_by_message_id",
        "SEARCH attempt USING INDEX attempt_by_message_id",
    ]


def test_a_message_without_an_id_proves_none(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        assert ledger.read(views.is_taken, "")
