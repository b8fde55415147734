"""`run-campaign cancel`: withdraw a campaign's queue."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import examples, known_campaign_argument, state_option
from runner.clock import SystemClock
from runner.control import campaigns
from runner.control.campaigns import user
from runner.control.in_flight import wait_until_none_leaves
from runner.formats import counted, safe
from runner.ledger.campaigns.audit import CLI
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.project.open import opened


@click.command(
    "cancel",
    short_help="Withdraw the queued messages of a campaign.",
    epilog=examples(
        "run-campaign cancel spring.yaml",
        "run-campaign resume spring.yaml                      lets it go on; then",
        "run-campaign retry spring.yaml --status cancelled    queues them again",
    ),
)
@known_campaign_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def command(call: Invocation, /, campaign: Path, yes: bool, state: str | None) -> int:
    """Withdraw the queued messages of a campaign, and send nothing more of it until it is resumed.

    A live run obeys within a second; what is under way ends, and what is in doubt stays so.
    """
    call.about((campaign,), state)
    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        counts = ledger.read(totals.counts, row.id)
        waiting = counts[MessageStatus.WAITING]
        kind = "queued and waiting" if waiting else "queued"
        count = counts[MessageStatus.QUEUED] + waiting
        question = f"Cancel {counted(count, f'{kind} message')} of {safe(row.name)}?"
        asked = not yes and sys.stdin.isatty() and sys.stdout.isatty()
        if asked and not click.confirm(question, default=False):
            click.echo("nothing was changed")
            return 0
        count = campaigns.cancel(ledger, row, SystemClock(), by=user(), via=CLI)
        left = wait_until_none_leaves(ledger, SystemClock(), campaign=row.id)
    file = str(campaign)
    told = counted(count + left.held_back, f"{kind} message")
    click.echo(f"{safe(row.name)}: cancelled {told}")
    for line in left.lines:
        click.echo(safe(line))
    again = call.command("retry", file, "--status", "cancelled")
    click.echo(f"to undo that: {call.command('resume', file)}, then: {again}")
    return 0
