"""`run-campaign resume`: let a stopped campaign go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from runner.cli.invocation import Invocation
from runner.cli.live_run import options_of, run_and_tell
from runner.cli.options import examples, known_campaign_argument, run_options
from runner.clock import SystemClock
from runner.control import campaigns
from runner.control.campaigns import brake_text, user
from runner.formats import safe
from runner.ledger.campaigns.audit import CLI
from runner.project.open import opened


@click.command(
    "resume",
    short_help="Let a paused or cancelled campaign go on, and run it.",
    epilog=examples(
        "run-campaign resume spring.yaml", "run-campaign resume spring.yaml --until-idle"
    ),
)
@known_campaign_argument
@run_options
@click.pass_obj
def command(call: Invocation, /, campaign: Path, **said: Any) -> int:
    """Let a campaign go on that was paused, cancelled or stopped by its guard. A live run or
    workers that have it go on with it; otherwise it is run here.

    Messages that `run-campaign cancel` withdrew stay cancelled: see `run-campaign retry`.
    """
    call.about((campaign,), said["state"], runs=True)
    err = said["log_format"] == "json"
    with opened(campaign, said["state"], os.environ, read_only=False) as (ledger, row):
        done = campaigns.resume(ledger, row, SystemClock(), by=user(), via=CLI)
    if done.before is not None:
        click.echo(f"{safe(brake_text(row.name, done.before))}: it goes on", err=err)
    else:
        click.echo(f"{safe(row.name)} was not stopped", err=err)
    if done.workers:
        click.echo("the workers have it; nothing more is to be done here", err=err)
        return 0
    if done.live:
        click.echo("a live run has it; nothing more is to be done", err=err)
        return 0
    return run_and_tell(call, (campaign,), options_of(said), said)
