"""`run-campaign check` and `senders`: what can be known before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Call
from runner.cli.options import any_campaign_argument, campaign_argument, examples, state_option


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
def check(call: Call, /, campaign: Path, offline: bool, state: str | None) -> int:
    """Check file, rows, ledger, token, senders, capabilities and limits; send nothing.

    Exit code 1 when something stands in the way of a run.
    """
    from runner.clock import SystemClock
    from runner.events import Event, EventBus, Notice
    from runner.formatting import safe
    from runner.run.check import check as checks

    call.about((campaign,), state)
    bus = EventBus()

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            click.echo(f"note     {safe(event.text)}")

    bus.watch(tell)
    problems = 0
    for each in checks(campaign, state, os.environ, SystemClock(), bus, offline=offline):
        problems += not each.ok
        instead = f" -> {safe(each.instead)}" if each.instead else ""
        click.echo(f"{'ok     ' if each.ok else 'problem'}  {safe(each.what)}{instead}")
    if problems:
        click.echo(f"{problems} in the way" if problems > 1 else "1 problem in the way")
        return 1
    click.echo(f"nothing in the way. See the messages: {call.command(str(campaign), '--dry-run')}")
    return 0


@click.command(
    "senders",
    short_help="List the team's account links, ready to paste.",
    epilog=examples("run-campaign senders", "run-campaign senders spring.yaml"),
)
@any_campaign_argument
@state_option
@click.pass_obj
def senders(call: Call, /, campaign: Path | None, state: str | None) -> int:
    """List the team's account links as YAML for a campaign file.

    Asks the API that the campaign file names; without one, API v2 with INBOX_API_TOKEN.
    """
    from runner.clock import SystemClock
    from runner.events import EventBus
    from runner.formatting import safe
    from runner.run.check import senders as ask
    from runner.run.team import find_obstacle

    call.about((campaign,) if campaign else (), state)
    said = ask(campaign, state, os.environ, Path.cwd(), SystemClock(), EventBus())
    click.echo(f"# account links of team {safe(said.team_name)}")
    click.echo("senders:" if said.links else "senders: []")
    width = max((len(link.id) for link in said.links), default=0)
    for link in said.links:
        name = f" ({safe(link.name)})" if link.name and link.name != link.username else ""
        about = f"{safe(link.username)}{name}, {link.platform}, {link.status}"
        why = find_obstacle(link)
        about += f"; {safe(why)}" if why else ""
        click.echo(f"  - {link.id.ljust(width)}  # {about}")
    return 0
