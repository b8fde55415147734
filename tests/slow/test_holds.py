"""People on hold get nothing from the moment that it is said, and all of it once it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.begun import CONCURRENCY, begun_only, start
from tests.acceptance.conftest import MakeFleet
from tests.acceptance.support import Project, people, until


def in_seconds(seconds: float) -> str:
    return (datetime.now() + timedelta(seconds=seconds)).isoformat(timespec="microseconds")  # noqa: DTZ005 - as people write it


def held(project: Project) -> list[str]:
    told = project.ok("hold", "--list", "--json", "--state", project.ledger).json
    return [each["recipient"] for each in told]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_that_is_only_begun_leaves_once_it_is_on_hold(
    project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    location: str | Path = project.ledger
    if kind == "postgresql":
        location = request.getfixturevalue("new_database")
    run = start(project, "--state", location)
    begun = begun_only(project, location)
    wire = project.api.recipients[-1]
    told = project.ok("hold", *begun, wire, "--why", "asked", "--state", location).out
    there = set(project.api.recipients)
    assert told.startswith("on hold: 5 (")
    assert f"turned back into the queue: {CONCURRENCY} messages" in told
    assert f"already on the way: {wire}" in told
    done = run.wait()  # whatever is left is on hold: it ends, and says so
    assert done.code == 0, done.all
    assert "held: 4" in done.all
    assert "run-campaign unhold ID" in done.all
    assert not there & set(begun)
    assert sorted(project.api.recipients) == sorted(set(people(40)) - set(begun))
    status = project.ok("status", project.campaign, "--json", "--state", location).json
    assert (status["held"], status["counts"]["queued"]) == (4, 4)
    assert "held: 4" in project.ok("status", project.campaign, "--state", location).out
    project.ok("unhold", *begun, "--state", location)
    done = project.ok(project.campaign, "--state", location)
    assert "held" not in done.all
    assert sorted(project.api.recipients) == sorted(people(40))
    acts = project.ok("history", "--json", "--state", location).json
    assert [(each["what"], each["count"]) for each in acts] == [("unhold", 4), ("hold", 5)]
    assert acts[1]["recipients"] == [*begun, wire]
    assert acts[1]["by"]


def test_a_live_run_goes_on_once_somebody_is_taken_off_hold(both: Project) -> None:
    ids = people(4)
    both.write(ids)
    both.ok("hold", ids[0], "--until", "2199-01-01", "--state", both.ledger)
    both.ok("hold", ids[1], "--state", both.ledger)
    run = both.start(both.campaign)
    until(lambda: "the next message is on hold" in run.out, "the wait to be told")
    assert sorted(both.api.recipients) == ids[2:]
    both.ok("hold", ids[0], "--until", in_seconds(3600))  # sooner: told, and no end of the wait
    assert "no longer on hold: 1" in both.ok("unhold", ids[0]).out
    done = run.wait()
    assert done.code == 0, done.all
    assert "held: 1" in done.all
    assert sorted(both.api.recipients) == [ids[0], *ids[2:]]
    assert both.counts() == {"sent": 3, "queued": 1}


def test_a_hold_until_a_time_is_waited_for_and_ends_by_itself(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    project.ok("hold", ids[0], "--until", "2199-01-01", "--state", project.ledger)
    done = project.ok(project.campaign, "--until-idle")
    assert "held: 1" in done.all
    assert "1 still queued" in done.all
    assert "waits for people on hold" in project.ok("status", project.campaign).out
    assert sorted(project.api.recipients) == ids[1:]
    ends = in_seconds(6)
    project.ok("hold", ids[0], "--until", ends)
    done = project.ok(project.campaign, "--until-idle")
    assert datetime.now() >= datetime.fromisoformat(ends)  # noqa: DTZ005 - as it was written
    assert "held" not in done.all
    assert sorted(project.api.recipients) == ids
    assert held(project) == []


def test_neither_retry_nor_a_repeat_reaches_somebody_on_hold(project: Project) -> None:
    ids = people(4)
    project.write(ids, concurrency=4)
    project.api.faults("stall")
    run = project.start(project.campaign)
    until(lambda: project.counts().get("sending") == 4, "four to be begun")
    run.process.kill()
    run.process.wait()
    project.api.faults()
    assert f": {ids[0]}, {ids[1]}\n" in project.ok("hold", *ids[:2]).out
    done = project.ok(project.campaign, code=4)
    assert sorted(project.api.recipients) == ids[2:]
    assert "in doubt" in done.all
    project.ok("resolve", project.campaign, "--not-sent", ids[0], code=4)
    project.ok("unhold", ids[1])
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids[1:]
    project.ok("unhold", ids[0])
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids


def test_what_is_absent_is_not_sent_again_to_somebody_on_hold(on_v1: Project) -> None:
    ids = people(2)
    on_v1.write(ids, concurrency=2, retry="settle: 1s, absent: resend")
    on_v1.api.faults("stall")
    run = on_v1.start(on_v1.campaign)
    until(lambda: on_v1.counts().get("sending") == 2, "two to be begun")
    run.process.kill()
    run.process.wait()
    on_v1.api.faults()
    on_v1.ok("hold", ids[0])
    done = on_v1.ok(on_v1.campaign)
    assert "held: 1" in done.all
    assert on_v1.api.recipients == ids[1:]
    on_v1.ok("unhold", ids[0])
    on_v1.ok(on_v1.campaign)
    assert sorted(on_v1.api.recipients) == ids


def test_what_is_queued_again_waits_too(project: Project) -> None:
    ids = people(2)
    project.write(ids)
    project.ok(project.campaign, "--limit", "0")
    project.ok("cancel", project.campaign, "--yes")
    project.ok("hold", ids[0])
    project.ok("resume", project.campaign)
    done = project.ok("retry", project.campaign, "--status", "cancelled")
    assert "held: 1" in done.all
    assert project.api.recipients == ids[1:]


def test_a_test_to_an_id_that_nothing_goes_to_says_so_and_ends(project: Project) -> None:
    ids = people(2)
    project.write(ids[:1])
    ways = {
        f"run-campaign unhold {ids[1]}": [["hold"], ["hold", "--until", "2199-01-01"]],
        f"run-campaign suppress remove {ids[1]}": [["suppress", "add"]],
    }
    for way, commands in ways.items():
        for words in commands:
            project.ok(*words, ids[1], "--state", project.ledger)
            done = project.ok("test", project.campaign, "--to", ids[1], code=1)
            why, hint = done.err.splitlines()
            assert ids[1] in why
            assert ("2199-01-01" in why) == ("--until" in words)
            assert hint.endswith(way)
        project.ok(*way.split()[1:], "--state", project.ledger)
    assert project.api.recipients == []
    project.ok("test", project.campaign, "--to", ids[1])
    assert project.api.recipients == [ids[1]]


def test_workers_obey_holds_and_go_on_after_them(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=30, concurrency=2)
    [team] = fleet.teams
    fleet.slow(0.3)
    fleet.submit()
    fleet.worker()
    fleet.until_accepted(4)
    without_end, for_a_while = team.ids[20:25], team.ids[25:]
    fleet.ok("hold", *without_end)
    fleet.ok("hold", *for_a_while, "--until", "2199-01-01")
    fleet.slow(0)
    fleet.until_accepted(20)
    told = "select 1 from submission where strpos(trouble, 'on hold') > 0"
    until(lambda: fleet.ask(told), "a word")
    assert sorted(team.api.recipients) == team.ids[:20]
    fleet.ok("unhold", *for_a_while)
    fleet.until_accepted(25)
    assert sorted(team.api.recipients) == sorted({*team.ids} - {*without_end})
    fleet.ok("hold", *without_end, "--until", in_seconds(3))
    fleet.until_done()
    assert fleet.judge().good


def test_who_is_on_hold_is_shown(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    listed = project.folder / "answered.csv"
    listed.write_text(f"record,who\n1,{ids[1]}\n")
    asked = ("--file", listed, "--id", "who", "--state", project.ledger)
    assert "on hold: 2 (" in project.ok("hold", "0" + ids[0], *asked, "--why", "answered").out
    assert held(project) == ids[:2]
    [told, _] = project.ok("hold", "--list", "--json").json
    assert (told["until"], told["why"]) == (None, "answered")
    assert told["made_by"]
    assert told["made_at"].endswith("Z")
    project.ok("hold", ids[1], "--until", "2199-01-01")
    shown = project.ok("hold", "--list").out
    assert "until unhold" in shown
    assert "until 2199-01-01 00:00" in shown
    planned = project.ok(project.campaign, "--dry-run", "--json").json
    assert planned["counts"]["held"] == 2
    assert "held: 2 of those to send" in project.ok(project.campaign, "--dry-run").out
    assert "no longer on hold: 1 of 2" in project.ok("unhold", ids[0], ids[2]).out
    assert "no longer on hold: 0 of 1" in project.ok("unhold", ids[0], code=1).out
    project.ok("unhold", ids[1])
    assert "nobody is on hold" in project.ok("hold", "--list").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name the ids"),
        (["@ada"], "@ada is a username"),
        (["7", "--until", "tomorrow"], "tomorrow is not a date; write a day such as"),
        (["7", "--until", "2026-13-01"], "2026-13-01 is not a date"),
        (["7", "--until", "2020-01-01"], "2020-01-01 is not in the future"),
        (["7", "--until", "2300-01-01"], "2300-01-01 is too far off"),
        (["7", "--list"], "--list shows who is on hold"),
        (["7", "--json"], "--json goes with --list"),
        (["7", "--id", "who"], "--id names a column of --file"),
        (["7", "--file", "nobody.csv"], "nobody.csv"),
    ],
)
def test_what_means_nobody_or_no_time_is_refused(
    project: Project, words: list[str], told: str
) -> None:
    project.write(people(1))
    done = project.run("hold", *words, "--state", project.ledger)
    assert done.code in (1, 2)
    assert told in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 4
    assert not project.ledger.exists()
