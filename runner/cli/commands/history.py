"""`run-campaign history`: actions of people on campaigns."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from runner.cli.help_text import WholeNumber
from runner.cli.invocation import Invocation
from runner.cli.options import any_campaign_argument, examples, state_option
from runner.cli.output import json_text, table
from runner.clock import iso
from runner.formats import number, safe
from runner.ledger.campaigns import audit
from runner.ledger.campaigns.audit import Action
from runner.project.ledgers.ledger_location import ledger_upward, open_existing
from runner.project.open import opened


@click.command(
    "history",
    short_help="Show what people did: who, when, from where.",
    epilog=examples("run-campaign history spring.yaml", "run-campaign history --json"),
)
@any_campaign_argument
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@click.option(
    "--limit",
    type=WholeNumber(1, 100_000),
    default=100,
    show_default=True,
    metavar="N",
    help="The last N.",
)
@state_option
@click.pass_obj
def command(
    call: Invocation, /, campaign: Path | None, as_json: bool, limit: int, state: str | None
) -> int:
    """Show what people did to a campaign, or to the whole ledger: who paused, resumed or cancelled,
    resolved a message in doubt, queued again, changed the do-not-contact list. Newest first.
    """
    call.about((campaign,) if campaign else (), state)
    if campaign is not None:
        with opened(campaign, state, os.environ) as (ledger, row):
            found = ledger.read(audit.actions, row.id, limit=limit).rows
    else:
        with open_existing(ledger_upward(state, os.environ, Path.cwd())) as ledger:
            found = ledger.read(audit.actions, limit=limit).rows
    if as_json:
        told = [asdict(each) | {"at": iso(each.at)} for each in found]
        click.echo(json_text(told))
    else:
        click.echo(table([_line(each) for each in found], indent="") if found else "no actions yet")
    return 0


def _line(each: Action) -> tuple[str, ...]:
    who = each.recipients[0] if len(each.recipients) == each.count == 1 else ""
    what = who or (number(each.count) if each.count else "")
    words = (each.campaign_name or "-", each.what, what, each.by, each.via, each.why)
    return (iso(each.at), *map(safe, words))
