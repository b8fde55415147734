"""What a message and a planned row cost in instructions: a count, so that neither the machine's
speed nor what else it does matters.

Counted by valgrind (callgrind), in user space alone: what the kernel does for sockets and disk is
not in it, nor is waiting. Each command runs at two sizes, and only their difference counts: the
start of Python and of the program is the same in both.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import number, table
from benchmarks.processes import RUN_CAMPAIGN, Stuck, run
from benchmarks.projects import Project
from benchmarks.tools import Sink, python_module

Tell = Callable[[str], None]

AT_ONCE = 64
MESSAGES, ROWS = (1_000, 4_000), (4_000, 12_000)
SAME = {"PYTHONHASHSEED": "0"}
"""Dictionaries that are laid out alike in every run."""


def measure(sink: Sink, folder: Path, tell: Tell) -> str:
    """The part of the page about instructions."""
    bare = each(MESSAGES, lambda count: _bare(sink, folder, count))
    tell(f"bare: {bare:,.0f} a message")
    durable = each(MESSAGES, lambda count: _durable(sink, folder, count))
    tell(f"durable: {durable:,.0f} a message")
    planned = each(ROWS, lambda count: _planned(sink, folder, count))
    tell(f"plan: {planned:,.0f} a row")
    rows = [
        ["bare, a message", number(bare), "1"],
        ["durable, a message", number(durable), f"{durable / bare:.2f}"],
        ["plan, a row of ten columns", number(planned), f"{planned / bare:.2f}"],
    ]
    return table(("what", "instructions", "of bare"), rows)


def each(sizes: tuple[int, int], count: Callable[[int], int]) -> float:
    """Instructions that one more costs."""
    small, large = sizes
    return (count(large) - count(small)) / (large - small)


def collected(said: str) -> int:
    """What callgrind has counted. Raises Stuck if it did not say."""
    found = re.findall(r"Collected : (\d+)", said)
    if not found:
        raise Stuck(f"callgrind told no count: {said[-500:]}")
    return int(found[-1])


def _counted(words: Sequence[str], folder: Path, env: dict[str, str]) -> int:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Stuck("counting instructions needs valgrind: apt-get install valgrind")
    tool = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    return collected(run([*tool, *words], folder, env=env | SAME).out)


def _bare(sink: Sink, folder: Path, messages: int) -> int:
    module, env = python_module("benchmarks.bare")
    sink.reset()
    return _counted([*module, sink.base, "v2", str(messages), str(AT_ONCE)], folder, env)


def _durable(sink: Sink, folder: Path, messages: int) -> int:
    with _project(sink, folder) as project:
        project.write(messages, at_once=AT_ONCE)
        project.run(project.campaign, "--yes", "--limit", "0")
        return _of(project)


def _planned(sink: Sink, folder: Path, rows: int) -> int:
    with _project(sink, folder) as project:
        project.write(rows, faulty=True)
        return _of(project, "--limit", "0")


@contextmanager
def _project(sink: Sink, folder: Path) -> Iterator[Project]:
    sink.reset()
    project = Project(folder / "project", sink.base)
    try:
        yield project
    finally:
        shutil.rmtree(project.folder)


def _of(project: Project, *more: str) -> int:
    python = [] if RUN_CAMPAIGN[0] == sys.executable else [sys.executable]
    words = [*python, *RUN_CAMPAIGN, str(project.campaign), "--yes", *more]
    return _counted(words, project.folder, project.env)
