"""`--sandbox --days N`: a rehearsal of N days in seconds, under a virtual clock.

What runs is a live run: its planning, ledger, pacing, schedule, sending and reading of replies.
Only its event loop differs, which waits for nothing and has the stand-in API in the same time.
Where a run has ended, the campaigns are run once a day, as cron would.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from runner.campaign.schema import Campaign
from runner.channels.base import Token
from runner.cli.invocation import Invocation
from runner.cli.live_run import attach_watchers, options_of
from runner.cli.output import tell_run_end
from runner.cli.rehearsal.day_table import DAY, DayTable, at_text
from runner.cli.rehearsal.progress import DayProgress
from runner.cli.rehearsal.stand_in import stand_in
from runner.clock import SystemClock
from runner.errors import RunnerError
from runner.events import Event, EventBus, Planned
from runner.formats import number, safe
from runner.ledger.ledger import open_ledger
from runner.planning.dates.eta import zone_of
from runner.project.campaign_files import load
from runner.project.credentials import SANDBOX_TOKEN
from runner.project.ledgers.ledger_location import LEDGER_NAME
from runner.run.exit_code import RunResult
from runner.run.handles import resolve_rehearsed
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns
from runner.sandbox.acts import perform_due
from runner.sandbox.answers import USUAL_ANSWERS, Answers, Trouble, load_answers
from runner.sandbox.server import Sandbox
from runner.terminal.counters import Tally
from runner.terminal.display import open_display
from runner.virtual.loop import VirtualClock, VirtualLoop

T = TypeVar("T")

ANSWER_SECONDS = 0.15
"""Seconds in which the stand-in answers, in virtual time. Our own choice."""

KEPT_SECONDS = 1.0
"""Seconds for which a connection is kept: the client looks after each one every few seconds."""

LOOKS_EVERY = 3600.0
"""Seconds between looks for what people have stopped: nobody can, since the ledger is thrown
away."""

READ_EVERY = 120.0
"""Seconds between readings of replies for each day rehearsed: at most 720 readings in all, however
long it is. Our own choice: they are most of what a long rehearsal of few people costs."""

MANY = 20_000
"""Messages from which on a person is told that it will take long."""

SECONDS_EACH = 0.02
"""Seconds that a message takes, replies and all, as it was measured on 2 cores."""

UNSOUND = 4
"""Exit code where a person got a message twice, or after an answer: see `RunResult.exit_code`."""


def rehearse_days(
    call: Invocation,
    campaigns: tuple[Path, ...],
    faults: tuple[str, ...],
    said: dict[str, Any],
    days: int,
    people: Path | None,
) -> int:
    """Rehearse campaigns for so many days; return the exit code."""
    try:
        answers = USUAL_ANSWERS if people is None else load_answers(people, rehearsal=True)
    except ValueError as problem:
        raise click.UsageError(f"--people: {problem}") from None
    as_json = said["log_format"] == "json"
    loaded = load(campaigns)
    click.echo("sandbox: nothing real is sent; the ledger is thrown away", err=as_json)
    for each in loaded:
        if each.api.version == "v1":
            told = f"{each.name}: replies are not read on v1: no answer stops anything"
            click.echo(told, err=as_json)
    with tempfile.TemporaryDirectory(prefix="run-campaign-") as folder:
        state = str(Path(folder) / LEDGER_NAME)
        rehearsal = _Rehearsal.of(loaded, campaigns, said, days, answers, faults, state)
        with rehearsal.shown():
            failure = rehearsal.play()
        code = rehearsal.tell()
    if failure is not None:
        raise failure
    return code


@dataclass(slots=True)
class _Rehearsal:
    """One rehearsal. `left`: of `--limit`; `killing`: the run dies at its next send."""

    campaigns: list[Campaign]
    paths: tuple[Path, ...]
    options: Options
    said: dict[str, Any]
    days: int
    troubles: tuple[Trouble, ...]
    sandbox: Sandbox
    runner: asyncio.Runner
    around: Surroundings
    table: DayTable
    progress: DayProgress
    result: RunResult = field(default_factory=RunResult)
    killing: bool = False
    killed: int = 0
    _main: asyncio.Task[Any] | None = None

    @classmethod
    def of(
        cls,
        campaigns: list[Campaign],
        paths: tuple[Path, ...],
        said: dict[str, Any],
        days: int,
        answers: Answers,
        faults: tuple[str, ...],
        state: str,
    ) -> _Rehearsal:
        """Return a rehearsal that begins now."""
        loop = VirtualLoop()
        clock = VirtualClock(loop, SystemClock().now())
        sandbox = stand_in(
            campaigns,
            faults,
            said["state"],
            clock=clock.now,
            latency=ANSWER_SECONDS,
            keepalive=KEPT_SECONDS,
            answers=answers,
            specials={},
        )
        options = replace(
            options_of(said),
            yes=True,
            state=state,
            token=Token(SANDBOX_TOKEN),
            throwaway=True,
            controls_every=LOOKS_EVERY,
            replies_every=READ_EVERY * days,
        )
        bus, runner = EventBus(), asyncio.Runner(loop_factory=lambda: loop)
        opened = partial(open_ledger, in_loop=True)
        around = Surroundings(clock, bus, os.environ, open_ledger=opened)
        end = clock.now() + days * DAY
        table = DayTable(sandbox.service.store, state, zone_of(campaigns), clock.now(), end)
        quiet = said["quiet"] or said["log_format"] == "json" or said["verbose"]
        progress = DayProgress(table, days, quiet=quiet)
        its = cls(
            campaigns, paths, options, said, days, answers.troubles, sandbox, runner, around,
            table, progress,
        )  # fmt: skip
        around.run = its._run
        sandbox.options.accepts = its._accepted
        return its

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show its events as far as they are asked for: all as JSON, or each message."""
        said, bus = self.said, self.around.bus
        as_json = said["log_format"] == "json"
        port, address = said["metrics_port"], said["metrics_address"]
        attach_watchers(bus, self.around.clock, said["log_file"], port, address)
        bus.watch(self._warn)
        with self.progress.open():
            if not (as_json or said["verbose"]):
                yield
                return
            tally = Tally()
            with open_display(sys.stdout, tally, as_json=as_json, quiet=True, verbose=True) as out:
                bus.watch(tally.watch)
                bus.watch(out.watch)
                yield

    def play(self) -> RunnerError | None:
        """Live it through; return what has ended it early. Raises that where nothing was sent."""
        try:
            with self.runner:
                self._live()
        except KeyboardInterrupt:
            self.result.interrupted = True
        except RunnerError as error:
            if not self.sandbox.accepted:
                raise
            return error
        return None

    def _live(self) -> None:
        """Run the campaigns, again and again, until the days are over."""
        clock, end = self.around.clock, self.table.end
        stack = AsyncExitStack()
        base = self.runner.run(stack.enter_async_context(self.sandbox.serve()))
        self._set_timers()
        options = replace(self.options, at=base)
        for path in self.paths:
            quiet = replace(self.around, bus=EventBus())
            resolve_rehearsed(path, options, quiet)
        while (left := end - clock.now()) > 0:
            sent = len(self.sandbox.accepted)
            limit = None if options.limit is None else max(0, options.limit - sent)
            its = replace(options, limit=limit, stop_after=left)
            killed, self.result = self.killed, run_campaigns(self.paths, its, self.around)
            if self.killed > killed:
                self.result.interrupted = False
                continue
            if self._is_over():
                break
            self.runner.run(asyncio.sleep(min(DAY, end - clock.now())))
        self.runner.run(stack.aclose())

    def _is_over(self) -> bool:
        """Return whether the run has ended in a way after which nobody would run it daily."""
        result = self.result
        stopped = result.guarded or result.halted or result.paused or bool(result.stopped)
        return result.interrupted or result.declined or stopped

    def _run(self, main: Coroutine[Any, Any, T], /) -> T:
        """Run a coroutine in the rehearsal's time."""

        async def known() -> T:
            self._main = asyncio.current_task()
            return await main

        return self.runner.run(known())

    def _set_timers(self) -> None:
        """Count each day at its end, show how far it is, and let troubles come."""
        loop, start = self.runner.get_loop(), self.table.start
        for midnight in self.table.midnights():
            loop.call_at(midnight - start, self._end_day, midnight)
        for hour in range(self.days * 24):
            loop.call_at(hour * 3600.0, self.progress.show, start + hour * 3600.0)
        for trouble in self.troubles:
            loop.call_at(trouble.after, self._befall, trouble.what)

    def _end_day(self, midnight: float) -> None:
        perform_due(self.sandbox.service.store, midnight)
        self.table.count_waiting(midnight)
        self.progress.end_day(midnight)

    def _befall(self, what: str) -> None:
        if what == "run_killed":
            self.killing = True
        else:
            self.sandbox.service.store.feed.tear()

    def _accepted(self) -> None:
        """Let the run die where it has to, with a message accepted that it knows no answer to."""
        if self.killing and self._main is not None:
            self.killing, self.killed = False, self.killed + 1
            self.runner.get_loop().call_soon(self._main.cancel)

    def _warn(self, event: Event) -> None:
        """Tell a person beforehand that it will take long."""
        if isinstance(event, Planned) and event.added > MANY and self.options.limit is None:
            minutes = round(event.added * SECONDS_EACH / 60)
            told = f"{event.campaign}: {number(event.added)} messages take about {minutes} min; "
            click.echo(f"{told}--limit 2000 rehearses a part of them", err=True)

    def tell(self) -> int:
        """Tell how it went; return the exit code."""
        err = self.said["log_format"] == "json"
        now, table = self.around.clock.now(), self.table
        perform_due(self.sandbox.service.store, now)
        table.count_waiting(now)
        span = f"{at_text(table.start, table.zone)} to {at_text(now, table.zone)} ({table.zone})"
        click.echo(f"rehearsed: {span}", err=err)
        click.echo(table.text(now), err=err)
        tell_run_end(self.result, None, err=err)
        for each in self.result.statuses:
            if (brake := each.brake) is not None:
                when = at_text(brake.at, table.zone)
                click.echo(f"{each.campaign}: stopped {when}: {safe(brake.why)}", err=err)
        if self.killed:
            times = "once" if self.killed == 1 else f"{self.killed} times"
            click.echo(f"the run was killed {times} and started again", err=err)
        if self.result.interrupted:
            click.echo("interrupted", err=err)
        after, doubled = table.faults()
        told = f"written to after they answered: {number(after)} · doubled: {number(doubled)}"
        click.echo(told, err=err)
        code = self.result.exit_code
        return (code or UNSOUND) if after or doubled else code
