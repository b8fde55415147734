"""Starting over: a ledger that was only tried out, a sandbox begun again, the help on the way."""

from __future__ import annotations

import json
from functools import partial

from .support import Project, Running, people, sandbox, until


def gone(project: Project) -> None:
    for file in project.folder.glob("state.db*"):
        file.unlink()


def test_a_ledger_that_was_only_tried_out_is_forgotten(project: Project) -> None:
    project.write(people(2))
    project.ok(project.campaign)
    assert "is still there" in project.ok("db", "forget", "--yes", code=1).err + (
        project.ok("db", "forget", "--state", project.ledger, "--yes", code=1).err
    )
    old = project.ledger.read_bytes()
    gone(project)
    told = project.ok(project.campaign, code=1).err
    assert f"run-campaign db forget --state {project.ledger}" in " ".join(told.split())
    assert ".json" not in told
    asked = project.ok("db", "forget", code=2)
    assert "2 sends of spring" in asked.out
    assert "can be written to again" in asked.out
    assert "--yes" in asked.err
    project.ok(project.campaign, code=1)
    assert "forgotten" in project.ok("db", "forget", "--yes").out
    project.write(people(4)[2:])
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == people(4)
    gone(project)
    project.ledger.write_bytes(old)
    assert "is an old copy" in project.ok(project.campaign, code=1).err


def test_what_is_not_missed_is_not_forgotten(project: Project) -> None:
    told = project.ok("db", "forget", "--yes", code=2).err
    assert "no ledger is missed here" in told
    told = project.ok("db", "forget", "--state", project.ledger, "--yes").out
    assert "nothing to forget" in told


def test_a_sandbox_begun_again_repeats_no_ids(project: Project) -> None:
    project.real = False
    found = []
    for seed in ("1", "2", "1"):
        with sandbox("--seed", seed) as api:
            project.api = api
            project.write(people(2))
            gone(project)
            project.ok(project.campaign)
            found.append({(one["message_id"], one["thread_id"]) for one in api.accepted})
    first, second, _ = found
    assert not {id for each in first for id in each} & {id for each in second for id in each}


def _is_up(running: Running) -> bool:
    return "its list" in running.out


def test_a_sandbox_tells_its_seed(project: Project) -> None:
    seeds = []
    for _ in range(2):
        running = project.start("sandbox", "--port", "0")
        try:
            until(partial(_is_up, running), "the sandbox")
            line = next(line for line in running.out.splitlines() if line.startswith("seed:"))
            seeds.append(line.split()[1])
        finally:
            running.process.terminate()
            running.process.wait()
    assert seeds[0] != seeds[1]


def test_a_record_keeps_its_threads_under_another_seed(project: Project) -> None:
    project.real = False
    record = project.outputs / "sent.jsonl"
    with sandbox("--seed", "1", "--record", str(record)) as project.api:
        project.write(people(1))
        project.ok(project.campaign)
    kept = json.loads(record.read_text())["thread_id"]
    with sandbox("--seed", "2", "--record", str(record)) as project.api:
        gone(project)
        project.write(people(1), text="Hello {{ first_name }}")
        project.ok(project.campaign)
        assert {one["thread_id"] for one in project.api.accepted} == {kept}


def test_help_is_a_command(project: Project) -> None:
    assert project.ok("help").out == project.ok("--help").out
    assert project.ok("help", "status").out == project.ok("status", "--help").out
    assert project.ok("help", "db", "backup").out == project.ok("db", "backup", "--help").out
    assert "did you mean status?" in project.ok("help", "statsu", code=2).err
