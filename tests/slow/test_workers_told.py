"""What people say to campaigns that workers have, and what workers refuse."""

from __future__ import annotations

import time
from itertools import pairwise

from runner import __version__
from tests.acceptance.conftest import MakeFleet
from tests.acceptance.fleet import Team, kill
from tests.acceptance.support import Running, people, until
from tests.postgresql import new_database


def sent(team: Team) -> int:
    count: int = team.api.ask("tally")["accepted"]
    return count


def after(team: Team, at: float) -> list[float]:
    """When messages were accepted later than a second after `at`, which what was under way may
    take."""
    return [entry["at"] for entry in team.api.accepted if entry["at"] > at + 1.5]


def test_pause_resume_cancel_and_a_guard_reach_workers(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=3, people=120)  # more than go out before the words are said
    paused, cancelled, guarded = fleet.teams
    guarded.ids = people(40, "0413")  # to whom the API says no
    fleet.write_teams(more="guard: {consecutive_failures: 3}\n")
    fleet.slow(0.4)
    fleet.submit()
    fleet.worker()
    until(lambda: min(sent(paused), sent(cancelled)) >= 5, "both to be under way")
    fleet.ok("pause", fleet.file(paused))
    said = time.time()
    fleet.ok("cancel", fleet.file(cancelled), "--yes")
    withdrawn = time.time()
    held = sent(paused)
    refused = fleet.ok(fleet.file(paused), code=6)
    assert "paused by" in refused.all
    until(lambda: time.time() > withdrawn + 2, "two seconds to pass")
    assert after(paused, said) == []
    assert after(cancelled, withdrawn) == []
    # It rests until it is told to go on, and then begins at once.
    resumed = fleet.ok("resume", fleet.file(paused))
    assert "the workers have it" in resumed.out
    until(lambda: sent(paused) > held + 8, "it to go on", 20)
    paused.api.faults()
    until(lambda: sent(paused) == 120, "it to be sent")
    lanes = fleet.lanes()
    assert "stopped by its guard" in lanes[guarded.name]["trouble"]
    assert "paused" not in lanes[paused.name]["trouble"]
    told = fleet.ok("status", fleet.file(guarded)).out
    assert "guard" in told
    assert fleet.judge().doubled == []


def test_taken_back_from_a_worker_that_is_sending_it(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=60, concurrency=2)
    [team] = fleet.teams
    fleet.slow(0.5)
    fleet.submit()
    fleet.worker()
    fleet.until_accepted(3)
    back = time.time()
    told = fleet.ok("unsubmit", fleet.file(team)).out
    assert "no worker sends it any more" in told
    assert time.time() - back < 10  # not when the worker's minute is over
    assert fleet.lanes() == {}
    assert after(team, back) == []
    assert sent(team) < 60
    fleet.slow(0)
    fleet.ok(fleet.file(team))
    assert fleet.judge().good


def test_submitted_again_while_a_worker_sends_it(make_fleet: MakeFleet) -> None:
    """The worker lets go of the lane for a command that waits for it."""
    fleet = make_fleet(teams=1, people=60, concurrency=2)
    fleet.slow(0.5)
    fleet.submit()
    fleet.worker()
    fleet.until_accepted(3)
    again = fleet.submit()
    assert "the plan waits for it" in again.all
    assert sent(fleet.teams[0]) < 60
    fleet.slow(0)
    fleet.until_done()
    assert fleet.judge().good


def test_resumed_while_the_last_message_is_under_way(make_fleet: MakeFleet) -> None:
    """A word that comes while a worker lets go of the lane is not lost."""
    fleet = make_fleet(teams=1, people=20, concurrency=2)
    [team] = fleet.teams
    fleet.slow(3)
    fleet.submit()
    fleet.worker()
    until(lambda: fleet.ask("select 1 from message where status = 'sending'"), "one on its way")
    fleet.ok("pause", fleet.file(team))
    fleet.ok("resume", fleet.file(team))
    fleet.slow(0)
    fleet.until_done(20)
    assert fleet.judge().good


