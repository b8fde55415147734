"""The page about many machines: its settings are the code's, and its files are understood."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from runner.campaign.loader import load_campaign
from runner.campaign.values import parse_duration
from runner.cli.commands import lanes
from runner.cli.commands.worker import GRACE
from runner.ledger.queries.lane_status import LaneRow
from runner.workers import lane_slice, next_due, worker
from tests.documents import TREE, blocks, options_of, page, parse, section, table, ticked

PAGE = page("docs/many-machines.md")
LANE = LaneRow("lane", ("spring",), "TOKEN", None, "", "", 0, 0.0, False, 1, 0, 0)


def settings(columns: int) -> list[list[str]]:
    """The lines of the table that has so many columns."""
    return [cells for cells in table(section(PAGE, "Settings")) if len(cells) == columns]


def test_settings_are_those_of_the_code() -> None:
    options = options_of(TREE["run-campaign worker"])
    told = {ticked(cells[0])[0]: cells[1].replace(" ", "") for cells in settings(3)}
    assert told == {name: str(options[name].default) for name in told}
    assert {"--slots", "--slice", "--dead-after"} == told.keys()


def test_what_is_fixed_is_told_as_it_is() -> None:
    told = [[int(each) for each in re.findall(r"\d+", cells[1])] for cells in settings(2)]
    assert told == [
        [worker.BEATS],
        [worker.CLEAN_UP_EVERY],
        [lane_slice.IDLE_WITH_ROOM],
        [lane_slice.SLICE_IDLE],
        [lane_slice.LONGEST_SLICE],
        [next_due.KNOWN_FOR],
        [lane_slice.HELD_RETRY],
        [next_due.TROUBLE_RETRY],
        [GRACE],
        [worker.RETRY_AFTER, worker.LONGEST_RETRY],
    ]


def test_the_extra_that_it_asks_for_exists() -> None:
    extras = tomllib.loads(page("pyproject.toml"))["project"]["optional-dependencies"]
    asked = set(re.findall(r"(?:run-campaign|/src)\[(\w+)\]", PAGE))
    assert asked == {"distributed"} <= extras.keys()


def test_what_lanes_tells_is_named() -> None:
    text = " ".join(section(PAGE, "Watch").split())
    for key in lanes._as_json(LANE, 0.0):
        assert f"`{key}`" in text, key
    for state in ("driven", "due", "waits", "rests"):
        assert f"`{state}`" in text
    assert lanes._state(LANE, 0.0) == "rests"


def seconds(text: str) -> float:
    """A time of systemd or compose, which mean seconds by a plain number."""
    return float(text) if text.isdecimal() else parse_duration(text)


def unit() -> tuple[str, dict[str, str]]:
    [body] = blocks(PAGE, "ini")
    return body, dict(re.findall(r"^(\w+)=(.*)$", body, re.M))


def test_the_unit_of_systemd_lets_a_worker_end() -> None:
    _, said = unit()
    program, *words = shlex.split(said["ExecStart"])
    assert program == "/usr/local/bin/run-campaign"
    parse(words)
    assert said["KillSignal"] == "SIGTERM"
    assert seconds(said["TimeoutStopSec"]) > GRACE


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_unit_of_systemd_is_understood(tmp_path: Path) -> None:
    body, said = unit()
    program = shlex.split(said["ExecStart"])[0]
    file = tmp_path / "outreach-worker.service"
    file.write_text(body.replace(program, str(shutil.which("true"))))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_containers_let_a_worker_end_and_need_no_disk() -> None:
    [body] = blocks(PAGE, "yml")
    services = yaml.safe_load(body)["services"]
    for name in ("upgrade", "worker"):
        parse(services[name]["command"])
    assert seconds(services["worker"]["stop_grace_period"]) > GRACE
    assert services["worker"]["read_only"]
    assert "volumes" not in services["worker"]
    [recipe] = blocks(PAGE, "dockerfile")
    [words] = re.findall(r"^CMD (\[.*\])$", recipe, re.M)
    parse(yaml.safe_load(words))
    [grace] = re.findall(r"terminationGracePeriodSeconds: (\d+)", PAGE)
    assert float(grace) > GRACE


def test_the_campaign_names_a_variable_of_its_team(tmp_path: Path) -> None:
    [body] = blocks(PAGE, "yaml")
    path = tmp_path / "acme.yaml"
    path.write_text(body)
    named = load_campaign(path).api.token_env
    assert PAGE.count(named) > 1
