"""`db upgrade` from the oldest schema, ended at each of its steps: the ledger is the old one or the
new one, whole, and the same command finishes it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData, create_engine, inspect, select, text

from runner.ledger.engine import ledger_url
from runner.ledger.ledger import open_ledger
from runner.ledger.schema import SCHEMA_VERSION
from runner.workers.setup import ENGINE
from tests.acceptance.support import DYING, Done, Project, people, until
from tests.postgresql import crash, own_server
from tests.postgresql import new_database as database_on
from tests.processes import COMMAND
from tests.support import make_old

PEOPLE = people(5)
OLDEST = 1
STEPS = [*(f"migration.{version}" for version in range(OLDEST, SCHEMA_VERSION)), "schema.inside"]
UPGRADE_LOCK = "pg_advisory_lock(1985, 0)"
"""The lock under which a PostgreSQL ledger is changed as a whole."""

Content = dict[str, Any]


def content(state: str) -> Content:
    """All that lies in a ledger: its tables, columns, indexes and rows."""
    engine = create_engine(ledger_url(state))
    tables = MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        found: Content = {"version": connection.execute(
            text("SELECT value FROM meta WHERE key = 'schema_version'")
        ).scalar()}  # fmt: skip
        for name, table in tables.tables.items():
            found[name] = sorted(map(repr, connection.execute(select(table)).all()))
            indexes = inspect(connection).get_indexes(name)
            found[f"{name}'s indexes"] = sorted(
                f"{each['name']} {each['column_names']} {[*map(str, _options(each).values())]}"
                for each in indexes
            )
            found[f"{name}'s columns"] = sorted((each.name, repr(each.type)) for each in table.c)
    engine.dispose()
    return found


def _options(index: Any) -> dict[str, Any]:
    found: dict[str, Any] = index.get("dialect_options", {})
    return found


def left_by_the_oldest(project: Project, state: str) -> Content:
    """A ledger of the oldest schema: one sent, some under way when their run was killed, and some
    queued."""
    project.real = False  # as an older version's runs to this machine are taken
    project.write(PEOPLE, concurrency=1, retry="settle: 0.1s")
    project.ok(project.campaign, "--state", state, "--limit", "1")
    project.api.faults("stall:accept=yes")
    running = project.start(project.campaign, "--state", state)
    until(lambda: len(project.api.recipients) == 2, "one to be accepted and not answered")
    running.process.kill()
    running.wait()
    project.api.faults()
    with open_ledger(state) as ledger, ledger.writing() as connection:
        make_old(connection, OLDEST)
    found = content(state)
    assert found["version"] == str(OLDEST)
    return found


def is_finished(project: Project, state: str) -> None:
    """The same command ends well, and everybody gets one message."""
    done = project.ok("db", "upgrade", "--state", state)
    assert f"brought from schema {OLDEST} to {SCHEMA_VERSION}" in done.out
    sends_to_everybody_once(project, state)


def sends_to_everybody_once(project: Project, state: str) -> None:
    assert content(state)["version"] == str(SCHEMA_VERSION)
    project.ok(project.campaign, "--state", state)
    assert sorted(project.api.recipients) == PEOPLE


def killed_at(point: str, project: Project, state: str) -> None:
    dying = {"DIE_AT": f"{point}:1", "PYTHONPATH": str(DYING)}
    done = project.run("db", "upgrade", "--state", state, **dying)
    assert done.code == -signal.SIGKILL, f"{point} was not reached: {done.all}"


def test_killed_at_each_of_its_steps(project: Project, location: str) -> None:
    before = left_by_the_oldest(project, location)
    for point in STEPS:
        killed_at(point, project, location)
        assert content(location) == before, point
    is_finished(project, location)


def test_killed_while_it_is_made_ready_for_workers(project: Project, new_database: str) -> None:
    left_by_the_oldest(project, new_database)
    killed_at("_take_step.inside", project, new_database)
    assert "procrastinate_jobs" not in content(new_database)
    refused = project.run("worker", "--state", new_database)
    assert (refused.code, "db upgrade" in refused.err) == (1, True), refused.all
    killed_at("_take_step.committed", project, new_database)
    done = project.ok("db", "upgrade", "--state", new_database)
    assert f"has schema {SCHEMA_VERSION}: up to date" in done.out
    sends_to_everybody_once(project, new_database)


def test_killed_while_the_engines_tables_are_upgraded(project: Project, new_database: str) -> None:
    project.ok("db", "upgrade", "--state", new_database)
    whole = content(new_database)
    _make_engine_old(new_database)
    old = content(new_database)
    killed_at("_take_step.inside", project, new_database)
    assert content(new_database) == old
    killed_at("_take_step.committed", project, new_database)
    # No worker begins beside tables that are of neither release.
    refused = project.run("worker", "--state", new_database)
    assert (refused.code, "db upgrade" in refused.err) == (1, True), refused.all
    project.ok("db", "upgrade", "--state", new_database)
    made = content(new_database)
    for each in (made, whole):  # a value cannot be taken out of a type, only be given another name
        del each["procrastinate_events's columns"]
    assert made == whole


def _make_engine_old(state: str) -> None:
    """Take out of the engine's tables what its release 3.4 has added."""
    with psycopg.connect(state.replace("+psycopg", "")) as connection:
        connection.execute("DROP FUNCTION procrastinate_retry_job_v2")
        connection.execute(
            "ALTER TYPE procrastinate_job_event_type RENAME VALUE 'retried' TO 'once_retried'"
        )
        connection.execute("UPDATE meta SET value = '3.3.0' WHERE key = %s", [ENGINE])


