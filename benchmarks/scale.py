"""What it costs to plan, look, export and resume, by the number of rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.figures import number, spread, table
from benchmarks.processes import CLIENT_CORE, Ran, run
from benchmarks.projects import Project, half_sent
from benchmarks.tools import Sink, python_module

Tell = Callable[[str], None]

SIZES = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(slots=True)
class Costs:
    """What the rounds of one size gave: a list per step. `resume` and `first_batch`: seconds."""

    steps: dict[str, list[Ran]] = field(default_factory=dict)
    resume: list[float] = field(default_factory=list)
    first_batch: list[float] = field(default_factory=list)
    ledger: float = 0.0  # megabytes, half sent

    def add(self, step: str, ran: Ran) -> None:
        self.steps.setdefault(step, []).append(ran)


def once(costs: Costs, rows: int, sink: Sink, folder: Path) -> None:
    """One round of one size, on a new project."""
    project = Project(folder / "project", sink.base)
    project.write(rows, faulty=True)
    try:
        costs.add("dry run", project.run(project.campaign, "--dry-run", "--limit", "1"))
        plan_half_sent(costs, project)
        costs.add("status", project.run("status", project.campaign))
        for kind in ("csv", "xlsx"):
            target = project.folder / f"results.{kind}"
            costs.add(kind, project.run("export", project.campaign, "-o", target.name))
            target.unlink()
        resume(costs, project, sink)
    finally:
        shutil.rmtree(project.folder)


def plan_half_sent(costs: Costs, project: Project) -> None:
    """Plan the campaign, and make it look as if the first half had been sent."""
    costs.add("plan", project.run(project.campaign, "--yes", "--limit", "0"))
    half_sent(project.ledger)
    costs.ledger = project.ledger.stat().st_size / 1e6


def resume(costs: Costs, project: Project, sink: Sink) -> None:
    """Go on with a campaign until its next message has been sent."""
    module, env = python_module("benchmarks.first_batch")
    told = run([*module, project.ledger], project.folder, env=env, core=CLIENT_CORE)
    costs.first_batch.append(float(told.out))
    sink.reset()
    process = project.start(project.campaign, "--yes", "--limit", "1")
    with process.or_killed():
        first = sink.first(process)
        costs.resume.append(first.first - process.began)
        costs.add("resume", process.wait())


def as_table(found: dict[int, Costs]) -> str:
    """A row per size: seconds (and megabytes of memory) of each step."""
    rows = [
        [
            f"{size:,}",
            *(_cell(costs.steps[step]) for step in ("dry run", "plan", "status", "csv", "xlsx")),
            f"{spread(costs.resume, 2)} ({_peak(costs.steps['resume'])})",
            f"{number(median(costs.first_batch) * 1000, 2)}",
            number(costs.ledger, 2),
        ]
        for size, costs in found.items()
    ]
    head = (
        "rows", "dry run, s (MB)", "plan, s (MB)", "status, s (MB)", "export to .csv, s (MB)",
        "export to .xlsx, s (MB)",
        "resume to first request, s (MB)", "of which first batch, ms", "ledger, MB",
    )  # fmt: skip
    return table(head, rows)


def _cell(runs: Sequence[Ran]) -> str:
    return f"{spread([each.seconds for each in runs], 2)} ({_peak(runs)})"


def _peak(runs: Sequence[Ran]) -> str:
    return number(max(each.peak for each in runs))


def measure(sink: Sink, folder: Path, sizes: Sequence[int], rounds: int, tell: Tell) -> str:
    """The part of the page about size. The largest size is measured once."""
    found: dict[int, Costs] = {}
    for size in sizes:
        costs = found[size] = Costs()
        for turn in range(rounds if size < max(SIZES) else 1):
            once(costs, size, sink, folder)
            tell(f"{size} rows, round {turn + 1}: {as_table({size: costs}).splitlines()[-1]}")
    return as_table(found)
