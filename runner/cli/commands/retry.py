"""`run-campaign retry`: queue failed, rejected or cancelled messages again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from runner.cli.commands.submit import hand_in
from runner.cli.invocation import Invocation
from runner.cli.live_run import options_of, run_and_tell
from runner.cli.options import campaign_argument, examples, run_options
from runner.clock import SystemClock
from runner.control import campaigns
from runner.control.campaigns import user
from runner.formats import number
from runner.ledger.campaigns.audit import CLI
from runner.message.status import MessageStatus
from runner.project.open import opened


@click.command(
    "retry",
    short_help="Queue failed, rejected or cancelled messages again, then run.",
    epilog=examples(
        "run-campaign retry spring.yaml --status failed",
        "run-campaign retry spring.yaml --reason platformRateLimited",
        "run-campaign retry spring.yaml --only 9286649013375580404",
    ),
)
@campaign_argument
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(["failed", "rejected", "cancelled"]),
    help="Only messages with this status; repeatable. Default: all three.",
)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="CODE",
    help="Only messages with this reason; repeatable.",
)
@click.option(
    "--new-key",
    is_flag=True,
    help="Use a new idempotency key; only for messages whose attempts are all proven not sent.",
)
@run_options
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path,
    statuses: tuple[str, ...],
    reasons: tuple[str, ...],
    new_key: bool,
    **said: Any,
) -> int:
    """Queue failed, rejected or cancelled messages again, then run the campaign, or submit it again
    if workers have it.

    Messages in doubt are not touched: see `run-campaign resolve`.
    """
    call.about((campaign,), said["state"], runs=True)
    old = said["accept_old_ledger"]
    changing = opened(campaign, said["state"], os.environ, read_only=False, accept_old_ledger=old)
    with changing as (ledger, row):
        done = campaigns.retry(
            ledger,
            row,
            SystemClock(),
            statuses=[MessageStatus(status) for status in statuses],
            reasons=reasons,
            ids=said["only"],
            new_key=new_key,
            by=user(),
            via=CLI,
        )
    click.echo(f"queued again: {number(done.count)}", err=said["log_format"] == "json")
    if done.submitted:
        return hand_in(call, (campaign,), options_of(said))
    return run_and_tell(call, (campaign,), options_of(said), said)
