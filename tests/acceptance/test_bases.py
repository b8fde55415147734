"""Campaigns that extend a base: what a run takes from it, and what it tells of it."""

from __future__ import annotations

import json
import os
import signal
import uuid

import psycopg
import pytest
import yaml
from psycopg import sql

from .support import LINK, TOKEN, Project, people, until

LISTED = people(4)[3]


@pytest.fixture
def team(project: Project) -> Project:
    """A project whose campaign has all but its people from a base in another folder."""
    project.write(people(4), text="Hi {{ first_name }}, from the base.")
    base = project.campaign.read_text().replace("prospects: spring.csv\n", "suppress: never.csv\n")
    for name, text in (("acme.yaml", base), ("never.csv", f"x_user_id\n{LISTED}\n")):
        (project.folder / "teams").mkdir(exist_ok=True)
        (project.folder / "teams" / name).write_text(text)
    project.campaign.write_text("extends: ../teams/acme.yaml\nprospects: spring.csv\n")
    return project


def base_of(project: Project) -> str:
    return (project.folder / "teams/acme.yaml").read_text()


def write_base(project: Project, text: str) -> None:
    (project.folder / "teams/acme.yaml").write_text(text)


@pytest.mark.slow
def test_a_run_has_sender_text_and_list_of_the_base(team: Project) -> None:
    team.ok(team.campaign, "--yes")
    assert sorted(team.api.recipients) == people(3)
    assert {each["content"] for each in team.api.accepted} == {
        f"Hi Person{number}, from the base." for number in (1, 2, 3)
    }
    (listed,) = [row for row in team.exported() if row["recipient"] == LISTED]
    assert (listed["status"], listed["reason"]) == (
        "skipped",
        "suppressed: is in never.csv row 2",
    )


@pytest.mark.slow
def test_a_changed_base_is_an_edit_of_the_campaign(team: Project) -> None:
    team.ok(team.campaign, "--yes", "--limit", "1")
    write_base(team, base_of(team).replace("from the base", "from another base"))
    told = team.ok(team.campaign, "--yes", code=1)
    assert "--accept-changes" in told.err
    assert len(team.api.recipients) == 1
    team.ok(team.campaign, "--yes", "--accept-changes")
    assert sorted(team.api.recipients) == people(3)
    assert sorted("another" in each["content"] for each in team.api.accepted) == [False, True, True]


@pytest.mark.slow
def test_a_base_that_breaks_stops_a_campaign_that_has_begun(team: Project) -> None:
    team.ok(team.campaign, "--yes", "--limit", "1")
    os.rename(team.folder / "teams/acme.yaml", team.folder / "teams/other.yaml")
    for command in ([], ["status"], ["check"], ["show"]):
        told = team.ok(*command, team.campaign, code=2)
        assert "spring.yaml:1: extends: " in told.err
        assert "no such file" in told.err
    assert len(team.api.recipients) == 1


@pytest.mark.slow
def test_a_lock_of_the_base_stops_a_run(team: Project) -> None:
    write_base(team, base_of(team).replace("concurrency: 4", "concurrency: 2") + "locked: limits\n")
    with team.campaign.open("a") as file:
        file.write("limits: {concurrency: 3}\n")
    told = team.ok(team.campaign, "--yes", code=2)
    assert "spring.yaml:3: limits.concurrency: 3 is looser than 2 of " in told.err
    assert "acme.yaml:8 locks limits" in told.err
    assert team.api.recipients == []


@pytest.mark.slow
def test_show_prints_a_campaign_that_is_the_same_without_its_base(team: Project) -> None:
    with team.campaign.open("a") as file:
        file.write("senders: [{id: abc, per_hour: 7}]\n")
    told = team.ok("show", "campaigns/spring.yaml").out
    assert "# campaigns/spring.yaml, campaign spring" in told
    assert "# extends teams/acme.yaml" in told
    assert "    - ../teams/never.csv" in told
    assert "# campaigns/spring.yaml:3" in told
    alone = team.campaign.with_name("alone.yaml")
    alone.write_text(told)
    values = [
        [{**each, "file": "", "line": 0} for each in team.ok("show", path, "--json").json["values"]]
        for path in ("campaigns/spring.yaml", "campaigns/alone.yaml")
    ]
    assert values[0] == values[1]


