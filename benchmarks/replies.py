"""What it costs to read what people have answered, in a ledger of many."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import number, spread, table
from benchmarks.processes import SERVER_CORE, Ran, start
from benchmarks.projects import Project, half_sent
from benchmarks.tools import python_module

Tell = Callable[[str], None]

ROWS = 1_000_000
EVENTS = 25_000
"""As many as the API keeps."""

ANSWERS = (1_000, EVENTS)
"""Answers among these: a few, and nothing else."""

AT_MOST = 60.0
"""Seconds for all events."""


@dataclass(slots=True)
class Reading:
    """What the rounds of one size gave."""

    runs: list[Ran] = field(default_factory=list)
    listed: list[Ran] = field(default_factory=list)  # without asking the API


@contextmanager
def answered(first: int, answers: int, others: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve an API whose people have answered; its address, and the file with their threads."""
    told = folder / "threads.json"
    module, env = python_module("benchmarks.answered")
    words: list[str | Path] = [*module, *map(str, (first, answers, others)), told]
    with start(words, folder, env=env, core=SERVER_CORE, name="api").or_killed() as process:
        while not process.said.endswith("\n"):
            if not process.alive:
                raise RuntimeError(process.said)
            time.sleep(0.05)
        yield process.said.strip(), told


def once(found: Reading, rows: int, answers: int, others: int, folder: Path) -> None:
    """Plan a campaign, make half of it look sent, and read the answers of the last ones, among what
    others have written."""
    folder.mkdir(parents=True, exist_ok=True)
    with answered(rows // 2 - answers, answers, others, folder) as (base, told):
        project = Project(folder / "project", base)
        project.write(rows)
        campaign = project.campaign.read_text().replace("api: {", "api: {gateway: true, ")
        project.campaign.write_text(campaign)
        project.run(project.campaign, "--yes", "--limit", "0")
        half_sent(project.ledger, time.time() - 3600)
        tie(project.ledger, told)
        found.runs.append(project.run("replies", project.campaign))
        found.listed.append(project.run("replies", project.campaign, "--no-read"))
    shutil.rmtree(folder)


def tie(ledger: Path, told: Path) -> None:
    """Give the messages the threads of the API, and the feed its place before the answers."""
    known = json.loads(told.read_text())
    with closing(sqlite3.connect(ledger)) as connection, connection:
        of = "update message set thread_id = ? where recipient = ? and status = 'sent'"
        changed = connection.executemany(of, [(at, id) for id, at in known["threads"].items()])
        assert changed.rowcount == len(known["threads"])
        connection.execute(
            "insert or replace into feed (lane, cursor, read_at) select id, ?, ? from lane",
            (known["cursor"], time.time() - 60),
        )


def as_table(rows: int, events: int, found: dict[int, Reading]) -> str:
    """A row per number of answers: seconds, processor and memory."""
    lines = [
        [
            f"{rows:,}",
            f"{events:,}",
            f"{answers:,}",
            spread([each.seconds for each in reading.runs]),
            number(AT_MOST),
            spread([each.cpu for each in reading.runs]),
            number(max(each.peak for each in reading.runs)),
            number(max(each.peak for each in reading.listed)),
        ]
        for answers, reading in found.items()
    ]
    head = (
        "rows", "events", "answers among them", "s", "at most", "processor, s", "memory, MB",
        "of which listing them, MB",
    )  # fmt: skip
    return table(head, lines)


def measure(folder: Path, rows: int, events: int, answers: Sequence[int], tell: Tell) -> str:
    """The part of the page about replies. Each is measured once."""
    found: dict[int, Reading] = {}
    load = os.getloadavg()[0]
    for count in answers:
        reading = found.setdefault(count, Reading())
        once(reading, rows, count, events - count, folder / "replies")
        tell(f"{count} answers: {as_table(rows, events, found).splitlines()[-1]}")
    when = time.strftime("%Y-%m-%d")
    return f"{as_table(rows, events, found)}\n\nOn {when}, with a load of {load:.0f} besides."
