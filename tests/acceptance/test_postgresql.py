"""The same program on a PostgreSQL ledger."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from runner.errors import LaneHeld
from runner.ledger.ledger import open_ledger

from .support import Project, people, until


@pytest.fixture
def state(new_database: str) -> str:
    """The URL of a new database."""
    return new_database


@pytest.mark.slow
def test_killed_resumed_and_held(project: Project, state: str) -> None:
    ids = people(60)
    project.write(ids, concurrency=2)
    project.api.faults("slow:seconds=0.5")
    first = project.start(project.campaign, "--state", state)
    until(lambda: len(project.api.recipients) >= 3, "three accepted")
    second = project.ok(project.campaign, "--state", state, code=6)
    assert "another run holds this team: process" in second.err
    first.process.kill()
    first.process.wait()
    project.api.faults()
    resumed = project.ok(project.campaign, "--state", state)
    assert "60 sent" in resumed.out
    assert sorted(project.api.recipients) == ids
    status = project.ok("status", project.campaign, "--state", state, "--json").json
    assert status["counts"]["sent"] == 60


@pytest.mark.slow
def test_paused_and_resumed_from_another_terminal(project: Project, state: str) -> None:
    ids = people(60)
    project.write(ids, concurrency=1)
    # It takes a minute: the run cannot be done before it is paused.
    project.api.faults("slow:seconds=1")
    running = project.start(project.campaign, "--state", state)
    until(lambda: len(project.api.recipients) >= 3, "three accepted")
    project.ok("pause", project.campaign, "--state", state, LOGNAME="ada")
    assert running.wait().code == 6
    count = len(project.api.recipients)
    assert count < 60
    project.api.faults()
    assert "paused by ada" in project.ok(project.campaign, "--state", state, code=6).err
    assert len(project.api.recipients) == count
    project.ok("resume", project.campaign, "--state", state)
    assert sorted(project.api.recipients) == ids


def test_a_database_that_is_not_there_is_told_plainly(project: Project) -> None:
    project.write(people(1))
    gone = project.ok(
        project.campaign, "--state", "postgresql+psycopg://me:geheim@127.0.0.1:1/none", code=1
    )
    assert "geheim" not in gone.all
    assert len(gone.err.strip().splitlines()) <= 2


def test_a_lane_can_be_held_again_once_it_is_let_go(state: str) -> None:
    with open_ledger(state) as ledger, open_ledger(state) as other:
        for _ in range(2):
            with ExitStack() as held:
                held.enter_context(ledger.hold("lane", wait=False))
                with pytest.raises(LaneHeld):
                    held.enter_context(other.hold("lane", wait=False))
        with other.hold("lane", wait=True):
            pass
