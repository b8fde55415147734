"""`run-campaign pause`, `resume` and `cancel`: a person's word to a whole campaign."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from runner.cli.invocation import Call
from runner.cli.options import examples, known_campaign_argument, run_options, state_option


@click.command(
    "pause",
    short_help="Begin nothing more of a campaign, until it is resumed.",
    epilog=examples("run-campaign pause spring.yaml", "run-campaign resume spring.yaml"),
)
@known_campaign_argument
@state_option
@click.pass_obj
def pause(call: Call, /, campaign: Path, state: str | None) -> int:
    """Begin nothing more of a campaign. A live run obeys within a second; what is under way ends.

    It stays paused for later runs too, until `run-campaign resume`.
    """
    from runner.clock import SystemClock
    from runner.control import campaigns
    from runner.control.campaigns import brake_text, user
    from runner.formatting import safe
    from runner.ledger.campaigns.audit import CLI
    from runner.project.open import opened

    call.about((campaign,), state)
    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        before = campaigns.pause(ledger, row, SystemClock(), by=user(), via=CLI)
    if before is not None:
        click.echo(f"{safe(brake_text(row.name, before))}: it stays so")
    else:
        click.echo(f"{safe(row.name)}: paused by {safe(user())}; what is under way ends")
    click.echo(f"resume with: {call.command('resume', str(campaign))}")
    return 0


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
def resume(call: Call, /, campaign: Path, **said: Any) -> int:
    """Let a paused, cancelled or guarded campaign go on. A live run that has it goes on with it, or
    workers do; else it is run here.

    What was withdrawn by `run-campaign cancel` stays cancelled: see `run-campaign retry`.
    """
    from runner.cli.live_run import options_of, run_and_tell
    from runner.clock import SystemClock
    from runner.control import campaigns
    from runner.control.campaigns import brake_text, user
    from runner.formatting import safe
    from runner.ledger.campaigns.audit import CLI
    from runner.project.open import opened

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


@click.command(
    "cancel",
    short_help="Withdraw what a campaign has in the queue.",
    epilog=examples(
        "run-campaign cancel spring.yaml",
        "run-campaign resume spring.yaml                       lets it go on, and then",
        "run-campaign retry spring.yaml --status cancelled     queues them again",
    ),
)
@known_campaign_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def cancel(call: Call, /, campaign: Path, yes: bool, state: str | None) -> int:
    """Withdraw what a campaign has in the queue, and send nothing more of it until it is resumed.

    A live run obeys within a second; what is under way ends, and what is in doubt stays so.
    """
    from runner.clock import SystemClock
    from runner.control import campaigns
    from runner.control.campaigns import user
    from runner.control.in_flight import wait_until_none_leaves
    from runner.formatting import number, safe
    from runner.ledger.campaigns.audit import CLI
    from runner.ledger.queries import totals
    from runner.message.status import MessageStatus
    from runner.project.open import opened

    call.about((campaign,), state)
    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        queued = ledger.read(totals.counts, row.id)[MessageStatus.QUEUED]
        question = f"Cancel {number(queued)} queued messages of {safe(row.name)}?"
        asked = not yes and sys.stdin.isatty() and sys.stdout.isatty()
        if asked and not click.confirm(question, default=False):
            click.echo("nothing was changed")
            return 0
        count = campaigns.cancel(ledger, row, SystemClock(), by=user(), via=CLI)
        left = wait_until_none_leaves(ledger, SystemClock(), campaign=row.id)
    file = str(campaign)
    click.echo(f"{safe(row.name)}: cancelled {number(count + left.held_back)} queued messages")
    for line in left.lines:
        click.echo(safe(line))
    again = call.command("retry", file, "--status", "cancelled")
    click.echo(f"to take it back: {call.command('resume', file)}, then: {again}")
    return 0
