"""Many lanes on one worker: whether each message goes at its time, and what that costs.

Each of the teams sends at a steady pace, for some minutes. A message is late by what lies between
it and the one before in its lane, less the lane's gap and the answer. The sink answers every
request, so that a limit that was broken is found in the ledger: by the sends of a team in any 60
seconds.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path

from benchmarks import machine
from benchmarks.figures import number, table
from benchmarks.postgres import server
from benchmarks.processes import Process, Stuck
from benchmarks.teams import Size
from benchmarks.tools import Sink
from benchmarks.workers import LATENCY, LOOK, Bench, end

Tell = Callable[[str], None]

LANES = 500
GAP = 1.9
"""Seconds between two messages of a lane: 500 lanes are 260 messages a second. With 2 and more, and
all slots taken, a lane is let go after each message, which is another measure (a slice)."""

MINUTES = 10.0
MINUTE = 60.0
LATE = 2.0
"""Seconds by which no message is to be late."""

AT_START = 3
"""Of a lane's messages the first so many are told apart: all lanes start at once."""

ATTEMPTS = """
    SELECT lane, started_at FROM attempt WHERE outcome = 'accepted' ORDER BY lane, started_at
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How lanes kept their pace. `late` and `late_at_start`: seconds, of all messages but the
    first of each lane; `busiest`: the most sends of a team in any 60 seconds."""

    late: list[float]
    late_at_start: list[float]
    busiest: int


def pace_of(attempts: Iterable[tuple[str, float]], gap: float) -> Pace:
    """Judge attempts (lane, Unix seconds), ordered by both."""
    late: list[float] = []
    at_start: list[float] = []
    busiest = 0
    for _, found in groupby(attempts, key=itemgetter(0)):
        times = [at for _, at in found]
        for number_of, (before, at) in enumerate(pairwise(times), 1):
            told = max(0.0, at - before - gap - LATENCY)
            (at_start if number_of < AT_START else late).append(told)
        oldest = 0
        for newest, at in enumerate(times):
            while at - times[oldest] >= MINUTE:
                oldest += 1
            busiest = max(busiest, newest - oldest + 1)
    return Pace(late, at_start, busiest)


def measure(sink: Sink, folder: Path, minutes: float, tell: Tell) -> str:
    """The part of the page about many lanes on one worker."""
    with server(folder) as running:
        bench = Bench(running, sink, folder)
        described = machine.describe(folder)
        return f"{described}\n\n{driven(bench, LANES, GAP, min(MINUTES, minutes), tell)}"


def driven(bench: Bench, lanes: int, gap: float, minutes: float, tell: Tell) -> str:
    """Have one worker drive so many lanes, and judge how."""
    size = Size(lanes, max(AT_START + 2, math.ceil(minutes * MINUTE / gap)), pace=1 / gap)
    teams, name = bench.teams(size)
    tell(f"{lanes} teams are planned")
    with teams.start("worker", "--slots", str(lanes)).or_killed() as worker:
        bench.until_there(name, [worker])
        bench.sink.reset(LATENCY)
        teams.run("submit", *teams.campaigns, "--yes")
        bench.sink.first(worker)
        before, spent, began = bench.server.load(name), worker.cpu(), time.monotonic()
        counted = bench.sink.times().count
        connections = _watched(bench, name, worker, minutes, size.messages, tell)
        spent, seconds = worker.cpu() - spent, time.monotonic() - began
        messages = bench.sink.times().count - counted
        load = (bench.server.load(name) - before).times(1 / messages)
        end([worker])
        worker.wait()
    bench.server.let_go(name)
    refused = bench.server.ask_in(name, "SELECT count(*) FROM attempt WHERE http_status = 429")
    again = bench.server.ask_in(name, "SELECT count(*) FROM attempt WHERE number > 1")
    attempts = bench.server.ask_in(name, ATTEMPTS)
    pace = pace_of(attempts, gap)
    of_lanes = Counter(lane for lane, _ in attempts)
    if len(of_lanes) != lanes:
        raise Stuck(f"{lanes - len(of_lanes)} lanes have sent nothing")
    tell(f"late by {max(pace.late):.2f} s at most, {max(pace.late_at_start):.2f} s at the start")
    allowed = math.ceil(MINUTE / gap)
    rows = [
        ["messages a second", number(messages / seconds), number(lanes / (gap + LATENCY))],
        ["messages of a lane, the fewest and the most", f"{min(of_lanes.values())}, "
         f"{max(of_lanes.values())}", ""],
        ["late, the worst message, s", number(max(pace.late)), f"at most {LATE:.0f}"],
        ["late, one message of a thousand, s", number(_part(pace.late, 0.999)), ""],
        ["late, the median, s", number(_part(pace.late, 0.5)), ""],
        [f"late, the worst of a lane's first {AT_START}, s", number(max(pace.late_at_start)), ""],
        ["answers with 429", str(refused[0][0]), "0"],
        ["second attempts of a message", str(again[0][0]), "0"],
        ["sends of a team in 60 s, the most", str(pace.busiest), f"at most {allowed}"],
        ["sender CPU of a message, µs", number(1e6 * spent / messages), ""],
        ["database CPU of a message, µs", number(1e6 * load.cpu), ""],
        ["transactions of a message", number(load.transactions), ""],
        ["cores: the worker, PostgreSQL", f"{number(spent / seconds)}, "
         f"{number(load.cpu * messages / seconds)}", ""],
        ["connections, the most", str(connections), ""],
    ]  # fmt: skip
    told = (
        f"{lanes} teams on one worker with `--slots {lanes}`, a message of each every {gap:g} s, "
        f"{seconds / MINUTE:.1f} minutes; the API answers after {LATENCY * 1000:.0f} ms."
    )
    return f"{table(('', 'measured', 'wanted'), rows)}\n\n{told}"


def _watched(
    bench: Bench, name: str, worker: Process, minutes: float, messages: int, tell: Tell
) -> int:
    """Let it send for so many minutes, or all there is; the most connections meanwhile."""
    most, began, told = 0, time.monotonic(), 0.0
    while (passed := time.monotonic() - began) < minutes * MINUTE:
        most = max(most, bench.server.connections(name))
        sent = bench.sink.times().count
        if sent >= messages:
            break
        if not worker.alive:
            raise Stuck(f"it sends no more: {worker.said[-1500:]}")
        if passed - told >= MINUTE:
            tell(f"{sent:,} of {messages:,} messages after {passed / MINUTE:.0f} minutes")
            told = passed
        time.sleep(LOOK)
    return most


def _part(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]
