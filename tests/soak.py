"""Kill the real runner again and again, under a mix of faults, and ask the sandbox who got what.

    python -m tests.soak --kills 1000 --version v2 --seed 7

Prints kills, sends, doubled, lost, in doubt, settled; exit 1 if anybody was written to twice or is
neither sent nor named as in doubt.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.support import TOKEN, Api, Project

FAULTS = (
    "accept_then_reset:rate=0.05",
    "reset_before:rate=0.03",
    "error_after:rate=0.03",
    "error_before:rate=0.03",
    "garbage:rate=0.02",
    "half:rate=0.02",
    "rate_limit:rate=0.01,retry_after=1",
    "slow:seconds=0.03,rate=0.95",
)
PEOPLE = 60
"""Recipients of one campaign; each round is a new campaign in the same ledger."""

KILLS = 12
"""Most kills in one campaign: then it may end."""


@dataclass(slots=True)
class Soak:
    """Figures so far."""

    kills: int = 0
    campaigns: int = 0
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    in_doubt: int = 0
    settled: int = 0
    exits: Counter[int] = field(default_factory=Counter)


def people_of(campaign: int) -> list[str]:
    """Ids that no other campaign of the soak has, and that the sandbox treats as usual."""
    return [f"9{campaign:06d}{number:06d}111111"[:19] for number in range(1, PEOPLE + 1)]


def soak(project: Project, goal: int, luck: random.Random) -> Soak:
    """Campaign after campaign until `goal` kills."""
    told = Soak()
    while told.kills < goal:
        told.campaigns += 1
        _one_campaign(project, told, min(KILLS, goal - told.kills), luck)
        _show(project.version, told)
    return told


def _one_campaign(project: Project, told: Soak, kills: int, luck: random.Random) -> None:
    everyone = people_of(told.campaigns)
    project.write(
        everyone,
        concurrency=luck.choice((1, 4, 16)),
        retry="settle: 1s, timeout: 3s, key_life: 30s",
        more=f"name: soak-{told.campaigns}\n",
    )
    project.api.faults(*FAULTS)
    for _ in range(kills):
        before = len(project.api.accepted)
        running = project.start(project.campaign, "--new-campaign")
        goal, deadline = before + luck.randrange(0, 12), time.monotonic() + luck.uniform(1.0, 8.0)
        while running.process.poll() is None and time.monotonic() < deadline:
            if len(project.api.accepted) >= goal:
                break
            time.sleep(luck.uniform(0.001, 0.03))
        if running.process.poll() is None:
            running.process.kill()
            told.kills += 1
        told.exits[running.process.wait()] += 1
        if project.counts_of(told.campaigns).get("queued", 1) == 0:
            break
    before_end = sum(
        project.counts_of(told.campaigns).get(status, 0) for status in ("sending", "in_doubt")
    )
    project.api.faults()
    last = project.run(project.campaign, "--new-campaign")
    told.exits[last.code] += 1
    doubtful = set(project.run("status", project.campaign, "--json").json["in_doubt"])
    accepted = Counter(project.api.recipients)
    told.doubled += [id for id in everyone if accepted[id] > 1]
    told.lost += [id for id in everyone if not accepted[id] and id not in doubtful]
    told.in_doubt += len(doubtful)
    told.settled += max(0, before_end - len(doubtful))
    project.forget()


def _show(version: str, told: Soak) -> None:
    sys.stdout.write(
        f"{version}: {told.kills} kills, {told.campaigns} campaigns, "
        f"{told.campaigns * PEOPLE} people, doubled {len(told.doubled)}, lost {len(told.lost)}, "
        f"in doubt at the end {told.in_doubt}, settled by the last run {told.settled}\n"
    )
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "runner.sandbox", "--token", TOKEN, "--per-minute", "none",
             "--per-hour", "none", "--per-day", "none", "--no-specials", "--seed", str(asked.seed)],
            stdout=subprocess.PIPE,
            text=True,
        ) as sandbox,
    ):  # fmt: skip
        assert sandbox.stdout is not None
        api = Api(sandbox.stdout.readline().split()[-1])
        (Path(folder) / "project").mkdir()
        (Path(folder) / "outputs").mkdir()
        project = Project(Path(folder) / "project", api, asked.version, Path(folder) / "outputs")
        try:
            told = soak(project, asked.kills, random.Random(asked.seed))
        finally:
            sandbox.terminate()
    sys.stdout.write(f"seed {asked.seed}; runs ended with {dict(told.exits)}\n")
    return 1 if told.doubled or told.lost else 0


if __name__ == "__main__":
    sys.exit(main())
