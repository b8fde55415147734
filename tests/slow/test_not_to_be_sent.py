"""What a person says must not go does not go from that moment on, begun or not."""

from __future__ import annotations

import pytest

from tests.acceptance.begun import CONCURRENCY, FAST, begun_only, start
from tests.acceptance.conftest import MakeFleet
from tests.acceptance.support import Project, people


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_is_written_to_from_the_moment_that_they_are_on_the_list(
    project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    location = request.getfixturevalue("new_database") if kind == "postgresql" else project.ledger
    run = start(project, "--state", location)
    begun = begun_only(project, location)
    wire = project.api.recipients[-1]
    told = project.ok("suppress", "add", *begun, wire, "--state", location).out
    there = set(project.api.recipients)
    assert "taken out of the queue: 4 messages" in told
    assert f"already on the way: {wire}" in told
    done = run.wait()
    assert done.code == 0, done.all
    assert not there & set(begun)
    assert not set(project.api.recipients) & set(begun)
    assert sorted(project.api.recipients) == sorted(set(people(40)) - set(begun))
    assert all(f"skipped: {id}: suppressed" in done.all for id in begun)


def test_a_list_file_is_obeyed_by_what_is_begun(project: Project) -> None:
    listed = project.folder / "dnc.csv"
    listed.write_text(f"x_user_id\n{people(41)[40]}\n")
    run = start(project, more="suppress: [../dnc.csv]\n", seconds=6.0)
    begun = begun_only(project, project.ledger)
    listed.write_text("\n".join(["x_user_id", people(41)[40], *begun]) + "\n")
    done = run.wait()
    assert done.code == 0, done.all
    assert not set(project.api.recipients) & set(begun)


def test_cancel_returns_when_nothing_can_leave_any_more(project: Project) -> None:
    run = start(project, seconds=8.0)
    begun = begun_only(project, project.ledger)
    wire = project.api.recipients[-CONCURRENCY:]
    told = project.ok("cancel", project.campaign, "--yes").out
    there = project.api.recipients
    assert f"cancelled {40 - FAST - CONCURRENCY} queued messages" in told
    assert f"already on the way: {', '.join(sorted(wire))}" in told
    run.wait()
    assert project.api.recipients == there
    assert not set(there) & set(begun)


def test_what_is_in_doubt_is_told(project: Project) -> None:
    project.write(people(2))
    project.api.faults("unconfirmed:delivered=no")
    project.ok(project.campaign, code=4)
    told = project.ok("suppress", "add", people(1)[0], "--state", project.ledger).out
    assert f"in doubt, perhaps sent: {people(1)[0]}" in told


def test_workers_obey_a_list_file_and_the_ledgers_list(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=40, concurrency=2)
    [team] = fleet.teams
    listed = fleet.folder / "dnc.csv"
    listed.write_text(f"x_user_id\n{people(1)[0]}\n")
    fleet.write_teams(concurrency=2, more="suppress: [../dnc.csv]\n")
    fleet.slow(0.3)
    fleet.submit()
    fleet.worker()
    fleet.until_accepted(4)
    in_file, in_ledger = team.ids[30:35], team.ids[35:]
    fleet.ok("suppress", "add", *in_ledger)
    listed.write_text("\n".join(["x_user_id", people(1)[0], *in_file]) + "\n")
    fleet.until_done()
    assert sorted(team.api.recipients) == sorted(team.ids[:30])
    reasons = fleet.ask("select detail from message where status = 'skipped'")
    assert sum("is in " in detail for (detail,) in reasons) == 5
    assert len(reasons) == 10
