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

SIZES = ((50, 30, ""), (2_000, 30, ""), (2_000, 30, "two"))
"""People, days, and how many follow-ups."""
MOST_ROUNDS = 3
AT_MOST = 60.0
"""Seconds of the largest."""
OFFICE = (
    'schedule: {timezone: Europe/London, windows: [{days: mon-fri, from: "09:00", to: "17:30"}]}\n'
)
STEPS = """\
steps:
  - {name: nudge, after: 3d, text: "Just in case it got buried, {{ first_name }}"}
  - {name: last, after: 5d, text: "I will not ask again, {{ first_name }}"}
"""
"""The follow-ups: people answer as the default mix of a rehearsal does."""


def once(project: Project, people: int, days: int, steps: str) -> Ran:
    """Rehearse a campaign with the default limits of a sender."""
    project.write(people)
    head = f"senders: [{LINK}]\nprospects: {project.sheet.name}\n"
    text = "message: Hi {{ first_name }}, shall I send the notes?\n"
    project.campaign.write_text(head + text + OFFICE + (STEPS if steps else ""))
    return project.run(project.campaign, "--sandbox", "--days", str(days), "--quiet")


def measure(sink: Sink, folder: Path, rounds: int, tell: Tell) -> str:
    """The part of the page about rehearsals."""
    project = Project(folder / "project", sink.base)
    rounds = min(rounds, MOST_ROUNDS)
    rows = []
    try:
        for people, days, steps in SIZES:
            took = [once(project, people, days, steps) for _ in range(rounds)]
            seconds = [each.seconds for each in took]
            told = f"{people} people over {days} days, {steps or 'no'} follow-ups"
            tell(f"a rehearsal of {told}: {spread(seconds)} s")
            rows.append(
                [
                    f"{people:,}",
                    str(days),
                    steps or "none",
                    spread(seconds),
                    number(AT_MOST) if people == SIZES[-1][0] else "",
                    spread([each.cpu for each in took]),
                    number(max(each.peak for each in took)),
                ]
            )
    finally:
        shutil.rmtree(project.folder)
    head = ("people", "days", "follow-ups", "s", "at most", "processor, s", "memory, MB")
    return f"{table(head, rows)}\n\nRounds: {rounds}."
