"""How long short commands take, and what a run costs that waits."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.figures import number, spread, table
from benchmarks.processes import CLIENT_CORE, RUN_CAMPAIGN, Ran, Stuck, run
from benchmarks.projects import Project
from benchmarks.tools import Sink

Tell = Callable[[str], None]

SMALL = 20
"""Rows of the ledger that is asked."""
AT_MOST = {"--help": "100", "status campaign.yaml": "250"}
"""Milliseconds."""
WORDS = (
    "--version",
    "--help",
    "status campaign.yaml",
    "export campaign.yaml -o results.csv",
    "resolve campaign.yaml --list",
    "suppress list",
    "hold --list",
    "campaign.yaml --dry-run",
    "hold 1",
)


def measure(sink: Sink, folder: Path, rounds: int, tell: Tell) -> str:
    """The part of the page about starting."""
    project = Project(folder / "project", sink.base)
    project.write(SMALL)
    sink.reset()
    try:
        project.run(project.campaign, "--yes")
        commands = {"`python -c pass`": [sys.executable, "-c", "pass"]}
        commands |= {f"`run-campaign {words}`": [*RUN_CAMPAIGN, *words.split()] for words in WORDS}
        took: dict[str, list[Ran]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                ran = run(words, project.folder, env=project.env, core=CLIENT_CORE)
                took[name].append(ran)
        tell(f"commands: {rounds} rounds")
    finally:
        shutil.rmtree(project.folder)
    targets = {f"`run-campaign {words}`": most for words, most in AT_MOST.items()}
    rows = [
        [
            name,
            spread([each.seconds * 1000 for each in runs]),
            targets.get(name, ""),
            number(min(each.cpu for each in runs) * 1000),
        ]
        for name, runs in took.items()
    ]
    return table(("command", "ms", "at most", "processor, ms at least"), rows) + (
        f"\n\nRounds: {rounds}. The ledger has {SMALL} messages, all of them sent."
    )


def idle(sink: Sink, folder: Path, seconds: float, tell: Tell) -> str:
    """The part of the page about a run that waits for its schedule to open."""
    project = Project(folder / "project", sink.base)
    day = f"{datetime.now() + timedelta(days=3):%a}".lower()  # noqa: DTZ005
    window = f"{{days: {day}, from: '09:00', to: '10:00'}}"
    project.write(SMALL, more=f"schedule: {{timezone: UTC, windows: [{window}]}}\n")
    sink.reset()
    process = project.start(project.campaign, "--yes")
    try:
        deadline = time.monotonic() + 60
        while "outside the schedule" not in process.said:
            if not process.alive or time.monotonic() > deadline:
                raise Stuck(f"it does not wait: {process.said[-500:]}")
            time.sleep(0.05)
        time.sleep(min(1.0, seconds))
        began, before = time.monotonic(), process.cpu()
        time.sleep(seconds)
        share = (process.cpu() - before) / (time.monotonic() - began)
        tell(f"idle: {share:.2%} of a core")
        told = number(share * 100, 2)
        return f"A run that waits for its schedule: {told} % of a core over {seconds:.0f} s."
    finally:
        process.kill()
        shutil.rmtree(project.folder)
