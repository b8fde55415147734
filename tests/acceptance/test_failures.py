"""Every exit code, and what is said with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .support import LINK, TOKEN, Project, everything_in, people, until


def test_1_a_token_that_the_api_refuses(both: Project) -> None:
    both.write(people(1))
    done = both.ok(both.campaign, code=1, INBOX_API_TOKEN="wrong-token-0123456789")
    assert done.err.startswith("error: ")
    assert "wrong-token" not in done.all


def test_1_a_sender_that_is_none(project: Project) -> None:
    project.write(people(1), senders=("nobody0123",))
    done = project.ok(project.campaign, code=1)
    assert "nobody0123 is not an account link" in done.err
    assert "run-campaign senders" in done.err
    assert project.api.recipients == []


def test_2_every_mistake_of_a_campaign_file_with_its_line(project: Project) -> None:
    project.write(people(1), more="limit: {}\nretries: {}\n")
    done = project.ok(project.campaign, code=2)
    lines = done.err.splitlines()
    assert len([line for line in lines if f"{project.campaign.name}:" in line]) == 2
    assert "did you mean limits?" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stats"], "did you mean status?"),
        (["campaigns/sprung.yaml"], "did you mean campaigns/spring.yaml?"),
        (["spring.yaml"], "did you mean campaigns/spring.yaml?"),
        (["campaigns/spring.csv"], "no campaign file"),
        (["campaigns/spring.yaml", "--dryrun"], "--dry-run"),
        (["campaigns/spring.yaml", "--json"], "--dry-run"),
        (["campaigns/spring.yaml", "--stop-after", "5"], 'write "5s"'),
        (["campaigns/spring.yaml", "--fault", "slow"], "--sandbox"),
        (["campaigns/spring.yaml", "--sandbox", "--fault", "slaw"], "unknown fault"),
        (["resolve", "campaigns/spring.yaml", "--list", "--all-not-sent"], "--list"),
    ],
)
def test_2_wrong_words_are_refused_before_anything_happens(
    project: Project, words: list[str], told: str
) -> None:
    project.write(people(1))
    done = project.ok(*words, code=2)
    assert told in done.err
    assert done.out == ""
    assert not project.ledger.exists()


def test_2_no_token_and_no_ledger_in_ci(project: Project) -> None:
    project.write(people(1))
    assert (
        "INBOX_API_TOKEN is not set" in project.ok(project.campaign, code=2, INBOX_API_TOKEN="").err
    )
    assert "--state" in project.ok(project.campaign, code=2, CI="true").err
    project.ok(project.campaign, "--state", project.folder / "kept.db", CI="true")
    assert not project.ledger.exists()


BROKEN = """
import sys, runner.cli.live_run, runner.cli.main
def broken(*words):
    raise ZeroDivisionError("with Authorization: Bearer {token} inside")
runner.cli.live_run.run_campaigns = broken
sys.exit(runner.cli.main.main(sys.argv[1:]))
"""


def test_3_a_bug_leaves_a_log_that_only_its_owner_reads(project: Project) -> None:
    project.write(people(1))
    code = BROKEN.replace("{token}", TOKEN)
    done = project.run(project.campaign, command=[sys.executable, "-c", code])
    assert done.code == 3, done.all
    assert "this is a bug: ZeroDivisionError" in done.err
    log = Path(done.err.rpartition("its log: ")[2].strip())
    assert log.parent == project.folder / ".run-campaign"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in log.read_text()


def test_5_a_guard_stops_what_goes_wrong_for_all(both: Project) -> None:
    both.write(people(14, "0404"), concurrency=1)
    done = both.ok(both.campaign, code=5)
    assert "10 messages in a row" in done.out
    assert both.counts() == {"rejected": 10, "queued": 4}


@pytest.mark.slow
def test_6_a_second_run_is_told_who_holds_the_team(project: Project) -> None:
    ids = people(4)
    project.write(ids)
    project.api.faults("slow:seconds=8,phase=after")
    first = project.start(project.campaign)
    until(lambda: project.counts().get("sending"), "the first run to send")
    second = project.ok(project.campaign, code=6)
    assert f"process {first.process.pid}" in second.err
    assert project.ok("status", project.campaign, "--json").json["running"] is True
    project.api.faults()
    third = project.ok(project.campaign, "--wait")
    assert "4 sent" in third.out
    assert first.wait().code == 0
    assert sorted(project.api.recipients) == ids


def test_130_before_anything_was_sent(project: Project) -> None:
    project.write(people(1))
    project.api.faults("stall:on=any")
    running = project.start(project.campaign)
    until(project.ledger.exists, "the ledger")
    running.interrupt()
    done = running.wait()
    assert done.code == 130
    assert f"to go on: run-campaign {project.campaign}" in done.err


@pytest.mark.slow
def test_output_that_nobody_reads_any_more_is_no_bug(project: Project) -> None:
    project.write(people(3))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        process = subprocess.run(
            [sys.executable, "-m", "runner", str(project.campaign)],
            env=project.environment(),
            cwd=project.folder,
            stdin=subprocess.DEVNULL,
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.stderr == ""
    assert sorted(project.api.recipients) == people(3)


def test_a_paused_sender_stops_the_run_with_what_to_do(project: Project) -> None:
    project.write(people(2))
    project.api.ask("link", {"id": LINK, "status": "offline"})
    done = project.ok(project.campaign, code=1)
    assert "reconnect the account" in done.out
    assert project.api.recipients == []
    checked = project.ok("check", project.campaign, code=1)
    assert "problem" in checked.out
    assert "reconnect the account" in checked.out


def test_a_broken_ledger_is_told_plainly(project: Project) -> None:
    project.write(people(1))
    project.ledger.write_text("this is not a ledger, whatever it is called\n" * 100)
    before = everything_in(project.folder)
    done = project.ok(project.campaign, code=1)
    assert "not a ledger" in done.err
    assert everything_in(project.folder) == before
