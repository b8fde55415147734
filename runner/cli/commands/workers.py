"""`run-campaign submit`, `worker` and `lanes`: campaigns on many machines."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.invocation import Call
from runner.cli.json_text import json_text
from runner.cli.options import (
    accept_option,
    campaigns_argument,
    duration,
    examples,
    state_option,
    watching_options,
)

if TYPE_CHECKING:
    from runner.ledger.queries.lane_status import LaneRow
    from runner.run.options import Options

GRACE = 70.0
"""Seconds that what is under way may take once a worker is told to end: a request's longest wait
as campaigns have it, and more."""


LEAST = 1.0
"""Seconds of a slice, and until a worker is taken for dead: with fewer it would do nothing
else than begin, or say that it lives."""


@click.command(
    "submit",
    short_help="Plan a campaign into a shared ledger and hand it to workers.",
    epilog=examples(
        "run-campaign submit spring.yaml",
        "run-campaign submit spring.yaml --start 2026-12-01T09:00",
    ),
)
@campaigns_argument
@click.option(
    "--start",
    default="",
    metavar="TIME",
    help="Instead of the file's schedule.start, in its timezone.",
)
@accept_option
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Send texts that changed after planning; sent messages never change.",
)
@click.option(
    "--new-campaign",
    is_flag=True,
    help="These files are a campaign of their own, though known under another name.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def submit(
    call: Call,
    /,
    campaigns: tuple[Path, ...],
    start: str,
    accept: tuple[str, ...],
    accept_changes: bool,
    new_campaign: bool,
    yes: bool,
    state: str | None,
) -> int:
    """Plan campaigns into a ledger on PostgreSQL and hand their lanes to workers.

    The files need not be on the workers' hosts, but the token does: in an environment variable of
    the name that the campaign gives. Again after a change: it is planned anew.
    """
    from runner.run.options import Options

    call.about(campaigns, state)
    options = Options(
        state=state,
        yes=yes,
        accept=frozenset(accept),
        accept_changes=accept_changes,
        new_campaign=new_campaign,
    )
    return hand_in(call, campaigns, options, start)


def hand_in(call: Call, campaigns: tuple[Path, ...], options: Options, start: str = "") -> int:
    """Submit campaigns, showing and asking as a run does; the exit code."""
    _refuse_without_engine()
    from runner.cli.prompts import asker, can_ask, confirmer
    from runner.clock import SystemClock
    from runner.events import EventBus
    from runner.formatting import safe
    from runner.run.options import Surroundings
    from runner.terminal.counters import Tally
    from runner.terminal.display import showing
    from runner.workers import submission

    call.resume = call.command("submit", *map(str, campaigns))
    bus, tally = EventBus(), Tally()
    with showing(sys.stdout, tally, as_json=False, quiet=False, verbose=False) as progress:
        bus.watch(tally.watch)
        bus.watch(progress.watch)
        around = Surroundings(SystemClock(), bus, os.environ)
        if not options.yes and can_ask():
            around.ask, around.confirm = asker(progress), confirmer(progress)
        names = submission.submit(campaigns, options, around, start)
    if not names:
        click.echo("nothing was handed in")
        return 0
    for name in names:
        click.echo(f"{safe(name)}: handed to the workers")
    click.echo(f"see: {call.command('lanes')}")
    return 0


@click.command(
    "worker",
    short_help="Drive the lanes of a shared ledger, beside any number of others.",
    epilog=examples("run-campaign worker --slots 50", "run-campaign worker --log-format json"),
)
@click.option(
    "--slots",
    type=click.IntRange(1, 500),
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
    help="Hand a lane on to whoever is free after this time.",
)
@click.option(
    "--dead-after",
    default="10s",
    show_default=True,
    metavar="DURATION",
    callback=duration,
    help="Take over from a worker without a sign of life for so long; the same for all workers.",
)
@watching_options
@click.option("-q", "--quiet", is_flag=True, help="Only problems.")
@click.option("-v", "--verbose", is_flag=True, help="Each message too.")
@state_option
@click.pass_obj
def worker(
    call: Call,
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
    """Drive lanes that campaigns were submitted to, until SIGTERM or Ctrl-C: then what is under way
    ends, and other workers go on.

    Tokens are read from this environment, by the names that the campaigns give. A lane whose
    variable is not set here is left to workers that have it.
    """
    _refuse_without_engine()
    import asyncio

    from runner.cli.live_run import watch_elsewhere
    from runner.clock import SystemClock
    from runner.events import EventBus
    from runner.project.ledger_location import ledger_upward
    from runner.terminal.counters import Tally
    from runner.terminal.plain import JsonLines, PlainLines
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
    watch_elsewhere(bus, clock, log_file, metrics_port, metrics_address)
    timing = Timing(seconds, dead_after)
    asyncio.run(work(location, slots, GRACE, clock, bus, os.environ, timing))
    return 0


@click.command(
    "lanes",
    short_help="Show which worker drives which team's campaigns, and what waits.",
    epilog=examples("run-campaign lanes", "run-campaign lanes --json"),
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@state_option
@click.pass_obj
def lanes(call: Call, /, as_json: bool, state: str | None) -> int:
    """Show the lanes of a shared ledger: who drives what, since when, what waits and for what."""
    from runner.clock import SystemClock
    from runner.ledger.queries import lane_status
    from runner.project.ledger_location import ledger_upward, open_existing

    call.about((), state)
    with open_existing(ledger_upward(state, os.environ, Path.cwd())) as ledger:
        rows = ledger.read(lane_status.lane_rows)
    now = SystemClock().now()
    if as_json:
        click.echo(json_text([_as_json(row, now) for row in rows]))
    elif not rows:
        click.echo("nothing was submitted to this ledger; see: run-campaign submit --help")
    else:
        click.echo("\n".join(_lines(row, now) for row in rows))
    return 0


def _refuse_without_engine() -> None:
    if find_spec("procrastinate") is None:
        raise click.ClickException(
            "many machines need more than is installed: pip install 'run-campaign[distributed]'"
        )


def _as_json(row: LaneRow, now: float) -> dict[str, object]:
    from runner.clock import iso

    return {
        "lane": row.lane,
        "campaigns": list(row.campaigns),
        "token": row.token_env,
        "state": _state(row, now),
        "worker": {"host": row.host, "pid": row.pid, "since": iso(row.since)} if row.host else None,
        "queued": row.queued,
        "in_doubt": row.in_doubt,
        "next_at": None if row.next_at is None else iso(row.next_at),
        "epoch": row.epoch,
        "trouble": row.trouble,
    }


def _state(row: LaneRow, now: float) -> str:
    """`driven`, `due` (waits for a worker), `waits` (until `next_at`) or `rests`."""
    if row.driven:
        return "driven"
    if row.next_at is None:
        return "rests"
    return "due" if row.next_at <= now else "waits"


def _lines(row: LaneRow, now: float) -> str:
    from runner.clock import iso
    from runner.formatting import number, safe

    told = {
        "driven": f"driven by process {row.pid} on {safe(row.host)} since {iso(row.since)}",
        "due": f"due; waits for a worker with {safe(row.token_env)}",
        "waits": f"waits until {iso(row.next_at or 0.0)}",
        "rests": "nothing to do until something is submitted, resumed or queued again",
    }[_state(row, now)]
    lines = [
        f"{safe(row.lane)}: {told}",
        f"  {safe(', '.join(row.campaigns))}: {number(row.queued)} queued, "
        f"{number(row.in_doubt)} in doubt",
    ]
    if row.trouble:
        lines.append(f"  {safe(row.trouble)}")
    return "\n".join(lines)
