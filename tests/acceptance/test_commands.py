"""The other commands, each seen from outside."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from pathlib import Path

import pytest

from .support import LINK, OTHER_LINK, TOKEN, Project, people, until

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_test_message_is_sent_each_time_and_never_counted(both: Project) -> None:
    ids = people(3)
    both.write(ids)
    me = "9184620175530281101"
    first = both.ok("test", both.campaign, "--to", me)
    assert "Hi Person1" in first.out
    assert f"message {both.api.accepted[0]['message_id']}" in first.out
    both.ok("test", both.campaign, "--to", me, "--row", "4")
    assert both.api.recipients == [me, me]
    assert both.api.accepted[1]["content"].startswith("Hi Person3")
    both.ok(both.campaign)
    told = both.ok("status", both.campaign, "--json").json
    assert told["total"] == 3
    assert "username" in both.ok("test", both.campaign, "--to", "@me", code=2).err
    assert "no row 40" in both.ok("test", both.campaign, "--to", me, "--row", "40", code=1).err


def test_check_and_senders(both: Project) -> None:
    both.write([*people(2), "1.23E+18"])
    told = both.ok("check", both.campaign)
    assert f"sender @acmecorp ({LINK}) is active" in told.out
    assert "skipped 1: bad_id" in told.out
    offline = both.ok("check", both.campaign, "--offline", INBOX_API_TOKEN="")
    assert "acmecorp" not in offline.out
    listed = both.ok("senders", both.campaign)
    assert f"  - {OTHER_LINK}  # @acmesales" in listed.out
    # Without a campaign the API is the real one, which no test asks: so without a token.
    assert "INBOX_API_TOKEN is not set" in both.ok("senders", code=2, INBOX_API_TOKEN="").err
    assert both.api.recipients == []
    assert not both.ledger.exists()


def test_the_token_may_stand_in_a_file_beside_the_ledger(project: Project) -> None:
    project.write(people(1))
    env = project.folder / ".env"
    env.write_text(f"INBOX_API_TOKEN={TOKEN}\n")
    project.ok(project.campaign, INBOX_API_TOKEN="")
    env.unlink()
    assert project.api.recipients == people(1)


def test_suppressed_people_are_not_written_to(project: Project) -> None:
    ids = people(4)
    project.write(ids)
    assert project.ok("suppress", "list", code=2).err.startswith("error: no state.db")
    project.ok("suppress", "add", ids[0], "--reason", "asked", "--state", project.ledger)
    (project.folder / "stop.txt").write_text(f"{ids[1]}\n")
    project.ok("suppress", "import", "stop.txt")
    listed = project.ok("suppress", "list", "--json").json
    assert {(each["recipient"], each["reason"]) for each in listed} == {
        (ids[0], "asked"),
        (ids[1], "in stop.txt"),
    }
    assert "2 suppressed" in project.ok(project.campaign, "--dry-run").out
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids[2:]
    project.ok("suppress", "remove", ids[0])
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == [ids[0], *ids[2:]]
    assert "username" in project.ok("suppress", "add", "@somebody", code=2).err


def test_words_that_are_no_text_are_refused_and_nothing_is_kept(project: Project) -> None:
    words = ("suppress", "add", "7", "--state", "state.db", "--reason", os.fsdecode(b"caf\xe9"))
    told = project.ok(*words, code=2)
    assert told.err.startswith("error: argument 7 is not UTF-8 text: 'caf")
    assert "nobody" in project.ok("suppress", "list", "--state", "state.db").out


def test_backup_and_upgrade(project: Project) -> None:
    project.write(people(2))
    project.ok(project.campaign)
    project.ok("db", "backup", "copy.db")
    connection = sqlite3.connect(project.folder / "copy.db")
    assert connection.execute("select count(*) from message").fetchone() == (2,)
    connection.close()
    assert "exists already" in project.ok("db", "backup", "copy.db", code=1).err
    assert "up to date" in project.ok("db", "upgrade").out


def test_a_rehearsal_leaves_nothing_behind(project: Project) -> None:
    project.write(people(5))
    before = sorted(os.listdir(project.folder))
    done = project.ok(
        project.campaign, "--sandbox", "--fault", "accept_then_reset:at=2", INBOX_API_TOKEN=""
    )
    assert "sandbox: accepted 5 messages to 5 people, nobody twice" in done.out
    assert sorted(os.listdir(project.folder)) == before
    assert project.api.ask("requests")["total"] == 0


def test_init_makes_a_project_and_overwrites_nothing(project: Project) -> None:
    project.ok("init", "new")
    new = project.folder / "new"
    csv, j2 = new / "campaigns" / "spring.csv", new / "templates" / "spring.j2"
    assert csv.read_bytes() == (ROOT / "campaigns" / "spring.csv").read_bytes()
    assert j2.read_bytes() == (ROOT / "templates" / "spring.j2").read_bytes()
    first, _, rest = (new / "campaigns" / "spring.yaml").read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=../campaign.schema.json"
    assert rest == (ROOT / "campaigns" / "spring.yaml").read_text()
    assert "properties" in json.loads((new / "campaign.schema.json").read_text())
    csv.write_text("mine")
    again = project.ok("init", "new")
    assert "is there" in again.out
    assert csv.read_text() == "mine"


def test_the_sandbox_command(project: Project) -> None:
    running = project.start("sandbox", "--port", "0", "--fault", "slow")
    until(lambda: "its list:" in running.out, "its address")
    assert "base_url: http://127.0.0.1:" in running.out
    assert "INBOX_API_TOKEN=sandbox-token" in running.out
    running.interrupt()
    assert running.wait().code == 0


def test_a_port_that_is_taken_is_said(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        told = project.ok("sandbox", "--port", str(port), code=1).err
    assert f"127.0.0.1:{port} is taken by another program; choose another port: --port" in told


@pytest.mark.slow
def test_the_demonstration(project: Project) -> None:
    done = project.ok("demo", "--dir", "shown")
    assert "written to twice: nobody" in done.out
    assert "missed: nobody" in done.out
    assert "killed" in done.out


def test_completion_scripts(project: Project) -> None:
    for shell in ("zsh", "fish"):
        assert "_RUN_CAMPAIGN_COMPLETE" in project.ok("completion", shell).out
    told = project.run(
        _RUN_CAMPAIGN_COMPLETE="bash_complete", COMP_WORDS="run-campaign sta", COMP_CWORD="1"
    )
    assert "status" in told.out
    # What the default command takes is a file, which the shell completes.
    told = project.run(
        _RUN_CAMPAIGN_COMPLETE="bash_complete", COMP_WORDS="run-campaign camp", COMP_CWORD="1"
    )
    assert told.out.strip() == "file,camp"


@pytest.mark.slow
def test_an_id_that_is_not_there_is_named_and_nothing_is_sent(both: Project) -> None:
    ids = people(3)
    both.write(ids)
    for words in ((), ("--dry-run",)):
        done = both.ok(both.campaign, *words, "--only", ids[0], "--only", "404", code=2)
        assert "--only: 404 is not in spring.csv" in done.err
        assert "To send" not in done.all
    assert both.api.recipients == []
    both.ok(both.campaign, "--only", ids[0])
    assert both.api.recipients == ids[:1]
    both.ok(both.campaign, "--only", ids[0], "--dry-run")  # known, and written to
    refused = both.ok("retry", both.campaign, "--only", "404", code=2)
    assert "--only: 404 is not in campaign spring" in refused.err
    assert both.api.recipients == ids[:1]


@pytest.mark.slow
def test_a_dry_run_ends_as_a_run_would_that_refuses(project: Project) -> None:
    ids = people(6)
    project.write(ids)
    project.ok(project.campaign, "--limit", "1")

    def refused(told: str, *go_on: str) -> None:
        for words in (("--dry-run",), ("--dry-run", "--json"), ()):
            done = project.ok(project.campaign, *words, code=1)
            assert told in done.err
            assert "To send" not in done.all
        if go_on:
            shown = project.ok(project.campaign, "--dry-run", *go_on).out
            assert f"{project.campaign} {' '.join(go_on)}" in shown

    project.write(ids, text="Hello {{ first_name }}")
    refused("would change", "--accept-changes")
    project.write(ids[:3])
    refused("are gone from the prospects file", "--accept-changes")
    project.write(ids)
    project.ok(project.campaign)
    shown = project.ok(project.campaign, "--dry-run").out
    assert "nothing is left to send" in shown
    assert sorted(project.api.recipients) == ids


def test_a_dry_run_of_a_start_long_past_ends_with_the_reason(project: Project) -> None:
    project.write(people(1), more="schedule: {start: 2020-01-01 09:00, timezone: UTC}\n")
    for words in (("--dry-run",), ()):
        done = project.ok(project.campaign, *words, code=1)
        assert "longer ago than schedule.grace allows" in done.err
        assert "To send" not in done.all
    assert "--yes" in project.ok(project.campaign, "--dry-run", "--yes").out
    assert project.api.recipients == []


def test_wrong_words_are_told_in_a_line_of_plain_words(project: Project) -> None:
    project.write(people(1))
    for words, told in (
        (("completion",), "Choose from: bash, zsh, fish"),
        ((project.campaign, "--limit", "x"), "'x' is not a valid whole number."),
        ((project.campaign, "--limit", "-1"), "-1 is not in the range from 0 on."),
    ):
        done = project.ok(*words, code=2)
        assert told in done.err.splitlines()[0]
