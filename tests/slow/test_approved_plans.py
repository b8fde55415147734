"""Runs and workers that are killed under an approved plan: they go on within it, and files that go
beyond it send nothing meanwhile."""

from __future__ import annotations

import random
import signal

import pytest

from tests.acceptance.conftest import MakeFleet
from tests.acceptance.fleet import kill
from tests.acceptance.support import DYING, Project, people
from tests.approvals import WAYS, HeldFiles
from tests.simulation.approvals import ApprovedHistory
from tests.simulation.judge import Broken


@pytest.mark.parametrize(
    ("die_at", "outcome"),
    [
        ("plan.written:1", "queued"),
        ("claim.committed:2", "sending"),
        ("send.answered:2", "sending"),
        ("tell.sent:2", "sent"),
    ],
)
def test_a_run_that_dies_goes_on_within_its_plan(
    project: Project, die_at: str, outcome: str
) -> None:
    everyone = people(4)
    project.write(everyone, concurrency=1, retry="settle: 0.1s, timeout: 20s")
    held = HeldFiles(project.campaign, project.sheet, people(5)[-1])
    held.require()
    project.ok("plan", project.campaign, "-o", held.plan)
    dying = {"DIE_AT": die_at, "PYTHONPATH": str(DYING)}
    done = project.run(project.campaign, "--yes", **dying)
    assert done.code == -signal.SIGKILL, done.all
    assert project.counts().get(outcome, 0) >= (die_at != "plan.written:1")
    before = project.api.recipients, project.api.ask("requests")
    for seed in range(len(WAYS) * 2):
        held.go_beyond(random.Random(seed))
        refused = project.ok(project.campaign, "--yes", code=1)
        assert "approved in" in refused.err
    held.take_back()
    assert (project.api.recipients, project.api.ask("requests")) == before
    project.ok(project.campaign, "--yes")
    accepted = project.api.accepted
    assert sorted(each["person"] for each in accepted) == everyone
    assert held.unapproved(accepted) == set()
    assert held.unapproved([accepted[0] | {"content": "Hi"}]) == {accepted[0]["person"]}


def test_a_worker_that_is_killed_is_taken_over_from_within_the_plan(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(2, 12)
    luck = random.Random(1)
    plans = []
    for team in fleet.teams:
        file = fleet.file(team)
        held = HeldFiles(file, file.with_suffix(".csv"), f"9{team.number:03d}9999991111")
        held.require()
        fleet.ok("plan", file, "-o", held.plan)
        plans.append(held)
    fleet.slow(0.2)
    fleet.submit()
    for _ in range(2):
        fleet.worker()
    fleet.until_accepted(4)
    kill(fleet.driver())
    for held in plans:
        held.go_beyond(luck)
        assert "approved in" in fleet.ok("submit", held.campaign, "--yes", code=1).err
        held.take_back()
    fleet.submit()
    fleet.until_done()
    assert fleet.judge().good
    for team, held in zip(fleet.teams, plans, strict=True):
        assert held.unapproved(team.api.accepted) == set()
    fleet.end()


def play(version: str) -> int:
    """Play histories; how many runs were refused."""
    figures = (ApprovedHistory(seed, version).play() for seed in range(1, 31))
    return sum(each["refused by the plan"] for each in figures)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_histories_stay_within_their_plans(version: str) -> None:
    """`python -m tests.simulation --plans --seed N --version V --verbose` tells one's story."""
    assert play(version) > 3


def test_a_plan_that_refuses_nobody_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.approvals.refuse_unapproved", lambda _found: None)
    with pytest.raises(Broken, match="what is not approved"):
        play("v2")
