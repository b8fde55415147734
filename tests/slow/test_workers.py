"""Workers that die, freeze, are cut off or replaced: every team's sandbox says who got what."""

from __future__ import annotations

import random
import shutil
from typing import Any

from tests.acceptance.conftest import MakeFleet
from tests.acceptance.fleet import Fleet, go_on, kill, stop
from tests.acceptance.strait import Strait
from tests.acceptance.support import PATIENCE, until
from tests.postgresql import crash


def all_written_to(fleet: Fleet) -> None:
    """Everybody has one message, and nothing was asked of the API in vain."""
    fleet.until_done()
    verdict = fleet.judge()
    assert verdict.good, verdict
    assert verdict.limited == 0


def lanes_held(fleet: Fleet) -> int:
    """How many lanes' locks are held, besides those that workers hold of themselves."""
    locks = (
        "select count(*) - count(distinct pid) from pg_locks where locktype = 'advisory' and"
        " database = (select oid from pg_database where datname = current_database())"
    )
    found: int = fleet.ask(locks)[0][0]
    return found


def no_traceback(fleet: Fleet) -> None:
    for each in fleet.running:
        for path in each.files:
            assert "Traceback" not in path.read_text(), path.read_text()


def test_a_killed_worker_is_taken_over_from_without_files_or_the_engines_rows(
    make_fleet: MakeFleet,
) -> None:
    """What a worker needs is in the ledger: neither the files nor the engine's rows count."""
    fleet = make_fleet(teams=6, people=20)
    fleet.slow(0.3)
    fleet.submit()
    shutil.rmtree(fleet.folder / "campaigns")
    for _ in range(3):
        fleet.worker()
    fleet.until_accepted(15)
    alive = [each.process.pid for each in fleet.workers]
    kill(random.Random(1).choice(fleet.workers))
    fleet.until_accepted(25)
    fleet.ask("delete from procrastinate_jobs")
    all_written_to(fleet)
    assert [done.code for done in fleet.end()] == [0, 0], alive
    no_traceback(fleet)


def test_a_frozen_worker_is_replaced_and_sends_nothing_when_it_wakes(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(teams=3, people=30, concurrency=2)
    fleet.slow(0.3)
    fleet.submit()
    for _ in range(2):
        fleet.worker()
    frozen = fleet.driver()
    fleet.until_accepted(10)
    lanes = fleet.drivers()[frozen.process.pid]
    stop(frozen)
    until(lambda: frozen.process.pid not in fleet.drivers(), "the other one to take over")
    taken = fleet.ask("select clock_timestamp()")[0][0].timestamp()
    go_on(frozen)
    noticed = ("the database:", "taken over", "another worker has taken it over")
    until(lambda: any(told in frozen.out for told in noticed), "it to notice")
    all_written_to(fleet)
    late = fleet.ask(
        "select count(*) from attempt join run on run.id = attempt.run"
        " where run.pid = %s and lane = any(%s) and attempt.started_at > %s"
        " and run.id < (select max(run) from lane where id = any(%s))",
        *(frozen.process.pid, lanes, taken, lanes),
    )
    assert late == [(0,)]
    assert [done.code for done in fleet.end()] == [0, 0]
    no_traceback(fleet)


def test_a_worker_that_is_frozen_before_it_has_the_lane_is_replaced(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(teams=1, people=5)
    fleet.submit()
    [team] = fleet.teams
    team.api.faults("slow:seconds=60,on=any")  # who asks whose token it is waits
    frozen = fleet.worker()
    until(lambda: lanes_held(fleet) == 1, "it to hold the lane")
    stop(frozen)
    team.api.faults()
    fleet.worker()
    all_written_to(fleet)
    go_on(frozen)
    assert [done.code for done in fleet.end()] == [0, 0]
    no_traceback(fleet)


def test_a_database_that_crashes_is_waited_for(make_fleet: MakeFleet, server: Any) -> None:
    fleet = make_fleet(teams=4, people=24, uri=server.get_uri())
    fleet.slow(0.3)
    fleet.submit()
    for _ in range(2):
        fleet.worker()
    fleet.until_accepted(20)
    crash(server)
    all_written_to(fleet)
    assert [done.code for done in fleet.end()] == [0, 0]
    no_traceback(fleet)


def test_a_worker_that_is_cut_off_from_the_database_is_replaced(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=2, people=24, concurrency=2)
    fleet.slow(0.3)
    fleet.submit()
    with Strait(fleet.state) as strait:
        lost = fleet.worker({"RUN_CAMPAIGN_STATE": strait.url})
        fleet.until_accepted(6)
        fleet.worker()
        strait.cut()
        all_written_to(fleet)
        strait.heal()
        until(lambda: "the database:" in lost.out, "it to notice")
        assert [done.code for done in fleet.end()] == [0, 0]
    no_traceback(fleet)


def test_a_rolling_deploy_leaves_nothing_in_doubt(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=6, people=30)
    fleet.slow(0.3)
    fleet.submit()
    old = [fleet.worker() for _ in range(2)]
    fleet.until_accepted(20)
    for each in old:
        each.process.terminate()
        fleet.worker()
        assert each.wait().code == 0
    all_written_to(fleet)
    assert fleet.doubts() == 0
    assert [done.code for done in fleet.end()] == [0, 0]
    no_traceback(fleet)


def test_limits_are_exact_over_a_take_over(make_fleet: MakeFleet) -> None:
    """Who takes over knows what the dead one has used, and counts what that left open."""
    minute = "per_minute: 30, per_hour: none, per_day: none"
    fleet = make_fleet(teams=1, people=60, per_minute=30, limits=minute)
    fleet.slow(0.3)
    fleet.submit()
    fleet.worker()
    fleet.until_accepted(5)
    [team] = fleet.teams
    kill(fleet.workers[0])
    fleet.worker()
    until(lambda: "waiting" in fleet.workers[1].out, "the minute to be used up")
    least = 30 - 8  # which the dead one may have sent
    until(lambda: team.api.ask("requests")["total"] >= least, "what is left of it to be used")
    assert team.api.ask("requests")["total"] <= 30
    verdict = fleet.judge()
    assert verdict.doubled == []
    assert verdict.limited == 0


def test_a_worker_that_waits_for_leave_to_ask_ends_at_once(make_fleet: MakeFleet) -> None:
    """It would wait for a minute, and its lane with it."""
    fleet = make_fleet(teams=1, people=10, limits="per_minute: 8, per_hour: none, per_day: none")
    fleet.slow(4)
    fleet.submit()
    first = fleet.worker()
    sending = "select 1 from message where status = 'sending'"
    until(lambda: len(fleet.ask(sending)) == 2, "the minute to be used up")
    kill(first)
    second = fleet.worker()
    until(lambda: lanes_held(fleet) == 1, "it to hold the lane")
    second.process.terminate()
    assert second.process.wait(PATIENCE) == 0


def test_lanes_are_kept_by_a_worker_alone_and_shared_with_one_that_joins(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(teams=4, people=100, concurrency=1)
    fleet.slow(0.3)
    fleet.submit()
    fleet.worker(words=["--slice", "1s"])
    fleet.until_accepted(40)  # more than two seconds' for each of the teams
    assert fleet.ask("select distinct epoch from lane") == [(1,)]
    fleet.worker(words=["--slice", "1s"])
    until(lambda: sorted(map(len, fleet.drivers().values())) == [2, 2], "each to drive two")
    fleet.slow(0.0)
    all_written_to(fleet)
    assert [done.code for done in fleet.end()] == [0, 0]
    no_traceback(fleet)
