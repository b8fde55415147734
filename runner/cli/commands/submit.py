"""`run-campaign submit`: plan campaigns and hand them to workers."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import (
    accept_option,
    campaigns_argument,
    examples,
    plan_option,
    rest_with_option,
    state_option,
)
from runner.cli.prompts import asker, can_ask, confirmer
from runner.clock import SystemClock
from runner.events import EventBus
from runner.formats import safe
from runner.installation import install_command
from runner.run.preparation.options import Options, Surroundings
from runner.terminal.counters import Tally
from runner.terminal.display import open_display


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
    help="Start at this time instead of schedule.start, in the file's timezone.",
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
@rest_with_option
@plan_option
@click.option(
    "--accept-old-ledger",
    is_flag=True,
    help="Go on with an old copy of the ledger; messages it may not know become in doubt.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaigns: tuple[Path, ...],
    start: str,
    accept: tuple[str, ...],
    accept_changes: bool,
    new_campaign: bool,
    rest_with: str,
    plans: tuple[Path, ...],
    accept_old_ledger: bool,
    yes: bool,
    state: str | None,
) -> int:
    """Plan campaigns into a ledger on PostgreSQL and hand their lanes to workers.

    The files need not be on the workers' hosts, but the token does: in an environment variable of
    the name that the campaign gives. After a change of the files, submit again.
    """
    call.about(campaigns, state)
    options = Options(
        state=state,
        yes=yes,
        accept=frozenset(accept),
        accept_changes=accept_changes,
        new_campaign=new_campaign,
        rest_with=rest_with,
        accept_old_ledger=accept_old_ledger,
        plans=plans,
    )
    return hand_in(call, campaigns, options, start)


def hand_in(
    call: Invocation, campaigns: tuple[Path, ...], options: Options, start: str = ""
) -> int:
    """Submit campaigns, showing and asking as a run does; return the exit code."""
    refuse_without_engine()
    from runner.workers import submission

    call.resume = call.command("submit", *map(str, campaigns))
    bus, tally = EventBus(), Tally()
    with open_display(sys.stdout, tally, as_json=False, quiet=False, verbose=False) as progress:
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


def refuse_without_engine() -> None:
    """Raise ClickException where what workers need is not installed."""
    if find_spec("procrastinate") is None:
        raise click.ClickException(
            f"many machines need more than is installed: {install_command('distributed')}"
        )