def test_interrupted_at_a_terminal(project: Project, new_database: str) -> None:
    before = left_by_the_oldest(project, new_database)
    with psycopg.connect(new_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"SELECT {UPGRADE_LOCK}".encode())
        running = project.start("db", "upgrade", "--state", new_database)
        until(lambda: _waits(connection), "the upgrade to wait")
        running.interrupt()
        done = running.wait()
    assert (done.code, done.out) == (130, ""), done.all
    told, again = done.err.strip().splitlines()
    assert told == "interrupted"
    assert again.startswith("to go on: run-campaign db upgrade --state ")
    assert content(new_database) == before
    is_finished(project, new_database)


def _waits(connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute(
        "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND NOT granted"
    )
    return found.fetchone() is not None


def test_cut_off_in_the_middle_by_a_server_that_crashes(project: Project) -> None:
    with own_server() as server:
        state = database_on(server.get_uri())
        before = left_by_the_oldest(project, state)
        holding = psycopg.connect(state.replace("+psycopg", ""))
        holding.execute("SELECT 1 FROM message")  # no column is added beside somebody who reads
        with psycopg.connect(state.replace("+psycopg", ""), autocommit=True) as looking:
            running = project.start("db", "upgrade", "--state", state)
            until(lambda: _waits(looking), "the upgrade to have begun")
        crash(server)
        holding.close()
        _is_told(running.wait(), "the connection to", "run the same command again")
        assert content(state) == before
        is_finished(project, state)


def _is_told(done: Done, *words: str) -> None:
    assert done.code == 1, done.all
    assert len(done.err.strip().splitlines()) == 2, done.err
    for each in words:
        assert each in done.err


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit here")
def test_a_full_disk_under_a_file(project: Project) -> None:
    state = str(project.ledger)
    before = left_by_the_oldest(project, state)
    for size in (30_000, 60_000):
        limited = ["prlimit", f"--fsize={size}", *COMMAND]
        done = project.run("db", "upgrade", "--state", state, command=limited)
        _is_told(done, "the disk of the ledger", "run the same command again")
        assert content(state) == before, size
    is_finished(project, state)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 40 MB; only root may make one."""
    # Not below pytest's own folder, which is closed to the server's user.
    disk = Path(tempfile.mkdtemp(prefix="pg-"))
    words = ["mount", "-t", "tmpfs", "-o", "size=40m,mode=777", "none", str(disk)]
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    disk.chmod(0o777)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)
    disk.rmdir()


def test_a_full_disk_under_a_database(project: Project, small_disk: Path) -> None:
    with own_server() as server:
        uri = server.get_uri()
        place = small_disk / "tables"
        place.mkdir(mode=0o700)
        shutil.chown(place, server.system_user)
        state = database_on(uri)
        name = state.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
            connection.execute(f"ALTER DATABASE {name} SET TABLESPACE small".encode())
        before = left_by_the_oldest(project, state)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as stream:
            free = os.statvfs(small_disk)
            stream.write(b"\0" * (free.f_bavail * free.f_frsize - 16_384))
        done = project.run("db", "upgrade", "--state", state)
        _is_told(done, "lacks a resource", "run the same command again")
        assert content(state) == before
        filler.unlink()
        is_finished(project, state)
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
