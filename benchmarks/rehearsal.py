"""What a rehearsal of days costs: people who answer, over weeks, in seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import number, spread, table
from benchmarks.processes import Ran
from benchmarks.projects import LINK, Project
from benchmarks.tools import Sink

Tell = Callable[[str], None]

SIZES = ((50, 30), (2_000, 30))
"""People and days."""
MOST_ROUNDS = 3
AT_MOST = 60.0
"""Seconds of the largest."""
OFFICE = (
    'schedule: {timezone: Europe/London, windows: [{days: mon-fri, from: "09:00", to: "17:30"}]}\n'
)


def once(project: Project, people: int, days: int) -> Ran:
    """Rehearse a campaign with the default limits of a sender."""
    project.write(people)
    head = f"senders: [{LINK}]\nprospects: {project.sheet.name}\n"
    text = "message: Hi {{ first_name }}, shall I send the notes?\n"
    project.campaign.write_text(head + text + OFFICE)
    return project.run(project.campaign, "--sandbox", "--days", str(days), "--quiet")


def measure(sink: Sink, folder: Path, rounds: int, tell: Tell) -> str:
    """The part of the page about rehearsals."""
    project = Project(folder / "project", sink.base)
    rounds = min(rounds, MOST_ROUNDS)
    rows = []
    try:
        for people, days in SIZES:
            took = [once(project, people, days) for _ in range(rounds)]
            seconds = [each.seconds for each in took]
            tell(f"a rehearsal of {people} people over {days} days: {spread(seconds)} s")
            rows.append(
                [
                    f"{people:,}",
                    str(days),
                    spread(seconds),
                    number(AT_MOST) if (people, days) == SIZES[-1] else "",
                    spread([each.cpu for each in took]),
                    number(max(each.peak for each in took)),
                ]
            )
    finally:
        shutil.rmtree(project.folder)
    head = ("people", "days", "s", "at most", "processor, s", "memory, MB")
    return f"{table(head, rows)}\n\nRounds: {rounds}."
