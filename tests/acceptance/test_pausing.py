"""Pause, resume, cancel and the guard, from any terminal. The judge is the sandbox's own list."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from runner.ledger.campaigns import brakes, registry
from runner.ledger.campaigns.brakes import BrakeKind, Halt
from runner.ledger.ledger import hold_lane, open_ledger
from runner.ledger.schema import request
from tests.support import make_campaign

from .support import Done, Project, Running, people, until

SLOWLY = "slow:seconds=0.3,phase=after"
"""So that no run is done before what is said to it, however busy the machine is."""


def a_live_run(project: Project, *campaigns: object, sent: int = 3) -> Running:
    """A run that has sent some and has many left."""
    running = project.start(*(map(str, campaigns) if campaigns else [project.campaign]))
    until(lambda: len(project.api.recipients) >= sent, "the first to be accepted")
    return running


def a_second_campaign(project: Project, ids: list[str]) -> str:
    """`autumn.yaml`, with the same senders, to other people."""
    autumn = project.campaign.with_name("autumn.yaml")
    told = project.campaign.read_text().replace("spring.csv", "autumn.csv")
    autumn.write_text(told)
    lines = [f"{id},Someone" for id in ids]
    autumn.with_suffix(".csv").write_text("\n".join(["x_user_id,first_name", *lines]) + "\n")
    return str(autumn)


def accepted_until(project: Project) -> float:
    """When the newest message was accepted, Unix seconds."""
    return max(float(entry["at"]) for entry in project.api.accepted)


def as_ada(project: Project, word: str, code: int = 0) -> str:
    return project.ok(word, project.campaign, code=code, LOGNAME="ada").out


@pytest.mark.slow
def test_a_pause_is_obeyed_within_a_second_and_stays(both: Project) -> None:
    ids = people(80)
    both.write(ids, concurrency=2)
    both.api.faults(SLOWLY)
    running = a_live_run(both)
    told = as_ada(both, "pause")
    paused_at = time.time()
    assert f"resume with: run-campaign resume {both.campaign}" in told
    ended = running.wait()
    assert ended.code == 6, ended.all
    assert "spring: paused by ada" in ended.out
    assert accepted_until(both) < paused_at + 1.0
    count = len(both.api.recipients)
    assert 3 <= count < 80
    assert both.counts() == {"sent": count, "queued": 80 - count}  # what was under way ended

    # It survives: a later run sends nothing, and says who, when, and how to go on.
    refused = both.ok(both.campaign, code=6)
    assert "spring was paused by ada at 20" in refused.err
    assert f"run-campaign resume {both.campaign}" in refused.err
    assert "nothing changes" in as_ada(both, "pause")
    shown = both.ok("status", both.campaign)
    assert "paused by ada at" in shown.out
    assert f"resume with: run-campaign resume {both.campaign}" in shown.out
    brake = both.ok("status", both.campaign, "--json").json["brake"]
    assert (brake["how"], brake["by"], brake["why"]) == ("paused", "ada", "")
    assert len(both.api.recipients) == count

    # Nobody runs it: to resume is to run it.
    both.api.faults()
    both.ok("resume", both.campaign)
    assert sorted(both.api.recipients) == ids
    assert both.ok("status", both.campaign, "--json").json["brake"] is None


def test_what_is_begun_ahead_is_given_back_at_once_by_ctrl_c(project: Project) -> None:
    ids = people(6)
    project.write(ids, concurrency=1)
    project.api.faults("stall:at=3,accept=yes")
    running = a_live_run(project)
    project.begun_ahead()
    running.interrupt()
    until(lambda: project.counts() == {"sent": 2, "sending": 1, "queued": 3}, "it", 4.0)
    # The second is counted too if it has not asked for its place on the wire yet.
    assert re.search("finishing [12] under way", running.out)
    running.interrupt()
    assert running.wait().code == 130
    project.api.faults()
    assert "6 sent" in project.ok(project.campaign).out
    assert project.api.recipients == ids  # in plan order still
    assert [row["attempts"] for row in project.exported()] == ["1", "1", "2", "2", "1", "1"]


@pytest.mark.slow
def test_of_two_campaigns_one_is_paused_and_resumed_while_the_run_lives(project: Project) -> None:
    spring, autumn = people(40), people(120, "2222")
    project.write(spring, concurrency=1)
    other = a_second_campaign(project, autumn)
    project.api.faults(SLOWLY)
    running = a_live_run(project, project.campaign, other, sent=6)
    first = project.api.recipients[:6]
    assert {id[-4:] for id in first[:2]} == {"1111", "2222"}  # they take turns

    as_ada(project, "pause")
    until(lambda: "spring: paused by ada" in running.out, "the run to obey")
    before = len([id for id in project.api.recipients if id in spring])
    until(lambda: len([i for i in project.api.recipients if i in autumn]) >= before + 6, "autumn")
    assert len([id for id in project.api.recipients if id in spring]) <= before + 1

    assert "a live run has it" in as_ada(project, "resume")
    project.api.faults()
    ended = running.wait()
    assert ended.code == 0, ended.all
    assert "spring: resumed by ada" in ended.out
    assert sorted(project.api.recipients) == sorted(spring + autumn)

    # One that is paused is left out of a run that names both; the other is sent.
    with project.sheet.open("a") as sheet:
        sheet.write(f"{people(41)[-1]},New\n")
    with open(other.replace(".yaml", ".csv"), "a") as sheet:
        sheet.write(f"{people(121, '2222')[-1]},New\n")
    as_ada(project, "pause")
    done = project.ok(project.campaign, other, code=6)
    assert "spring was paused by ada" in done.all
    assert project.api.recipients[160:] == people(121, "2222")[-1:], done.all


def test_a_pause_outlives_the_run_that_obeyed_it(project: Project) -> None:
    project.write(people(40), concurrency=2)
    project.api.faults(*(f"slow:at={nth},seconds=60,phase=after" for nth in (4, 5)))
    running = a_live_run(project, sent=5)
    as_ada(project, "pause")
    until(lambda: "spring: paused by ada" in running.out, "the run to obey")

    # With nothing else to send it only waits for two answers: it cannot go on with the campaign.
    def resumed() -> bool:
        done = project.run("resume", project.campaign)
        return done.code == 6 and "another run holds this team" in done.err

    until(resumed, "the run to let go of the campaign")
    as_ada(project, "pause")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    project.api.faults()
    count = len(project.api.recipients)
    project.ok(project.campaign, code=6)
    project.ok("resolve", project.campaign, code=6)  # a repeat could deliver
    assert len(project.api.recipients) == count
    project.ok("resume", project.campaign)
    assert sorted(project.api.recipients) == people(40)


def test_a_campaign_is_cancelled_during_its_run_and_taken_back(project: Project) -> None:
    ids = people(150)
    project.write(ids, concurrency=2)
    project.api.faults(SLOWLY)
    running = a_live_run(project)
    told = as_ada(project, "cancel")
    cancelled_at = time.time()
    ended = running.wait()
    assert ended.code == 6, ended.all
    assert accepted_until(project) < cancelled_at + 1.0
    count = len(project.api.recipients)
    assert project.counts() == {"sent": count, "cancelled": 150 - count}
    assert "cancelled" in told
    assert f"run-campaign retry {project.campaign} --status cancelled" in told

    project.api.faults()
    assert "spring was cancelled by ada" in project.ok(project.campaign, code=6).err
    project.ok("retry", project.campaign, code=6)  # to try again is not yet to let it go on
    assert len(project.api.recipients) == count
    project.ok("resume", project.campaign)
    assert sorted(project.api.recipients) == ids


def test_a_guard_stops_its_campaign_and_says_how_to_go_on(project: Project) -> None:
    bad, good = people(4, "0404"), people(3)
    project.write([*bad, *good], concurrency=2, more="guard: {consecutive_failures: 3}\n")
    ended = project.ok(project.campaign, code=5)
    assert "spring: stopped by its guard: 3 messages in a row" in ended.out
    assert project.api.recipients == []
    shown = project.ok("status", project.campaign)
    assert "stopped by its guard at" in shown.out
    assert f"go on: run-campaign {project.campaign}" in shown.out
    brake = project.ok("status", project.campaign, "--json").json["brake"]
    assert brake["how"] == "guarded"
    assert "3 messages in a row" in brake["why"]

    # To run it again is the word to go on; it is counted anew.
    again = project.ok(project.campaign)
    assert "spring was stopped by its guard" in again.out
    assert sorted(project.api.recipients) == sorted(good)
    assert project.ok("status", project.campaign, "--json").json["brake"] is None


def test_a_sender_that_was_cut_off_stands_in_the_status(project: Project) -> None:
    project.write(people(3), concurrency=1)
    project.api.faults("disconnected:at=2")
    project.ok(project.campaign, code=1)
    [stop] = project.ok("status", project.campaign, "--json").json["stopped_senders"].values()
    assert stop["why"]
    assert "2 wait for sender" in project.ok("status", project.campaign).out
    project.ok(project.campaign)
    assert project.ok("status", project.campaign, "--json").json["stopped_senders"] == {}


def test_a_refused_token_stands_in_the_status_until_it_is_run_again(project: Project) -> None:
    project.write(people(3), concurrency=1)
    project.api.faults("unauthorized:at=2")
    ended = project.ok(project.campaign, code=1)
    shown = project.ok("status", project.campaign).out
    assert f"go on: run-campaign {project.campaign}" in shown
    assert f"go on: run-campaign {project.campaign}" in ended.out
    brake = project.ok("status", project.campaign, "--json").json["brake"]
    assert brake["how"] == "stopped"
    assert f"stopped: {brake['why']}" in ended.out
    again = project.ok(project.campaign)
    assert f"spring was stopped at {brake['at']}: {brake['why']}" in again.out
    assert sorted(project.api.recipients) == people(3)
    with open_ledger(str(project.ledger)) as ledger:
        assert not ledger.read(brakes.active, [1])


def test_what_is_stopped_while_a_run_waits_for_its_turn_stays_so(project: Project) -> None:
    project.write(people(3), concurrency=1)
    project.ok(project.campaign, "--limit", "1")
    with open_ledger(str(project.ledger)) as ledger:
        row = ledger.read(registry.find_campaign, "spring")
        assert row is not None
        assert row.lane is not None

        def asked() -> int:
            with ledger.reading() as connection:
                return connection.execute(select(func.count()).select_from(request)).scalar_one()

        def waiting_meanwhile(said: Callable[[], object]) -> Done:
            with hold_lane(ledger, row.lane or "", "a test", time.time(), wait=False):
                before = asked()
                running = project.start(project.campaign, "--wait")
                until(lambda: asked() > before, "the run to have met the API")
                said()
            return running.wait()

        halt = Halt(time.time(), "10 in a row", campaign=row.id, kind=BrakeKind.GUARDED)
        ended = waiting_meanwhile(lambda: ledger.write(brakes.halt, [halt]))
        assert ended.code == 5, ended.all  # who gave it could not know
        assert "spring was stopped by its guard" in ended.err
        ended = waiting_meanwhile(lambda: as_ada(project, "pause"))
        assert ended.code == 6, ended.all
        assert "spring was paused by ada" in ended.err
    assert len(project.api.recipients) == 1
    looked = project.ok(project.campaign, "--dry-run", code=1).err
    assert "error: spring was paused by ada at 20" in looked
    checked = project.ok("check", project.campaign, code=1).all
    for told in (looked, checked):
        assert f"resume with: run-campaign resume {project.campaign}" in told
    project.ok("resume", project.campaign)
    assert sorted(project.api.recipients) == people(3)


def test_a_campaign_that_never_ran_cannot_be_paused(project: Project) -> None:
    project.write(people(2))
    told = project.ok("pause", project.campaign, code=1).err
    assert "no ledger at" in told
    assert "run the campaign first" in told
    with open_ledger(str(project.ledger)) as ledger:
        make_campaign(ledger, "autumn")
    told = project.ok("pause", project.campaign, code=1).err
    assert "campaign spring is not in the ledger" in told
    assert "it knows: autumn" in told