def test_a_run_and_workers_respect_each_other(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=60, concurrency=2)
    [team] = fleet.teams
    fleet.slow(1)
    fleet.submit()
    worker = fleet.worker()
    fleet.until_accepted(3)
    second = fleet.ok(fleet.file(team), code=6)
    assert f"another run holds this team: process {worker.process.pid}" in second.err
    kill(worker)
    run = fleet.start(fleet.file(team))
    fleet.until_accepted(10)
    fleet.slow(5)  # it has much left, however late the worker is
    fleet.worker()
    until(lambda: "of one machine has it" in fleet.lanes()[team.name]["trouble"], "it to wait")
    run.interrupt()
    assert run.wait().code == 130
    before = sent(team)
    assert before < 60
    fleet.slow(0)
    fleet.until_done()
    assert fleet.judge().good


def test_a_worker_takes_only_lanes_whose_token_it_has(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=2, people=10)
    mine, other = fleet.teams
    fleet.submit()
    lacking = fleet.worker({other.variable: ""})
    until(lambda: sent(mine) == 10, "its own to be sent")
    stray = fleet.worker({other.variable: other.stray, mine.variable: ""})
    until(lambda: fleet.lanes()[other.name]["trouble"], "the lane to be refused")
    assert sent(other) == 0
    assert "is of team Another Team, not of the one" in fleet.lanes()[other.name]["trouble"]
    assert len([line for line in stray.out.splitlines() if "Another Team" in line]) == 1
    assert other.name not in lacking.out
    kill(stray)
    fleet.worker()
    fleet.ask("update submission set next_at = 0")  # rather than wait for a minute
    fleet.until_done()
    assert fleet.judge().good
    tables = fleet.ask("select quote_ident(tablename) from pg_tables where schemaname = 'public'")
    assert len(tables) > 10
    for (table,) in tables:
        for (row,) in fleet.ask(f"select t::text from {table} t"):
            assert "never-to-be-seen" not in row


def one_line(running: Running, code: int = 1) -> str:
    """What a command ended with, in its lines of trouble and advice."""
    done = running.wait()
    assert done.code == code, done.all
    assert "Traceback" not in done.all
    lines = done.err.strip().splitlines()
    assert len(lines) <= 2, done.err
    return done.err


def test_a_worker_of_another_version_refuses(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=10)
    early = fleet.worker()
    until(lambda: fleet.ask("select 1 from run where beat_at is not null"), "it to serve")
    fleet.ask("update meta set value = '99.0' where key = 'workers'")
    refused = one_line(fleet.worker())
    assert f"workers are of version 99.0, this program is {__version__}" in refused
    assert "99.0" in one_line(fleet.start("submit", fleet.file(fleet.teams[0]), "--yes"))
    assert "99.0" in one_line(early)
    fleet.ask("delete from meta where key = 'workers'")
    assert "run-campaign db upgrade" in one_line(fleet.worker())
    fleet.ok("db", "upgrade")
    fleet.submit()
    fleet.worker()
    fleet.until_done()
    assert fleet.judge().good


def test_a_new_database_is_set_up_by_two_at_once(make_fleet: MakeFleet, postgres: str) -> None:
    fleet = make_fleet(teams=1, people=5)
    fleet.state = new_database(postgres)
    both = [fleet.start("db", "upgrade") for _ in range(2)]
    assert [(done.code, done.err) for done in (each.wait() for each in both)] == [(0, "")] * 2
    fleet.submit()
    fleet.worker()
    fleet.until_done()
    assert fleet.judge().good


def test_a_start_and_a_gap_are_kept(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=2, people=3, gap="3s", more="schedule: {timezone: UTC}\n")
    later, now = fleet.teams
    start = time.time() + 5
    told = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start))
    fleet.submit(teams=[now])
    fleet.submit("--start", told, teams=[later])
    fleet.worker()
    fleet.until_done()
    assert min(entry["at"] for entry in later.api.accepted) >= int(start)
    for team in fleet.teams:
        times = [entry["at"] for entry in team.api.accepted]
        gaps = [b - a for a, b in pairwise(times)]
        assert min(gaps) > 2.8, (team.name, gaps)
        assert max(gaps) < 7.0, (team.name, gaps)
    assert fleet.ask("select distinct epoch from lane") == [(1,)], "a slot is free while they wait"
    assert fleet.judge().good


def test_lanes_that_wait_leave_a_slot_to_others(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=2, people=3, gap="3s")
    fleet.submit()
    fleet.worker(words=["--slots", "1"])
    fleet.until_done()
    times = [[entry["at"] for entry in team.api.accepted] for team in fleet.teams]
    assert max(first for first, *_ in times) < min(last for *_, last in times)
    assert fleet.judge().good
