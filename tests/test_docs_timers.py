"""What the pages give to cron, systemd and CI is what these understand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.documents import blocks, page, parse

PAGE = page("docs/how-to.md")
CRON_FIELD = re.compile(r"(\*|[0-9]+(-[0-9]+)?)(/[0-9]+)?(,[0-9]+)*")


def check(command: str) -> None:
    """A command line that nobody watches: no question can be asked."""
    program, *words = shlex.split(command)
    assert program in ("run-campaign", "/usr/local/bin/run-campaign")
    parse(words)
    assert "--until-idle" in words
    assert "--yes" not in words  # it would start a campaign late that missed its start


def test_the_crontab_line() -> None:
    [line] = [line for body in blocks(PAGE, "crontab") for line in body.splitlines()]
    *fields, command = line.split(" ", 5)
    assert len(fields) == 5
    assert all(CRON_FIELD.fullmatch(field) for field in fields)
    assert "%" not in command  # cron takes it for the end of a line
    assert command.startswith("/")
    check(command)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_units_of_systemd(tmp_path: Path) -> None:
    [body] = blocks(PAGE, "ini")
    files = re.findall(r"^# /etc/systemd/system/(\S+)\n(.*?)(?=^# |\Z)", body, re.M | re.S)
    assert [name for name, _ in files] == ["spring.service", "spring.timer"]
    [command] = re.findall(r"^ExecStart=(.*)$", body, re.M)
    check(command)
    there = shutil.which("true")
    for name, text in files:
        (tmp_path / name).write_text(text.replace(command.split()[0], str(there)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name, _ in files)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_ci_job() -> None:
    [body] = [yaml.safe_load(text) for text in blocks(PAGE, "yml")]
    [job] = body["jobs"].values()
    assert {"INBOX_API_TOKEN", "RUN_CAMPAIGN_STATE"} == job["env"].keys()
    [cron] = body[True]["schedule"]  # `on` is a yes to YAML
    assert all(CRON_FIELD.fullmatch(field) for field in cron["cron"].split())
    check(job["steps"][-1]["run"])