@pytest.mark.slow
def test_show_as_json_names_file_and_line_of_each_value(team: Project) -> None:
    told = team.ok("show", "campaigns/spring.yaml", "--json").json
    assert told["campaign"] == "spring"
    assert told["files"] == ["campaigns/spring.yaml", "teams/acme.yaml"]
    places = {each["key"]: (each["value"], each["file"], each["line"]) for each in told["values"]}
    assert places["prospects.source"] == ("spring.csv", "campaigns/spring.yaml", 2)
    assert places["senders[0].id"] == (LINK, "teams/acme.yaml", 3)
    assert places["suppress.lists[0]"] == ("../teams/never.csv", "teams/acme.yaml", 4)
    assert places["api.gateway"] == (True, "teams/acme.yaml", 1)


def test_show_all_marks_defaults(team: Project) -> None:
    shown = team.ok("show", "campaigns/spring.yaml", "--all").out
    marked = {line.split("#")[0].strip() for line in shown.splitlines() if "# default" in line}
    assert {"contact_once_in: 30d", "consecutive_failures: 10", "name: spring"} <= marked
    values = team.ok("show", "campaigns/spring.yaml", "--all", "--json").json["values"]
    by_key = {each["key"]: each for each in values}
    assert by_key["guard.in_doubt"] == {
        "key": "guard.in_doubt", "value": 50, "file": None, "line": None,
    }  # fmt: skip
    path = team.campaign.with_name("whole.yaml")
    path.write_text(shown)
    assert path.name in team.ok("show", path).out


def test_show_never_shows_a_token(team: Project) -> None:
    write_base(team, base_of(team).replace("api: {", "api: {token: '${INBOX_API_TOKEN}', "))
    with team.campaign.open("a") as file:
        file.write(f"tag: {TOKEN}\n")
    for words in ([], ["--json"], ["--all"], ["--all", "--json"]):
        told = team.ok("show", team.campaign, *words)
        assert "${INBOX_API_TOKEN}" in told.out
        assert TOKEN not in told.all
    # A run refuses a token in the base too.
    write_base(team, f"{base_of(team)}# {TOKEN}\n")
    team.campaign.write_text("extends: ../teams/acme.yaml\nprospects: spring.csv\n")
    told = team.ok(team.campaign, "--yes", code=2)
    assert "acme.yaml holds the API token itself" in told.err
    assert TOKEN not in told.all
    write_base(team, base_of(team).replace(TOKEN, ""))


def test_show_puts_places_above_lines_that_are_too_long(team: Project) -> None:
    with team.campaign.open("a") as file:
        file.write(f"tag: {'x' * 90}\n")
    lines = team.ok("show", "campaigns/spring.yaml").out.splitlines()
    at = lines.index(f"tag: {'x' * 90}")
    assert lines[at - 1] == "# campaigns/spring.yaml:3"
    assert yaml.safe_load("\n".join(lines))["tag"] == "x" * 90


def test_an_output_never_replaces_a_base(team: Project) -> None:
    team.ok(team.campaign, "--yes")
    before = base_of(team)
    (team.folder / "base.csv").symlink_to("teams/acme.yaml")
    told = team.ok("export", team.campaign, "-o", "base.csv", code=2)
    assert "is the base of campaign spring" in told.err
    assert base_of(team) == before


@pytest.mark.slow
def test_workers_need_no_base(team: Project, postgres: str) -> None:
    name = f"ledger_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    state = "--state", url.replace("/postgres?", f"/{name}?")
    team.ok("db", "upgrade", *state)
    team.ok("submit", team.campaign, *state)
    with psycopg.connect(postgres.replace("/postgres?", f"/{name}?")) as connection:
        row = connection.execute("SELECT file FROM submission").fetchone()
    assert row is not None
    handed = yaml.safe_load(row[0])
    assert "extends" not in handed
    assert handed["suppress"]["lists"] == [str((team.folder / "teams/never.csv").resolve())]
    os.rename(team.folder / "teams", team.folder / "gone")

    worker = team.start("worker", *state)
    until(lambda: len(team.api.recipients) == 3, "all messages")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert sorted(team.api.recipients) == people(3)
    assert json.dumps(handed).count(TOKEN) == 0
