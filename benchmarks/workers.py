"""Workers on one PostgreSQL: how much they send, what a message costs them and the database, and
what would be needed for many teams."""

from __future__ import annotations

import math
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import machine
from benchmarks.figures import number, ratio, ratios, spread, table
from benchmarks.postgres import Load, Server, server
from benchmarks.processes import PATIENCE, Process, Stuck
from benchmarks.teams import Size, Teams
from benchmarks.tools import Sink
from runner.workers.next_due import KNOWN_FOR

Tell = Callable[[str], None]
"""Told how far it is, in a line."""

LATENCY = 0.02
"""Seconds that an answer takes."""

LOOK = 0.1
"""Seconds between two looks at how far it is."""

WORKERS = (0, 1, 2, 4)
"""Of the cases; 0 is one run of one machine, without workers."""

TEAMS, PER_MINUTE = 500, 300
"""What is reckoned for: so many teams, each at the API's limit."""

SLICE = KNOWN_FOR / 2
"""Seconds for which a lane is kept at least, where no other worker is to have it."""

WARM = 3
"""Of paced messages the first of so many parts is not counted."""

PAIR = 2
"""Workers by whose costs is reckoned."""

BUSY = 0.5
"""The part of a core that a worker process, which is little more than one thread, is to use."""


FULL = Size(8, 300)
SHORT = Size(40, 1)
PACED = Size(20, 75, pace=5)

CASES = (*((FULL, workers) for workers in WORKERS), *((SHORT, workers) for workers in WORKERS[1:]))
"""What is done in each round. One run has no short lanes: it sends them all at once."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a case came to: messages and lanes a second, seconds from the hand-over to the end, and
    for each message the processor seconds of all that sends, and the database's load.
    `connections`: the most that were open for each process."""

    messages: float
    lanes: float
    seconds: float
    cpu: float
    load: Load
    connections: float


