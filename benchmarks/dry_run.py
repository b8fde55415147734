"""What a dry run costs for each row of a sheet, by what it takes only to read the sheet.

Both sides are processor time of whole processes on the same sheet, one after the other, and what
each takes for a sheet of one row is taken off: the machine's speed is in neither of the ratios.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.figures import number, ratio, ratios, spread, table
from benchmarks.processes import CLIENT_CORE, Ran, run
from benchmarks.projects import LINK, Project
from benchmarks.tools import Sink

Tell = Callable[[str], None]

SIZES = (100_000, 1_000_000)
MOST_ROUNDS = 3
AT_MOST = 32.0
"""Of the ratio of the largest size: 1.3 times the 24.7 that it was before cells, ids and lists were
looked at first."""

BARE = """
import csv, sys
with open(sys.argv[1], encoding="utf-8", newline="") as stream:
    for row in csv.reader(stream):
        pass
"""
"""Only reads a sheet."""

TEXT = "Hi {{ first_name }} of {{ company }}, about {{ topic }}. Shall I send the notes?"
NAMES = (
    "Ada",
    "Bela",
    "Cleo",
    "Dušan",
    "Eve",
    "Femi",
    "Hana",
    "Ivan",
    "José",
    "Mia",
    "Omar",
    "Zoë",
)


@dataclass(slots=True)
class Costs:
    """What the rounds of one size gave, seconds of processor time without the start."""

    bare: list[float] = field(default_factory=list)
    dry: list[float] = field(default_factory=list)
    peak: float = 0.0  # megabytes

    @property
    def ratios(self) -> list[float]:
        return ratios(self.dry, self.bare)


def write(project: Project, rows: int, listed: int) -> None:
    """Write a campaign, its sheet, and a do-not-contact list of so many people, if any."""
    project.folder.mkdir(parents=True, exist_ok=True)
    suppress = "suppress: [list.csv]\n" if listed else ""
    project.campaign.write_text(
        f"senders: [{LINK}]\nprospects: {project.sheet.name}\nmessage: {TEXT!r}\n{suppress}"
    )
    with project.sheet.open("w", encoding="utf-8") as out:
        out.write("x_user_id,first_name,company,topic\n")
        out.writelines(_sheet(rows))
    with (project.folder / "list.csv").open("w", encoding="utf-8") as out:
        luck = random.Random(8)
        out.write("x_user_id\n")
        out.writelines(f"{_id(luck)}\n" for _ in range(listed))


def _id(luck: random.Random) -> int:
    """An id as X gives them: a time, a machine, and a count that is nearly always 0."""
    count = luck.randrange(3) if luck.random() < 0.1 else 0
    return luck.randrange(1 << 38, 1 << 39) << 22 | luck.randrange(1 << 10) << 12 | count


def _sheet(rows: int) -> Iterator[str]:
    luck = random.Random(7)
    for _ in range(rows):
        company = luck.randrange(50_000)
        name = f'"Company {company}, Inc."' if company % 50 == 0 else f"Company {company}"
        yield f"{_id(luck)},{luck.choice(NAMES)},{name},topic {luck.randrange(500)}\n"


def once(project: Project, rows: int, listed: int) -> tuple[Ran, Ran]:
    """Only read a sheet, and then run it dry."""
    write(project, rows, listed)
    words = [sys.executable, "-c", BARE, str(project.sheet)]
    bare = run(words, project.folder, core=CLIENT_CORE)
    return bare, project.run(project.campaign, "--dry-run", "--limit", "3")


def measure(sink: Sink, folder: Path, sizes: Sequence[int], rounds: int, tell: Tell) -> str:
    """The part of the page about dry runs: each size without a list, and with one of a tenth as
    many people."""
    project = Project(folder / "project", sink.base)
    rounds = min(rounds, MOST_ROUNDS)
    found: dict[tuple[int, int], Costs] = {}
    try:
        for size in sizes:
            for listed in (0, size // 10):
                costs = found[size, listed] = Costs()
                for _ in range(rounds):
                    add(costs, once(project, 1, 0), once(project, size, listed))
                tell(f"{size} rows, {listed} on a list: {ratio(costs.ratios)} of only reading")
    finally:
        shutil.rmtree(project.folder)
    return f"{as_table(found)}\n\nRounds: {rounds}."


def add(costs: Costs, start: tuple[Ran, Ran], whole: tuple[Ran, Ran]) -> None:
    """Add a round: both sides for one row, and for all."""
    bare, dry = (after.cpu - before.cpu for before, after in zip(start, whole, strict=True))
    costs.bare.append(bare)
    costs.dry.append(dry)
    costs.peak = max(costs.peak, whole[1].peak)


def as_table(found: dict[tuple[int, int], Costs]) -> str:
    """A line for each size of sheet and list."""
    rows = [
        [
            f"{size:,}",
            f"{listed:,}" if listed else "none",
            number(median(costs.bare) / size * 1e6),
            spread([each / size * 1e6 for each in costs.dry]),
            ratio(costs.ratios),
            number(AT_MOST) if size == max(SIZES) else "",
            number(costs.peak),
        ]
        for (size, listed), costs in found.items()
    ]
    head = (
        "rows", "on a list", "csv module, µs a row", "dry run, µs a row", "dry run / csv module",
        "at most", "memory, MB",
    )  # fmt: skip
    return table(head, rows)
