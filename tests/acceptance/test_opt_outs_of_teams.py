"""Two teams on one ledger: whose opt-outs a campaign obeys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .conftest import StartApi
from .support import LINK, OTHER_TOKEN, Api, Project, of_another_team, people

THEIRS = "suppress: {scope: team}\n"


@pytest.fixture(params=["v2"])
def version(request: pytest.FixtureRequest) -> str:
    """Replies are read on v2 only."""
    found: str = request.param
    return found


@pytest.fixture
def other_api(start_api: StartApi) -> Api:
    return start_api("--per-minute", "none", "--token", OTHER_TOKEN)


@pytest.fixture
def opted_out(project: Project) -> str:
    """A person who has opted out of the messages of the project's team."""
    ids = people(2)
    project.write(ids, more="contact_once_in: none\n")
    project.ok(project.campaign, "--yes")
    project.api.ask("act", {"accountLinkId": LINK, "platformId": ids[0], "write": "Stop"})
    project.ok("replies", project.campaign)
    return ids[0]


def another(project: Project, name: str, more: str, api: Api | None = None) -> Path:
    """A campaign to the same people, of the other team where its API is given."""
    text = project.campaign.read_text() + more
    if api is not None:
        text = of_another_team(text.replace(project.api.base, api.base))
    path = project.campaign.with_name(f"{name}.yaml")
    path.write_text(text)
    return path


def run(project: Project, path: Path) -> None:
    project.ok(path, "--yes", "--new-campaign")


def test_an_opt_out_is_obeyed_by_every_team_unless_a_campaign_says_otherwise(
    project: Project, other_api: Api, opted_out: str
) -> None:
    run(project, another(project, "careful", "", other_api))
    assert other_api.recipients == [people(2)[1]]
    run(project, another(project, "alone", THEIRS, other_api))
    assert sorted(other_api.recipients) == sorted([*people(2), people(2)[1]])
    entries = project.ok("suppress", "list", "--json").json  # of every id that they have
    [entry] = [each for each in entries if each["recipient"] == opted_out]
    assert len(entry["teams"]) == 1
    assert f"(team {entry['teams'][0]})" in project.ok("suppress", "list").out


def test_the_team_that_was_asked_to_stop_stops_whatever_its_campaigns_say(
    project: Project, opted_out: str
) -> None:
    run(project, another(project, "alone", THEIRS))
    assert project.api.recipients.count(opted_out) == 1
    assert project.api.recipients.count(people(2)[1]) == 2


def test_what_a_person_has_listed_counts_for_every_team(
    project: Project, other_api: Api, opted_out: str
) -> None:
    project.ok("suppress", "add", opted_out, "--reason", "asked on the phone")
    entries = project.ok("suppress", "list", "--json").json
    assert [each["teams"] for each in entries if each["recipient"] == opted_out] == [[]]
    run(project, another(project, "alone", THEIRS, other_api))
    assert other_api.recipients == [people(2)[1]]


def test_a_scope_that_is_taken_back_holds_from_the_next_run_on(
    project: Project, other_api: Api, opted_out: str
) -> None:
    start = f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%d %H:%M}"
    wait = f"schedule: {{start: {start}, timezone: UTC}}\n"
    path = another(project, "alone", THEIRS + wait, other_api)
    project.ok(path, "--yes", "--new-campaign", "--until-idle")
    assert project.ok("status", path, "--json").json["counts"]["queued"] == 2
    path.write_text(path.read_text().partition("suppress:")[0])
    project.ok(path, "--yes", "--accept-changes")
    assert opted_out not in other_api.recipients
    assert other_api.recipients == [people(2)[1]]


def test_a_lock_keeps_the_scope(project: Project, opted_out: str) -> None:
    (project.folder / "base.yaml").write_text("locked: suppress\n")
    path = another(project, "alone", f"{THEIRS}extends: ../base.yaml\n")
    told = project.ok(path, "--yes", "--new-campaign", code=2)
    assert "suppress.scope: team is looser than everybody by default, and " in told.err
    assert project.api.recipients.count(opted_out) == 1


def test_a_rehearsal_obeys_everybody(project: Project, other_api: Api, opted_out: str) -> None:
    path = another(project, "alone", THEIRS, other_api)
    path.write_text(path.read_text().replace("gateway: true", "gateway: false"))
    run(project, path)
    assert other_api.recipients == [people(2)[1]]
