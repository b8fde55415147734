"""`run-campaign test`: one message to yourself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runner.cli.help_text import WholeNumber
from runner.cli.invocation import Invocation
from runner.cli.live_run import run_with_display
from runner.cli.options import campaign_argument, examples, state_option
from runner.cli.output import text_lines
from runner.events import Event, MessageSent
from runner.message.plan import FIRST_STEP, PlannedMessage
from runner.run.exit_code import RunResult
from runner.run.preparation.options import Options, Surroundings
from runner.run.self_test import run_test

QUIET: dict[str, Any] = {"log_format": "text", "quiet": True, "verbose": False}


@click.command(
    "test",
    short_help="Send one of the messages to yourself.",
    epilog=examples(
        "run-campaign test spring.yaml --to 9184620175530281101",
        "run-campaign test spring.yaml --to 9184620175530281101 --row 7",
    ),
)
@campaign_argument
@click.option(
    "--to",
    required=True,
    metavar="ID",
    help="Your own id, of the same kind as the ids in the sheet.",
)
@click.option(
    "--row",
    type=WholeNumber(2),
    metavar="N",
    help="The sheet's row whose text to send. Default: the first that would be sent.",
)
@click.option(
    "--variant",
    metavar="NAME",
    default="",
    help="The variant whose text to send. Default: the first of the file.",
)
@click.option(
    "--step",
    metavar="NAME",
    default=FIRST_STEP,
    help="The follow-up whose text to send. Default: the first message.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path,
    to: str,
    row: int | None,
    variant: str,
    step: str,
    yes: bool,
    state: str | None,
) -> int:
    """Send one message of the campaign to yourself, and tell its ids.

    It has a key of its own and is never counted in the campaign.
    """
    call.about((campaign,), state)
    sent: list[MessageSent] = []

    def agree(planned: PlannedMessage) -> bool:
        click.echo(f"row {planned.row}  to {planned.recipient.id}  from {planned.sender}")
        for line in text_lines(planned.text):
            click.echo(line)
        if yes or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return True
        return click.confirm("Send it?", default=False)

    def run(around: Surroundings) -> RunResult:
        def keep(event: Event) -> None:
            if isinstance(event, MessageSent):
                sent.append(event)

        around.bus.watch(keep)
        options = Options(state=state)
        return run_test(campaign, to, row, options, around, agree, variant=variant, step=step)

    said = QUIET | {"yes": True, "limit": None, "only": (), "plans": ()}
    result = run_with_display(call, (campaign,), run, said, runs=False)
    if result.declined:
        click.echo("nothing was sent")
        return 0
    for event in sent:
        click.echo(f"sent: message {event.message_id}, thread {event.thread_id}")
    for why in result.stopped:
        click.echo(f"stopped: {why}")
    if not sent:
        click.echo("not sent")
        return result.exit_code or 4
    return result.exit_code
