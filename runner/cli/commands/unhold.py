"""`run-campaign unhold`: let the messages of people on hold go on."""

from __future__ import annotations

import click

from runner.cli.invocation import Invocation
from runner.cli.ledger import ledger_to_change
from runner.cli.options import compared_ids, examples, state_option
from runner.clock import SystemClock
from runner.control import holds as control_holds
from runner.control.campaigns import user
from runner.ledger.campaigns.audit import CLI
from runner.project.people import named_people


@click.command(
    "unhold",
    short_help="Let the messages of people on hold go on.",
    epilog=examples("run-campaign unhold 9184620175530281101"),
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", callback=compared_ids)
@state_option
@click.pass_obj
def command(call: Invocation, /, ids: tuple[str, ...], state: str | None) -> int:
    """Take people off hold. A live run and workers go on with their messages by themselves."""
    call.about((), state)
    with ledger_to_change(state) as ledger:
        wanted = dict.fromkeys(named_people(ledger, (id.strip() for id in ids)))
        count = len(control_holds.unhold(ledger, SystemClock(), wanted, by=user(), via=CLI))
    told = f" of {len(wanted)}" if count != len(wanted) else ""
    click.echo(f"no longer on hold: {count}{told}")
    return 0 if count else 1