@dataclass(slots=True)
class Bench:
    """A database server, a sink, and a planned ledger for each size, to be copied."""

    server: Server
    sink: Sink
    folder: Path
    planned: dict[Size, tuple[Teams, str]] = field(default_factory=dict)

    def teams(self, size: Size) -> tuple[Teams, str]:
        """Teams with everything planned and nothing sent, on a ledger of their own; and the name
        of its database."""
        if size not in self.planned:
            name = self.server.make()
            folder = self.folder / f"teams-{size.lanes}x{size.rows}"
            teams = Teams(folder, self.sink.base, size, self.server.url(name))
            teams.write()
            teams.run("db", "upgrade")
            teams.run(*teams.campaigns, "--limit", "0", "--yes")
            self.server.let_go(name)
            self.planned[size] = teams, name
        teams, planned = self.planned[size]
        name = self.server.make(planned)
        teams.state = self.server.url(name)
        return teams, name

    def send(self, size: Size, workers: int, idle: Load | None = None) -> Done:
        """Have everything sent, by so many workers. `idle`: what one of them costs the database in
        a second anyway, which is taken off."""
        teams, name = self.teams(size)
        slots = max(1, -(-size.lanes // workers)) if workers else 0
        with ExitStack() as stack:
            senders = [
                stack.enter_context(teams.start("worker", "--slots", str(slots)).or_killed())
                for _ in range(workers)
            ]
            self.until_there(name, senders)
            self.sink.reset(LATENCY)
            self.server.checkpoint()
            before, began = self.server.load(name), time.monotonic()
            spent, counted = sum(each.cpu() for each in senders), size.messages
            if workers:
                teams.run("submit", *teams.campaigns, "--yes")
            else:
                sender = stack.enter_context(teams.start(*teams.campaigns, "--yes").or_killed())
                self.sink.first(sender)
                senders, spent = [sender], sender.cpu()
            if size.pace:  # what a process and its lanes do once is not a message's
                self.until_sent(name, size.messages // WARM, senders)
                before, began = self.server.load(name), time.monotonic()
                spent = sum(each.cpu() for each in senders)
                counted -= self.sink.times().count
            connections = self.until_sent(name, size.messages, senders)
            seconds = time.monotonic() - began
            if workers:
                used = sum(each.cpu() for each in senders) - spent
                end(senders)
                for each in senders:
                    each.wait()
            else:
                used = senders[0].wait().cpu - spent
        self.server.let_go(name)
        load = self.server.load(name) - before
        if idle is not None:
            load -= idle.times(workers * seconds)
        asked = "SELECT count(*) FROM message WHERE status = 'sent'"
        if (found := self.server.ask_in(name, asked)) != [(size.messages,)]:
            raise Stuck(f"the ledger knows {found} of {size.messages} as sent")
        times = self.sink.times()
        span, count = times.last - times.first, size.messages
        per_process = connections / max(1, workers)
        return Done(
            count / span, size.lanes / span, seconds, used / counted, load.times(1 / counted),
            per_process,
        )  # fmt: skip

    def idle(self, seconds: float, size: Size | None) -> tuple[Load, float]:
        """What a worker costs the database in a second, and itself (processor seconds), while all
        lanes wait: those of `size`, or none."""
        teams, name = self.teams(size or Size(1, 1))
        if size is not None:
            teams.run("submit", *teams.campaigns, "--yes", "--start", "2099-01-01T09:00")
        with teams.start("worker").or_killed() as worker:
            self.until_there(name, [worker])
            time.sleep(3 * LOOK if size is None else seconds / 2)  # each lane is met once
            before, spent = self.server.load(name), worker.cpu()
            time.sleep(seconds)
            spent = worker.cpu() - spent
            load = self.server.load(name) - before
            end([worker])
            worker.wait()
        self.server.let_go(name)
        return load.times(1 / seconds), spent / seconds

    def until_there(self, name: str, workers: list[Process]) -> None:
        """Wait until so many workers ask for work."""
        asked = "SELECT count(*) FROM procrastinate_workers"
        for _ in _looking(workers):
            if self.server.ask_in(name, asked) == [(len(workers),)]:
                return

    def until_sent(self, name: str, messages: int, senders: list[Process]) -> int:
        """Wait until everything is sent and written down; the most connections meanwhile."""
        most = 0
        for _ in _looking([]):
            most = max(most, self.server.connections(name))
            if self.sink.times().count >= messages:
                break
            if not any(each.alive for each in senders):
                raise Stuck(f"nobody sends any more: {senders[0].said[-1500:]}")
        return most


def _looking(processes: list[Process]) -> Iterator[None]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
        if not all(each.alive for each in processes):
            raise Stuck(f"a worker has ended: {[each.said[-500:] for each in processes]}")
        time.sleep(LOOK)
    raise Stuck("it takes too long")


def end(workers: list[Process]) -> None:
    for each in workers:
        each.popen.send_signal(signal.SIGTERM)


Found = Mapping[tuple[Size, int], list[Done]]


def series(bench: Bench, rounds: int, tell: Tell) -> Found:
    """Full speed and short lanes, by one run and by workers, in turns within each round."""
    found: dict[tuple[Size, int], list[Done]] = defaultdict(list)
    for turn in range(rounds):
        for size, workers in CASES:
            done = bench.send(size, workers)
            found[size, workers].append(done)
            rate = f"{done.messages:.0f} messages, {done.lanes:.1f} lanes a second"
            tell(f"round {turn + 1}: {size}: {workers or 'no'} workers: {rate}")
    return found


def speed_table(found: Found) -> str:
    """How fast it went."""
    one = [each.messages for each in found[FULL, 0]]
    rows = []
    for workers in WORKERS:
        full = [each.messages for each in found[FULL, workers]]
        short = [each.lanes for each in found.get((SHORT, workers), [])]
        rows.append(
            [
                _name(workers),
                spread(full),
                ratio(ratios(full, one)) if workers else "",
                spread(short) if short else "–",
            ]
        )
    head = ("", "messages a second", "by those of one run", "lanes of one message, a second")
    return table(head, rows)


def _name(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}" if workers else "one run, no worker"


def middle(runs: list[Done]) -> Done:
    """The median of each figure."""

    def of(get: Callable[[Done], float]) -> float:
        return median(get(each) for each in runs)

    load = Load(
        of(lambda each: each.load.transactions),
        of(lambda each: each.load.rows),
        of(lambda each: each.load.wal),
        of(lambda each: each.load.cpu),
    )
    return Done(
        of(lambda each: each.messages), of(lambda each: each.lanes), of(lambda each: each.seconds),
        of(lambda each: each.cpu), load, of(lambda each: each.connections),
    )  # fmt: skip


COSTS = ("transactions", "rows written", "WAL, bytes", "database CPU, µs", "sender CPU, µs")


def cost_row(name: str, load: Load, cpu: float) -> list[str]:
    """A line of the table of costs."""
    figures = (load.transactions, load.rows, load.wal, load.cpu * 1e6, cpu * 1e6)
    return [name, *(number(max(0.0, each)) for each in figures)]


def cost_table(full: Mapping[int, Done], paced: Mapping[int, Done], short: Done) -> str:
    """What a message and a slice cost."""
    rows = [cost_row(f"full speed, {_name(count)}", it.load, it.cpu) for count, it in full.items()]
    rows += [cost_row(f"paced, {_name(count)}", it.load, it.cpu) for count, it in paced.items()]
    rows.append(cost_row(f"a slice of one message, {_name(PAIR)}", short.load, short.cpu))
    return table(("a message", *COSTS), rows)


def idle_table(alone: tuple[Load, float], beside: tuple[Load, float]) -> str:
    """What waiting costs in a second."""
    lane = (beside[0] - alone[0]).times(1 / PACED.lanes)
    rows = [
        cost_row("an idle worker, no lanes", *alone),
        cost_row(f"the same, with {PACED.lanes} lanes that wait", *beside),
        cost_row("so for each lane that waits", lane, (beside[1] - alone[1]) / PACED.lanes),
    ]
    return table(("in a second", *COSTS), rows)


def reckoning(paced: Done, slice: Done, idle: Load, connections: float) -> str:
    """What many teams would need, by the costs that were measured."""
    rate, slices = TEAMS * PER_MINUTE / 60, TEAMS / SLICE
    cpu = rate * paced.cpu + slices * slice.cpu
    workers = math.ceil(cpu / BUSY)
    need = paced.load.times(rate) + slice.load.times(slices) + idle.times(workers)

    def formula(cost: Callable[[Load], float], unit: str = "") -> str:
        of_message, of_slice, of_worker = (
            number(cost(each)) + unit for each in (paced.load, slice.load, idle)
        )
        return f"{rate:,.0f} × {of_message} + {slices:.1f} × {of_slice} + {workers:,} × {of_worker}"

    own = f"{rate:,.0f} × {number(paced.cpu * 1e6)} µs + {slices:.1f} × "
    rows = [
        ["cores for the workers", f"{own}{number(slice.cpu * 1e6)} µs", number(cpu)],
        ["worker processes", f"{number(cpu)} cores / {BUSY} of a core each", f"{workers:,}"],
        ["`--slots`, at least", f"{TEAMS} / {workers:,}", f"{math.ceil(TEAMS / workers):,}"],
        ["cores for PostgreSQL", formula(lambda each: each.cpu * 1e6, " µs"), number(need.cpu)],
        ["transactions a second", formula(lambda each: each.transactions),
         number(need.transactions)],
        ["rows written a second", formula(lambda each: each.rows), number(need.rows)],
        ["WAL, MB a second", formula(lambda each: each.wal / 1000, " KB"), number(need.wal / 1e6)],
        ["connections", f"{workers:,} × {number(connections)}", number(workers * connections)],
    ]  # fmt: skip
    return table(("needed", "how it is calculated", "figure"), rows)


def measure(sink: Sink, folder: Path, rounds: int, seconds: float, tell: Tell) -> str:
    """The part of the page about many machines."""
    with server(folder) as running:
        described = machine.describe(folder)
        bench = Bench(running, sink, folder)
        alone = bench.idle(2 * seconds, None)
        beside = bench.idle(2 * seconds, PACED)
        tell(f"idle: {alone[0].transactions:.1f} transactions a second")
        paced = {count: bench.send(PACED, count, alone[0]) for count in (0, PAIR)}
        tell(f"paced: {paced[PAIR].messages:.0f} messages a second")
        found = series(bench, rounds, tell)
        full = {workers: middle(found[FULL, workers]) for workers in WORKERS}
        slice = middle(found[SHORT, PAIR])
        connections = max(each.connections for each in (*full.values(), *paced.values(), slice))
        return "\n".join(
            (
                described,
                f"- PostgreSQL {running.version()} with the settings that it comes with, over a "
                "socket of the same machine",
                "",
                speed_table(found),
                "",
                f"Rounds: {rounds}. {FULL.lanes} teams of {FULL.rows} messages each, then "
                f"{SHORT.lanes} teams of one message; the API answers after "
                f"{LATENCY * 1000:.0f} ms.",
                "",
                cost_table(full, paced, slice),
                "",
                f"Paced: {PACED.lanes} teams at {PACED.pace:.0f} messages a second each, the "
                "first third not counted. At most "
                f"{number(connections)} connections of each process were open at once.",
                "",
                idle_table(alone, beside),
                "",
                f"**Calculated, not measured:** {TEAMS} teams at {PER_MINUTE} messages a minute, "
                f"{TEAMS * PER_MINUTE / 60:,.0f} a second, by the costs of a paced message and of "
                f"a slice, of which each team has one in {SLICE:.0f} s:",
                "",
                reckoning(paced[PAIR], slice, alone[0], connections),
            )
        )
