"""`run-campaign unsubmit`: take a campaign back from the workers."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import examples, known_campaign_argument, state_option
from runner.clock import SystemClock
from runner.control import campaigns
from runner.control.campaigns import user
from runner.formats import number, safe
from runner.ledger.campaigns.audit import CLI
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.project.open import opened

_S = MessageStatus


@click.command(
    "unsubmit",
    short_help="Take a campaign back from the workers.",
    epilog=examples(
        "run-campaign unsubmit spring.yaml",
        "run-campaign spring.yaml              then sends what is left from here",
        "run-campaign cancel spring.yaml       then sends nothing more of it",
    ),
)
@known_campaign_argument
@state_option
@click.pass_obj
def command(call: Invocation, /, campaign: Path, state: str | None) -> int:
    """Take a campaign back from the workers, which start no more of its messages within a second.

    What was sent stays sent, and what is queued stays queued: for a run here, or another submit.
    """
    call.about((campaign,), state)

    def tell() -> None:
        click.echo(f"{safe(row.name)}: taken back; waiting for a worker that still has its lane")

    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        taken = campaigns.unsubmit(ledger, row, SystemClock(), tell, by=user(), via=CLI)
        counts = ledger.read(totals.counts, row.id)
    if not taken:
        click.echo(f"{safe(row.name)}: no worker has it; nothing changes")
        return 0
    doubts = counts[_S.IN_DOUBT] + counts[_S.SENDING]
    left = {"sent": counts[_S.SENT], "in doubt": doubts, "queued": counts[_S.QUEUED]}
    left |= {"waiting": counts[_S.WAITING]} if counts[_S.WAITING] else {}
    told = ", ".join(f"{number(count)} {what}" for what, count in left.items())
    click.echo(f"{safe(row.name)}: no worker sends it any more: {told}")
    file = str(campaign)
    click.echo(f"send the rest from here: {call.command(file)}")
    click.echo(f"hand it in again:        {call.command('submit', file)}")
    click.echo(f"send nothing more of it: {call.command('cancel', file)}")
    return 0
