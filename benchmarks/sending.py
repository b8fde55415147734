"""The durable sender against a bare loop, by the server's latency and how many are under way."""

from __future__ import annotations

import importlib.util
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.figures import number, ratio, ratios, spread, table
from benchmarks.processes import CLIENT_CORE, Process, Stuck, start
from benchmarks.projects import Project
from benchmarks.tools import Sink, python_module, raw_load, slow_sync

Tell = Callable[[str], None]
"""Told how far it is, in a line."""

FASTEST = 6000.0
"""Messages a second that are reckoned with when a case's size is chosen."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked of the senders. `latency` and `sync` (added to each disk sync) in ms."""

    latency: float
    at_once: int
    version: str = "v2"
    sync: float = 0
    target: str = ""

    def rows(self, seconds: float) -> int:
        """Messages that take about so many seconds."""
        rate = min(FASTEST, self.at_once / (self.latency / 1000) if self.latency else FASTEST)
        return max(2 * self.at_once, int(rate * seconds))


CASES = (
    *(Case(0, many, target=target) for many, target in ((16, ""), (64, "0.85"), (256, ""))),
    *(Case(20, many, target=target) for many, target in ((16, ""), (64, ""), (256, "0.93"))),
    *(Case(200, many) for many in (16, 64, 256)),
    Case(20, 64, version="v1"),
    Case(20, 64, sync=5, target="0.95"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One run of a sender: messages and processor microseconds, from its first to its last."""

    rate: float
    cpu: float
    start_up: float  # seconds from its start to its first request


@dataclass(slots=True)
class Rounds:
    """What the rounds of a case gave."""

    bare: list[Sent] = field(default_factory=list)
    durable: list[Sent] = field(default_factory=list)
    fast: list[Sent] = field(default_factory=list)


def measured(begin: Callable[[], Process], sink: Sink, rows: int, latency: float) -> Sent:
    """Let a sender send so many messages, by the sink's own count and clock."""
    sink.reset(latency / 1000)
    process = begin()
    with process.or_killed():
        first = sink.first(process)
        before = process.cpu()
        ran = process.wait()
    times = sink.times()
    if times.count != rows:
        raise Stuck(f"{times.count} of {rows} were sent: {ran.out[-500:]}")
    cpu = (ran.cpu - before) / rows * 1e6
    return Sent(times.rate, cpu, first.first - process.began)


def durable(case: Case, sink: Sink, folder: Path, rows: int) -> Sent:
    """The installed `run-campaign`, on a new ledger."""
    project = Project(folder / "project", sink.base, case.version)
    project.write(rows, at_once=case.at_once)
    env = slow_sync(folder / "bin", case.sync)
    try:
        sent = measured(
            partial(project.start, project.campaign, "--yes", env=env), sink, rows, case.latency
        )
        if project.sent() != rows:
            raise Stuck(f"the ledger knows {project.sent()} of {rows} as sent")
        return sent
    finally:
        shutil.rmtree(project.folder)


def bare(case: Case, sink: Sink, folder: Path, rows: int, *more: str) -> Sent:
    """A loop that keeps no state."""
    module, env = python_module("benchmarks.bare")
    words = [*module, sink.base, case.version, str(rows), str(case.at_once), *more]
    begin = partial(start, words, folder, env=env, core=CLIENT_CORE)
    return measured(begin, sink, rows, case.latency)


def has_fast() -> bool:
    """Whether the harder baseline can be run."""
    return all(importlib.util.find_spec(name) for name in ("uvloop", "orjson"))


def series(
    cases: Sequence[Case], sink: Sink, folder: Path, rounds: int, seconds: float, tell: Tell
) -> dict[Case, Rounds]:
    """Every case so often, the senders in turns within each round."""
    found: dict[Case, Rounds] = defaultdict(Rounds)
    for turn in range(rounds):
        for case in cases:
            rows, result = case.rows(seconds), found[case]
            result.bare.append(bare(case, sink, folder, rows))
            result.durable.append(durable(case, sink, folder, rows))
            if has_fast():
                result.fast.append(bare(case, sink, folder, rows, "fast"))
            last = [each[-1].rate for each in (result.bare, result.durable, result.fast) if each]
            tell(f"round {turn + 1}: {case}: {' / '.join(f'{rate:.0f}' for rate in last)} a second")
    return dict(found)


def as_table(found: dict[Case, Rounds]) -> str:
    """The rounds as a table."""
    rows = []
    for case, it in found.items():
        bare_rates, rates = [each.rate for each in it.bare], [each.rate for each in it.durable]
        fast = [each.rate for each in it.fast]
        rows.append(
            [
                f"{number(case.latency)} ms" + (f", sync +{case.sync:.0f} ms" if case.sync else ""),
                str(case.at_once),
                case.version,
                spread(bare_rates),
                spread(rates),
                ratio(ratios(rates, bare_rates)),
                case.target,
                _cpu(it.bare),
                _cpu(it.durable),
                spread(fast) if fast else "–",
                ratio(ratios(rates, fast)) if fast else "–",
            ]
        )
    head = (
        "answer after", "at once", "API", "bare, a second", "durable, a second", "durable / bare",
        "at least", "bare, CPU µs", "durable, CPU µs", "bare on uvloop, a second",
        "durable / that",
    )  # fmt: skip
    return table(head, rows)


def _cpu(runs: Sequence[Sent]) -> str:
    return number(median(each.cpu for each in runs))


def measure(sink: Sink, folder: Path, rounds: int, seconds: float, tell: Tell) -> str:
    """The part of the page about sending."""
    load = [raw_load(sink, folder, many, min(seconds, 2.0)) for many in (16, 64, 256)]
    found = series(CASES, sink, folder, rounds, seconds, tell)
    start_ups = [each.start_up for it in found.values() for each in it.durable]
    told = " / ".join(number(rate) for rate in load)
    return (
        f"{as_table(found)}\n\nRounds: {rounds}. The sink by itself, asked by a C program at 16 / "
        f"64 / 256 at once: {told} answers a second. From the start of `run-campaign` to its first "
        f"request, planning included: {spread(start_ups)} s."
    )
