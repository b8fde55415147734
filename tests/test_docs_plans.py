"""The worked example of approved plans is what GitHub understands, and does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import ROOT, page, parse

FLOWS = sorted((ROOT / "docs" / "workflows").glob("*.yml"))
EXAMPLE = page("docs/how-to.md").partition("## Approve what is sent, in a pull request\n")[2]
EXAMPLE = EXAMPLE.partition("\n## Several senders\n")[0]
TEXT = "Hi {{ first_name }}, shall I send the notes?\n"
ROWS = ["x_user_id,first_name", *(f"918466017553428190{n},Person{n}" for n in range(1, 6))]


def steps_of(name: str) -> list[dict[str, Any]]:
    [job] = yaml.safe_load((ROOT / "docs/workflows" / name).read_text())["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def test_both_are_workflows_by_the_schema_for_them() -> None:
    """The schema comes with the checker: nothing is fetched."""
    command = [sys.executable, "-m", "check_jsonschema"]
    words = ["--builtin-schema", "vendor.github-workflows", *map(str, FLOWS)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, [each.name for each in FLOWS]) == (0, ["plan.yml", "send.yml"]), (
        done.stdout
    )


def test_the_job_that_shows_has_no_secret_and_the_one_that_sends_asks_nothing() -> None:
    assert "secrets." not in (ROOT / "docs/workflows/plan.yml").read_text()
    program, *words = steps_of("send.yml")[-1]["run"].split()
    assert program == "run-campaign"
    parse(words)
    assert "--until-idle" in words
    assert "--yes" not in words


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository of the example, with its plan approved on main."""
    folder = tmp_path / "repository"
    for name in ("campaigns", "templates", "plans"):
        (folder / name).mkdir(parents=True)
    [file] = re.findall(r"```text\n(require_plan: .*?)```", EXAMPLE, re.DOTALL)
    (folder / "campaigns/spring.yaml").write_text(file)
    (folder / "campaigns/spring.csv").write_text("\n".join(ROWS[:4]) + "\n")
    (folder / "templates/spring.j2").write_text(TEXT)
    programs = tmp_path / "bin"
    programs.mkdir()
    own = f'#!/bin/sh\nexec "{sys.executable}" -m runner "$@"\n'
    comments = f'#!/bin/sh\n[ "$4" = --edit-last ] && exit 1\ncat "$5" > "{tmp_path}/comment.md"\n'
    for name, text in (("run-campaign", own), ("gh", comments)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    shell(folder, "run-campaign plan campaigns/spring.yaml -o plans/spring.plan.json")
    shell(
        folder,
        "git init -q -b main && git config user.email a@b && git config user.name A && "
        "git add . && git commit -qm first && git update-ref refs/remotes/origin/main main",
    )
    return folder


def shell(folder: Path, script: str, code: int = 0) -> str:
    path = f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(folder.parent), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    own = {"APPROVED": "origin/main", "NUMBER": "7"}
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=env | own,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_what_the_job_comments_and_refuses(repository: Path) -> None:
    compare, comment, refuse = [each["run"] for each in steps_of("plan.yml")[-3:]]
    (repository / "campaigns/spring.csv").write_text("\n".join(ROWS) + "\n")
    (repository / "templates/spring.j2").write_text(TEXT.replace("shall", "may"))
    shell(repository, "git commit -qam second")
    shell(repository, compare)
    shell(repository, comment)
    [told] = re.findall(r"^````text\n(.*?)````", EXAMPLE, re.MULTILINE | re.DOTALL)
    assert (repository.parent / "comment.md").read_text().strip() == told.strip()
    assert "plans/spring.plan.json" in shell(repository, refuse, code=1)
    shell(repository, "git commit -qam 'Make the plan again'")
    shell(repository, refuse)


@pytest.mark.slow
def test_what_is_refused_on_main(repository: Path) -> None:
    (repository / "campaigns/spring.csv").write_text(
        "\n".join([*ROWS[:4], "", "", "9184660175534281906,Eve"]) + "\n"
    )
    told = shell(repository, "run-campaign campaigns/spring.yaml --dry-run", code=1)
    [expected] = re.findall(r"```text\nerror: (.*?)```", EXAMPLE, re.DOTALL)
    assert expected.strip() in told
