"""Databases that tests use one after another: a test never meets what another has left."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import inspect, text

from runner.ledger.campaigns import registry
from runner.ledger.copies import staleness
from runner.ledger.ledger import open_ledger
from tests.databases import Databases
from tests.support import make_campaign, make_queue, own_lane


@pytest.fixture
def databases(postgres: str) -> Databases:
    """None of those that other tests have used."""
    return Databases(postgres)


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_a_ledger_that_is_used_again_is_a_new_one(databases: Databases) -> None:
    with databases.ledger() as url, open_ledger(url) as old:
        row = make_campaign(old)
        make_queue(old, row, [1, 2])
        own_lane(old)
        id = old.read(staleness.ledger_id)
    with databases.ledger() as again:
        assert again == url
        with open_ledger(again) as new:
            assert new.read(registry.find_campaign, "spring") is None
            assert new.read(staleness.ledger_id) != id
            assert make_campaign(new).id == row.id, "numbers begin again"
            with new.reading() as session:
                for table in inspect(session).get_table_names():
                    rows = session.scalar(text(f'SELECT count(*) FROM "{table}"'))
                    assert rows == {"meta": 2, "campaign": 1}.get(table, 0), table


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE hold",
        "ALTER TABLE message DROP COLUMN outdated",
        "DROP INDEX message_open",
        "CREATE INDEX one_more ON message (status)",
        "CREATE TABLE one_more (id integer)",
        "CREATE FUNCTION one_more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ],
)
def test_a_ledger_of_another_shape_is_made_again(databases: Databases, change: str) -> None:
    with databases.ledger() as url, psycopg.connect(plain(url)) as session:
        session.execute(change.encode())
    with databases.ledger() as again, open_ledger(again) as new:
        assert again == url
        assert make_campaign(new).id == 1
        with new.reading() as read:
            names = set(inspect(read).get_table_names())
            indexes = {each["name"] for each in inspect(read).get_indexes("message")}
            functions = read.scalar(text("SELECT count(*) FROM pg_proc WHERE proname='one_more'"))
    assert "hold" in names
    assert "message_open" in indexes
    assert "one_more" not in names | indexes
    assert functions == 0


def test_an_empty_database_is_empty_again(databases: Databases) -> None:
    with databases.empty() as url:
        left = psycopg.connect(plain(url))  # by a test that did not close it
        left.execute("CREATE TABLE one (id integer)")
        left.commit()
        left.execute("LOCK TABLE one")
    with databases.empty() as again, psycopg.connect(plain(again)) as session:
        assert again == url
        found = session.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'one'")
        assert found.fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()


@pytest.mark.parametrize(
    "change", ["ALTER DATABASE {name} SET work_mem = '1MB'", "DROP DATABASE {name}"]
)
def test_a_database_that_was_altered_itself_is_not_used_again(
    databases: Databases, postgres: str, change: str
) -> None:
    with databases.empty() as url, psycopg.connect(postgres, autocommit=True) as server:
        name = url.partition("?")[0].rpartition("/")[2]
        server.execute(change.format(name=name).encode())
    with databases.empty() as again:
        assert again != url
