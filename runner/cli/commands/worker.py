"""`run-campaign worker`: a process that drives lanes of a shared ledger."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from runner.cli.commands.submit import refuse_without_engine
from runner.cli.help_text import WholeNumber
from runner.cli.invocation import Invocation
from runner.cli.live_run import attach_watchers
from runner.cli.options import duration, examples, state_option, watching_options
from runner.clock import SystemClock
from runner.events import EventBus
from runner.project.ledgers.ledger_location import ledger_upward
from runner.terminal.counters import Tally
from runner.terminal.plain import JsonLines, PlainLines

GRACE = 70.0
"""Seconds that what is under way may take once a worker is told to end: a request's longest wait
as campaigns have it, and more."""

LEAST = 1.0
"""Seconds of a slice, and until a worker is taken for dead: with fewer it would do nothing else
than begin, or say that it lives."""


@click.command(
    "worker",
    short_help="Send campaigns of a shared ledger, beside other workers.",
    epilog=examples("run-campaign worker --slots 50", "run-campaign worker --log-format json"),
)
@click.option(
    "--slots",
    type=WholeNumber(1, 500),
    default=10,
    show_default=True,
    metavar="N",
    help="Drive at most N lanes at once.",
)
@click.option(
    "--slice",
    "seconds",
    default="60s",
    show_default=True,
    metavar="DURATION",
    callback=duration,
    help="Look each time this has passed whether to hand a lane on to a free worker.",
)
@click.option(
    "--dead-after",
    default="10s",
    show_default=True,
    metavar="DURATION",
    callback=duration,
    help="Take over from a worker that gives no sign of life for this time; "
    "use the same for all workers.",
)
@watching_options
@click.option("-q", "--quiet", is_flag=True, help="Only problems.")
@click.option("-v", "--verbose", is_flag=True, help="Show each message too.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    slots: int,
    seconds: float,
    dead_after: float,
    log_format: str,
    log_file: Path | None,
    metrics_port: int | None,
    metrics_address: str,
    quiet: bool,
    verbose: bool,
    state: str | None,
) -> int:
    """Drive the lanes of submitted campaigns, until SIGTERM or Ctrl-C: then messages under way end,
    and other workers go on.

    Tokens are read from this environment, by the names that the campaigns give. A lane whose
    variable is not set here is left to workers that have it.
    """
    refuse_without_engine()

    from runner.workers.lane_slice import Timing
    from runner.workers.submission import shared_location
    from runner.workers.worker import work

    if min(seconds, dead_after) < LEAST:
        raise click.UsageError("--slice and --dead-after: give them a second or more")
    call.about((), state)
    location = shared_location(ledger_upward(state, os.environ, Path.cwd()))
    bus, tally = EventBus(), Tally()
    if log_format == "json":
        bus.watch(JsonLines(sys.stdout).watch)
    else:
        bus.watch(tally.watch)
        bus.watch(PlainLines(sys.stdout, tally, quiet=quiet, verbose=verbose).watch)
    clock = SystemClock()
    attach_watchers(bus, clock, log_file, metrics_port, metrics_address)
    timing = Timing(seconds, dead_after)
    asyncio.run(work(location, slots, GRACE, clock, bus, os.environ, timing))
    return 0
