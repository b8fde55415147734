"""`run-campaign export`: results as a table."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import ENDINGS, examples, known_campaign_argument, state_option
from runner.cli.output import tell_moved
from runner.formats import counted, safe
from runner.message.status import MessageStatus
from runner.project.open import opened
from runner.project.output_files import refuse_used
from runner.status.export import export

STATUSES = (
    "queued",
    "waiting",
    "sending",
    "in_doubt",
    "sent",
    "rejected",
    "failed",
    "skipped",
    "cancelled",
)


@click.command(
    "export",
    short_help="Write one line per row and step to a table.",
    epilog=examples(
        "run-campaign export spring.yaml -o results.csv",
        "run-campaign export spring.yaml -o bad.xlsx --status failed",
    ),
)
@known_campaign_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A .csv, .jsonl, .xlsx or .html file.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help=f"Only messages with this status: {', '.join(STATUSES)}; repeatable. Default: all.",
)
@click.option(
    "--excel",
    is_flag=True,
    help="A .csv for a double click in Excel: marked as UTF-8, ids kept as text.",
)
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path,
    output: Path,
    statuses: tuple[str, ...],
    excel: bool,
    state: str | None,
) -> int:
    """Write one line per row and step: status, reason, ids, text, and the sheet's columns."""
    call.about((campaign,), state)
    if output.suffix.lower() in ENDINGS:
        raise click.UsageError(f"-o {output}: would overwrite a campaign file; name a .csv")
    with opened(campaign, state, os.environ) as (ledger, row):
        tell_moved(ledger)
        refuse_used(output, ledger, [campaign])
        count = export(ledger, row, output, [MessageStatus(each) for each in statuses], excel=excel)
    click.echo(f"{counted(count, 'line')} in {safe(str(output))}")
    if output.suffix.lower() == ".csv" and not excel:
        click.echo(
            "for Excel, which rounds long ids in a .csv: write .xlsx, or add --excel", err=True
        )
    return 0
