"""The real process, frozen and woken, and its clocks set. The judge is the sandbox's own list."""

from __future__ import annotations

import signal
import uuid

import psycopg
import pytest

from tests.acceptance.clocks import BEFORE_THE_BODY, Clocks, wait_until_frozen, wake
from tests.acceptance.support import Project, people, until

HOURS = 3 * 3600.0


def sends_seen(project: Project) -> int:
    """How many sends the server has answered or refused."""
    counts: dict[str, int] = project.api.ask("requests")["counts"]
    return sum(count for what, count in counts.items() if what.startswith("POST "))


def test_frozen_between_intent_and_request_it_does_not_send(both: Project) -> None:
    ids = people(3)
    both.write(ids, concurrency=1)
    clocks = Clocks(both.outputs, BEFORE_THE_BODY)
    running = both.start(both.campaign, **clocks.env)
    wait_until_frozen(running)
    assert both.counts() == {"sending": 1, "queued": 2}
    held = both.ok(both.campaign, code=6)  # a frozen process has not let go of its lock
    assert f"process {running.process.pid} on" in held.err
    clocks.set(boot=5.5)  # the deadline is 5 s after the intent
    wake(running)
    done = running.wait()
    assert done.code == 0, done.all
    assert both.api.recipients == [*ids[1:], ids[0]]
    assert sends_seen(both) == 3
    assert [row["attempts"] for row in both.exported()] == ["2", "1", "1"]


def test_frozen_for_less_it_sends(project: Project) -> None:
    project.write(people(2), concurrency=1)
    clocks = Clocks(project.outputs, BEFORE_THE_BODY)
    running = project.start(project.campaign, **clocks.env)
    wait_until_frozen(running)
    clocks.set(boot=3.0)
    wake(running)
    assert running.wait().code == 0
    assert project.api.recipients == people(2)
    assert [row["attempts"] for row in project.exported()] == ["1", "1"]


def test_frozen_for_hours_in_the_middle_of_a_request(both: Project) -> None:
    ids = people(4)
    both.write(ids, concurrency=1)
    both.api.faults("slow:at=2,seconds=1,phase=after")
    clocks = Clocks(both.outputs)
    running = both.start(both.campaign, **clocks.env)
    until(lambda: len(both.api.recipients) == 2, "the second to be accepted")
    ahead = both.begun_ahead()
    running.process.send_signal(signal.SIGSTOP)
    wait_until_frozen(running)
    until(lambda: sends_seen(both) == 2, "the answer to be on its way")
    clocks.set(wall=HOURS, boot=HOURS)
    wake(running)
    done = running.wait()
    assert done.code == 0, done.all
    # What was begun ahead was too late when it woke: it was not sent, and went after the others.
    late = ids[2 : 2 + ahead]
    assert both.api.recipients == [id for id in ids if id not in late] + late
    assert sends_seen(both) == 4
    attempts = {row["recipient"]: row["attempts"] for row in both.exported()}
    assert attempts == {id: "2" if id in late else "1" for id in ids}


def test_a_frozen_run_whose_session_ended_is_replaced_and_sends_nothing_more(
    project: Project, postgres: str
) -> None:
    ids = people(4)
    project.write(ids, concurrency=1)
    with psycopg.connect(postgres, autocommit=True) as server:
        name = f"ledger_{uuid.uuid4().hex}"
        server.execute(f"CREATE DATABASE {name}")
        state = postgres.replace("postgresql://", "postgresql+psycopg://").replace(
            "/postgres?", f"/{name}?"
        )
        clocks = Clocks(project.outputs, BEFORE_THE_BODY)
        running = project.start(project.campaign, "--state", state, **clocks.env)
        wait_until_frozen(running)
        held = project.ok(project.campaign, "--state", state, code=6)
        assert f"process {running.process.pid} on" in held.err
        # The database thinks that a machine is gone which is only asleep.
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = %s)",
            (name,),
        )
    second = project.ok(project.campaign, "--state", state)
    assert "4 sent" in second.out
    assert sorted(project.api.recipients) == ids
    clocks.set(boot=5.5)
    wake(running)
    first = running.wait()
    assert first.code == 1, first.all
    # It notices that its session is gone, or that the other has the lane.
    assert "the connection to" in first.err or "taken this team over" in first.err
    assert sorted(project.api.recipients) == ids


def test_a_clock_set_forward_between_runs_gives_a_sender_no_fresh_hour(project: Project) -> None:
    project.write(people(4))
    text = project.campaign.read_text()
    project.campaign.write_text(text.replace("per_hour: none", "per_hour: 2", 1))
    clocks = Clocks(project.outputs)
    project.ok(project.campaign, "--limit", "2", code=0, **clocks.env)
    clocks.set(wall=HOURS)
    idle = project.ok(project.campaign, "--until-idle", code=0, **clocks.env)
    assert "2 still queued" in idle.all
    assert project.api.recipients == people(2)
    told = project.ok("status", project.campaign, "--json", code=0, **clocks.env).json
    assert told["counts"]["sent"] == 2
    assert 0 <= told["sent_last_hour"] <= 2


@pytest.mark.parametrize(("jump", "sends"), [(0.0, 3), (-30 * 86400.0, 2)])
def test_a_key_whose_age_cannot_be_told_is_not_used(
    project: Project, jump: float, sends: int
) -> None:
    """By a clock set back it was first used in the future: it is looked up, not sent again."""
    ids = people(2)
    project.write(ids, concurrency=1)
    project.api.faults("stall:at=1,accept=yes")
    clocks = Clocks(project.outputs)
    running = project.start(project.campaign, **clocks.env)
    until(lambda: project.api.recipients, "the first to be accepted")
    running.process.kill()
    running.process.wait()
    clocks.set(wall=jump)
    done = project.ok(project.campaign, code=0, **clocks.env)
    assert "2 sent" in done.out
    assert sorted(project.api.recipients) == ids
    assert sends_seen(project) == sends
