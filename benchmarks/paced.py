"""What a paced message costs: one lane at 5 messages a second on SQLite, beside a bare loop at the
same pace; and 20 teams at that pace on PostgreSQL with two workers.

Processor time is that of a whole process between two moments of its steady state, so that its start
is not in it. A processor that has slept runs what it has forgotten: a paced message costs several
times one of many, a bare one too. Both run at the same moment, so that they share what else the
machine does; counts depend on that least.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures import number, ratio, ratios, spread, table
from benchmarks.postgres import Load, server
from benchmarks.processes import Process, Stuck, start
from benchmarks.projects import Project
from benchmarks.tools import HERE, Sink, python_module, sink
from benchmarks.workers import PACED, PAIR, Bench, Done

Tell = Callable[[str], None]

GAP = 0.2
"""Seconds between two messages of a sender."""

LATENCY = 0.02
"""Seconds that an answer takes."""

WARM = 5.0
"""Seconds from the first message on that are not measured."""

MORE = 2.0
"""Of the messages that a measurement takes, so many are there."""

COUNTS = ("turns", "timers", "hand-overs", "transactions")
"""What is counted inside of a run (`benchmarks/inside`)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Messages answered, processor seconds and counts so far."""

    messages: int
    cpu: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one message costs: processor seconds, and how often what is done."""

    cpu: float
    counts: Mapping[str, float]


def look(sink: Sink, process: Process, counts: Path | None) -> Moment:
    """What a sender has done so far."""
    told: Mapping[str, int] = {}
    if counts is not None:
        counts.unlink(missing_ok=True)
        process.popen.send_signal(signal.SIGUSR2)
        while not counts.exists():
            if not process.alive:
                raise Stuck(f"a sender has ended: {process.said[-500:]}")
            time.sleep(0.01)
        told = json.loads(counts.read_text())
    return Moment(sink.times().count, process.cpu(), told)


def cost(before: Moment, after: Moment) -> Cost:
    """What a message has cost between two moments."""
    messages = after.messages - before.messages
    if messages <= 0:
        raise Stuck("nothing was sent")
    counts = {name: (after.counts[name] - before.counts[name]) / messages for name in after.counts}
    return Cost((after.cpu - before.cpu) / messages, counts)


def one_lane(folder: Path, seconds: float) -> tuple[Cost, Cost]:
    """What a message costs a run and a bare loop, each with a sink of its own."""
    rows = int((WARM + seconds) / GAP * MORE)
    with ExitStack() as stack:
        sinks = [stack.enter_context(sink(folder)) for _ in range(2)]
        project = Project(folder / "paced", sinks[0].base)
        stack.callback(shutil.rmtree, project.folder, ignore_errors=True)
        project.write(rows)
        text = project.campaign.read_text().replace("gap: none", f"gap: {GAP * 1000:.0f}ms")
        project.campaign.write_text(text)
        project.run(project.campaign, "--yes", "--limit", "0")
        for each in sinks:
            each.reset(LATENCY)
        counts = project.folder / "counts.json"
        inside = {"PYTHONPATH": str(HERE / "inside"), "BENCH_COUNTS": str(counts)}
        module, env = python_module("benchmarks.bare")
        words = [*module, sinks[1].base, "v2", str(rows), "1", f"gap={GAP}"]
        own = stack.enter_context(project.start(project.campaign, "--yes", env=inside).or_killed())
        bare = stack.enter_context(start(words, folder, env=env, name="bare").or_killed())
        sinks[0].first(own)
        sinks[1].first(bare)
        time.sleep(WARM)
        before = look(sinks[0], own, counts), look(sinks[1], bare, None)
        time.sleep(seconds)
        after = look(sinks[0], own, counts), look(sinks[1], bare, None)
        return cost(before[0], after[0]), cost(before[1], after[1])


def measure(teams_sink: Sink, folder: Path, rounds: int, seconds: float, tell: Tell) -> str:
    """The part of the page about paced messages."""
    lanes: list[tuple[Cost, Cost]] = []
    teams: list[Done] = []
    with server(folder) as running:
        bench = Bench(running, teams_sink, folder)
        for turn in range(rounds):
            lanes.append(one_lane(folder, 6 * seconds))
            own, bare = (each.cpu * 1e6 for each in lanes[-1])
            tell(f"round {turn + 1}: one lane {own:,.0f} µs, bare {bare:,.0f} µs a message")
            teams.append(bench.send(PACED, PAIR))
            sender, database = teams[-1].cpu * 1e6, teams[-1].load.cpu * 1e6
            tell(f"round {turn + 1}: teams: {sender:,.0f} µs, database {database:,.0f} µs")
    ours, bares = ([each[of].cpu * 1e6 for each in lanes] for of in range(2))
    counted = [number(median(own.counts[name] for own, _ in lanes)) for name in COUNTS]

    def of_teams(get: Callable[[Done, Load], float]) -> str:
        return spread([get(each, each.load) for each in teams])

    rows = [
        ["bare, one sender", spread(bares), "1", "", "", "", "", ""],
        ["one lane, SQLite", spread(ours), ratio(ratios(ours, bares)), "", *counted],
        [f"{PACED.lanes} teams, PostgreSQL, {PAIR} workers",
         of_teams(lambda each, _: each.cpu * 1e6), "", of_teams(lambda _, load: load.cpu * 1e6),
         "", "", "", of_teams(lambda _, load: load.transactions)],
    ]  # fmt: skip
    head = ("a paced message", "sender, CPU µs", "of bare", "database, CPU µs", "turns of the loop",
            "timers", "hand-overs by threads", "transactions")  # fmt: skip
    return f"{table(head, rows)}\n\nRounds: {rounds}. Each sender at {1 / GAP:.0f} a second."
