"""`run-campaign senders`: the team's account links."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import any_campaign_argument, examples, state_option
from runner.clock import SystemClock
from runner.events import EventBus
from runner.formats import safe
from runner.run.check import senders
from runner.run.preparation.team import find_obstacle


@click.command(
    "senders",
    short_help="List the team's account links, ready to paste.",
    epilog=examples("run-campaign senders", "run-campaign senders spring.yaml"),
)
@any_campaign_argument
@state_option
@click.pass_obj
def command(call: Invocation, /, campaign: Path | None, state: str | None) -> int:
    """List the team's account links as YAML for a campaign file.

    Asks the API that the campaign file names; without one, API v2 with INBOX_API_TOKEN.
    """
    call.about((campaign,) if campaign else (), state)
    said = senders(campaign, state, os.environ, Path.cwd(), SystemClock(), EventBus())
    click.echo(f"# account links of team {safe(said.team_name)}")
    click.echo("senders:" if said.links else "senders: []")
    width = max((len(link.id) for link in said.links), default=0)
    for link in said.links:
        name = f" ({safe(link.name)})" if link.name and link.name != link.username else ""
        handle = f"@{safe(link.username)}" if link.username else "no handle"
        about = f"{handle}{name}, {link.platform}, {link.status}"
        why = find_obstacle(link)
        about += f"; {safe(why)}" if why else ""
        click.echo(f"  - {link.id.ljust(width)}  # {about}")
    return 0
