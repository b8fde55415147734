"""`run-campaign pause`: stop a campaign until it is resumed."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import examples, known_campaign_argument, state_option
from runner.clock import SystemClock
from runner.control import campaigns
from runner.control.campaigns import brake_text, user
from runner.formats import safe
from runner.ledger.campaigns.audit import CLI
from runner.project.open import opened


@click.command(
    "pause",
    short_help="Pause a campaign until it is resumed.",
    epilog=examples("run-campaign pause spring.yaml", "run-campaign resume spring.yaml"),
)
@known_campaign_argument
@state_option
@click.pass_obj
def command(call: Invocation, /, campaign: Path, state: str | None) -> int:
    """Pause a campaign: start no more of its messages. A live run obeys within a second.

    Messages under way end. It stays paused for later runs too, until `run-campaign resume`.
    """
    call.about((campaign,), state)
    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        before = campaigns.pause(ledger, row, SystemClock(), by=user(), via=CLI)
    if before is not None:
        click.echo(f"{safe(brake_text(row.name, before))}: nothing changes")
    else:
        click.echo(f"{safe(row.name)}: paused by {safe(user())}; what is under way ends")
    click.echo(f"resume with: {call.command('resume', str(campaign))}")
    return 0
