"""A PostgreSQL ledger whose server or connection fails, and one that is not to be trusted."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from runner.errors import LedgerError
from runner.ledger.ledger import open_ledger
from runner.ledger.messages import claims, outcomes
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.acceptance.support import Project, people, until
from tests.postgresql import crash, new_database
from tests.support import LANE, make_campaign, make_intent, make_queue, own_lane


@pytest.fixture
def state(server: Any) -> str:
    """The URL of a new database on it."""
    return new_database(server.get_uri())


def cut(server: Any) -> None:
    """End every session but our own."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname LIKE 'ledger_%'"
        )


def test_what_the_driver_logs_is_not_shown(another_database: str) -> None:
    """It is raised too, and told in our words."""
    code = (
        "import logging, sys\n"
        "from runner.ledger.ledger import open_ledger\n"
        "with open_ledger(sys.argv[1]):\n"
        "    logging.getLogger('psycopg').warning('error ignored terminating: %s', 'the pipeline')"
    )
    words = [sys.executable, "-c", code, another_database]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("fail", [cut, crash])
def test_a_run_ends_with_its_sessions_and_the_same_command_goes_on(
    project: Project, server: Any, state: str, fail: Any
) -> None:
    ids = people(150)
    project.write(ids, concurrency=4)
    project.api.faults("slow:seconds=0.5")  # the database fails long before the last of them
    running = project.start(project.campaign, "--state", state)
    until(lambda: len(project.api.recipients) >= 5, "messages to be accepted")
    fail(server)
    done = running.wait()
    assert done.code == 1, done.all
    assert "Traceback" not in done.all
    assert len(done.err.strip().splitlines()) == 2, done.err
    assert "the connection to postgresql" in done.err
    assert "run the same command again" in done.err
    before = len(project.api.recipients)
    assert before < 150
    known = project.ok("status", project.campaign, "--state", state, "--json").json["counts"]
    assert before <= known["sent"] + known["in_doubt"] + known["sending"]
    project.api.faults()
    project.ok(project.campaign, "--state", state)
    assert sorted(project.api.recipients) == ids


async def test_a_lane_whose_lock_is_lost_begins_nothing_more(server: Any, state: str) -> None:
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(state))
        stack.enter_context(ledger.hold(LANE, wait=False))
        stack.enter_context(ledger.hold("another", wait=False))
        row = make_campaign(ledger)
        make_queue(ledger, row, [1, 2, 3])
        run, epoch = own_lane(ledger)
        begun = [make_intent(id, run, epoch) for id in (1, 2, 3)]
        assert await ledger.commit(claims.claim, begun[0]) == 1
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            ).fetchall()
        assert len(ended) == 2
        for claim in begun[1:]:
            with pytest.raises(LedgerError, match="connection"):
                await ledger.commit(claims.claim, claim)
        # What is under way is recorded all the same, in another session.
        answer = Result(1, 1, Evidence.ACCEPTED, 20.0, message_id="m1")
        assert (await ledger.commit(outcomes.record, answer)).status == "sent"
        counts = ledger.read(totals.counts, row.id)
        assert (counts[MessageStatus.SENT], counts[MessageStatus.QUEUED]) == (1, 2)


def test_every_session_confirms_only_what_is_on_disk(server: Any, state: str) -> None:
    name = state.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with open_ledger(state) as ledger, ledger.writing() as one, ledger.reading() as two:
        for each in (one, two):
            assert each.execute(text("SHOW synchronous_commit")).scalar() == "on"


def test_a_server_that_does_not_sync_is_refused(server: Any, state: str) -> None:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        try:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            until(lambda: _shown(server, "fsync") == "off", "the setting to be read")
            with pytest.raises(LedgerError, match="fsync=off"):
                open_ledger(state)
        finally:
            connection.execute("ALTER SYSTEM RESET fsync")
            connection.execute("SELECT pg_reload_conf()")
    until(lambda: _shown(server, "fsync") == "on", "the setting to be read")
    open_ledger(state).close()


def _shown(server: Any, setting: str) -> str:
    with psycopg.connect(server.get_uri()) as connection:
        found = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting))).fetchone()
    assert found is not None
    return str(found[0])


def test_a_pooler_before_the_server_is_refused(server: Any, state: str) -> None:
    """A pooler gives its clients a cancel key of its own, with a process number that is none."""
    far = state.rpartition("host=")[2]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        words = (listening, f"{far}/.s.PGSQL.5432")
        pooling = threading.Thread(target=_pool, args=words, daemon=True)
        pooling.start()
        port = listening.getsockname()[1]
        url = f"{state.partition('?')[0]}?host=127.0.0.1&port={port}&sslmode=disable"
        url += "&gssencmode=disable"
        with pytest.raises(LedgerError, match="pooler"):
            open_ledger(url)
        pooling.join(10)


def _pool(listening: socket.socket, far: str) -> None:
    near, _ = listening.accept()
    with near, socket.socket(socket.AF_UNIX) as server, server.makefile("rb") as stream:
        server.connect(far)

        def forth() -> None:
            while data := near.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

        passing = threading.Thread(target=forth, daemon=True)
        passing.start()
        while kind := stream.read(1):
            length = stream.read(4)
            body = stream.read(int.from_bytes(length) - 4)
            if kind == b"K":
                body = b"\0\0\0\1" + body[4:]
            near.sendall(kind + length + body)
        passing.join()
