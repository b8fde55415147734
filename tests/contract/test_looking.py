"""Looking at a ledger for days: whatever becomes of it, the next look tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runner.clock import SystemClock
from runner.errors import LedgerError, LedgerTooNew, RunnerError
from runner.ledger.campaigns import registry
from runner.ledger.database import moved_mark
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.schema import SCHEMA_VERSION
from runner.project.ledgers.ledger_reader import LedgerReader
from tests.support import make_campaign


@pytest.fixture
def looks(location: str) -> Iterator[LedgerReader]:
    looks = LedgerReader(location)
    yield looks
    looks.close()


def names(ledger: Ledger) -> list[str]:
    return [row.name for row in ledger.read(registry.campaigns)]


def test_a_look_sees_what_others_do_and_keeps_nobody_waiting(looks: LedgerReader) -> None:
    with pytest.raises(RunnerError):
        looks.read(names)  # nothing there yet
    with open_ledger(looks.location) as ledger:
        assert looks.read(names) == []
        make_campaign(ledger)
        assert looks.read(names) == ["spring"]

        def while_looking(seen: Ledger) -> list[str]:
            with seen.reading() as connection:
                first = [row.name for row in registry.campaigns(connection)]
                make_campaign(ledger, "autumn")  # committed beside the open look
                assert [row.name for row in registry.campaigns(connection)] == first
            return names(seen)

        assert looks.read(while_looking) == ["spring", "autumn"]
        with ledger.writing():  # and the other way round
            assert looks.read(names) == ["spring", "autumn"]
    assert looks.read(names) == ["spring", "autumn"]
    env = dict(os.environ)
    made = looks.change(lambda ledger: make_campaign(ledger, "by hand").name, env, SystemClock())
    assert made in looks.read(names)


def test_a_look_changes_nothing(looks: LedgerReader) -> None:
    open_ledger(looks.location).close()
    with pytest.raises(LedgerError, match="cannot be written"):
        looks.read(make_campaign)
    assert looks.read(names) == []


def test_an_upgrade_under_it_is_told(looks: LedgerReader) -> None:
    with open_ledger(looks.location) as ledger:
        make_campaign(ledger)
        assert looks.read(names) == ["spring"]
        for version in ("99", str(SCHEMA_VERSION)):
            with ledger.writing() as connection:
                connection.exec_driver_sql(
                    f"UPDATE meta SET value = '{version}' WHERE key = 'schema_version'"
                )
            if version == "99":
                with pytest.raises(LedgerError, match="schema 99"):
                    looks.read(names)
                with pytest.raises(LedgerTooNew):
                    looks.change(names, {}, SystemClock())
        assert looks.read(names) == ["spring"]


def test_a_ledger_that_goes_and_comes_is_met_as_it_is(tmp_path: Path) -> None:
    file, away = tmp_path / "state.db", tmp_path / "away.db"
    looks = LedgerReader(str(file))
    with open_ledger(str(file)) as ledger:
        make_campaign(ledger)
    assert looks.read(names) == ["spring"]
    assert not list(tmp_path.glob("*-wal"))  # a look leaves nothing beside it
    file.rename(away)
    for how in (looks.read, lambda names: looks.change(names, {}, SystemClock())):
        with pytest.raises(RunnerError, match="no ledger at"):
            how(names)
    with open_ledger(str(file)) as ledger:
        make_campaign(ledger, "another")
        assert looks.read(names) == ["another"]
    file.write_bytes(b"nonsense" * 1000)
    with pytest.raises(LedgerError, match="damaged or not a ledger"):
        looks.read(names)
    away.rename(file)
    assert looks.read(names) == ["spring"]
    with open_ledger(str(file)) as ledger:
        ledger.write(moved_mark.set_mark, moved_mark.Moved("elsewhere", "1", done=True))
    assert looks.read(names) == ["spring"]
    assert str(looks.read(lambda ledger: ledger.read(moved_mark.read_mark))).endswith(
        "to elsewhere"
    )
    with pytest.raises(LedgerError, match="has moved to elsewhere"):
        looks.change(names, {}, SystemClock())


def test_a_run_that_begins_under_a_look_at_a_ledger_at_rest_is_seen(tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    with open_ledger(file) as ledger:
        make_campaign(ledger)
    began: list[Ledger] = []

    def beginning(seen: Ledger) -> list[str]:
        if not began:
            began.append(open_ledger(file))
            make_campaign(began[0], "autumn")
        return names(seen)

    assert LedgerReader(file).read(beginning) == ["spring", "autumn"]
    began[0].close()


def test_connections_that_were_cut_are_made_anew(new_database: str) -> None:
    looks = LedgerReader(new_database)
    with open_ledger(new_database) as ledger:
        make_campaign(ledger)
    assert looks.read(names) == ["spring"]

    def cut(_ledger: Ledger) -> None:
        plain = new_database.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    looks.read(cut)
    assert looks.read(names) == ["spring"]

    def cut_within(ledger: Ledger) -> None:
        with ledger.reading() as connection:
            cut(ledger)
            registry.campaigns(connection)

    with pytest.raises(LedgerError, match="connection to"):
        looks.read(cut_within)
    assert looks.read(names) == ["spring"]

    def slow(ledger: Ledger) -> None:
        with ledger.reading() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = '1ms'")
            connection.exec_driver_sql("SELECT pg_sleep(60)")

    with pytest.raises(LedgerError, match="took too long to answer"):
        looks.read(slow)
    assert looks.read(names) == ["spring"]
    looks.close()
