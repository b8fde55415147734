"""`run-campaign check`: checks before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import campaign_argument, examples, state_option
from runner.cli.output import folded
from runner.clock import SystemClock
from runner.events import Event, EventBus, Notice
from runner.formats import safe
from runner.run.check import check


@click.command(
    "check",
    short_help="Check all of a campaign that can be checked without sending.",
    epilog=examples(
        "run-campaign check spring.yaml",
        "run-campaign check spring.yaml --offline     without a token",
    ),
)
@campaign_argument
@click.option("--offline", is_flag=True, help="Do not ask the API.")
@state_option
@click.pass_obj
def command(call: Invocation, /, campaign: Path, offline: bool, state: str | None) -> int:
    """Check file, rows, ledger, token, senders, capabilities and limits; send nothing.

    Exit code 1 when something stands in the way of a run.
    """
    call.about((campaign,), state)
    bus = EventBus()

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            for part in folded(f"note     {safe(event.text)}"):
                click.echo(part)

    bus.watch(tell)
    problems = 0
    for each in check(campaign, state, os.environ, SystemClock(), bus, offline=offline):
        problems += not each.ok
        instead = f" -> {safe(each.instead)}" if each.instead else ""
        first, *more = map(safe, each.what.split("\n"))
        lines = [
            f"{'ok     ' if each.ok else 'problem'}  {first}",
            *(f"         {it}" for it in more),
        ]
        lines[-1] += instead
        for line in lines:
            for part in folded(line):
                click.echo(part)
    if problems:
        click.echo(f"{problems} in the way" if problems > 1 else "1 problem in the way")
        return 1
    see = call.command(str(campaign), "--dry-run")
    for part in folded(f"nothing in the way. See the messages: {see}"):
        click.echo(part)
    return 0
