"""`run-campaign report`: results and statistics as a page."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner import __version__
from runner.cli.invocation import Invocation
from runner.cli.options import any_campaign_argument, examples, state_option
from runner.cli.output import progress_in_place, tell_moved
from runner.clock import SystemClock
from runner.formats import safe
from runner.project.open import opened_any
from runner.project.output_files import refuse_used
from runner.report.writer import format_of, refuse_other, render, save_report
from runner.status.statistics import statistics_of


@click.command(
    "report",
    short_help="Write the results of a campaign as a page with charts.",
    epilog=examples(
        "run-campaign report spring.yaml -o report.html",
        "run-campaign report spring.yaml -o report.html --by country --by company",
        "run-campaign report spring.yaml --format md",
        "run-campaign report spring.yaml --format json | jq .senders",
    ),
)
@any_campaign_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A .html, .md or .json file. Default: stdout, for md and json.",
)
@click.option(
    "--format",
    "chosen",
    type=click.Choice(["html", "md", "json"]),
    help="Default: by the ending of FILE.",
)
@click.option(
    "--by",
    metavar="COLUMN",
    multiple=True,
    help="Also count by what stands in this column of the sheet; repeatable.",
)
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path | None,
    output: Path | None,
    chosen: str | None,
    by: tuple[str, ...],
    state: str | None,
) -> int:
    """Write the results of a campaign: who was sent to, skipped, rejected and why, how fast it went
    against what was allowed, per sender and column, when it is done, and what needs a person.

    The page is one file that needs no network and can be printed. The ledger is only read, so that
    this works at any time, of a live run too. CAMPAIGN may be left out where the ledger has only
    one.
    """
    call.about((campaign,) if campaign else (), state)
    format = chosen or (format_of(output) if output else "html")
    if output is None and format == "html":
        raise click.UsageError("a page needs a file: -o report.html (or --format md, json)")
    with opened_any(campaign, state, os.environ, Path.cwd()) as (ledger, row):
        tell_moved(ledger)
        if output is not None:
            refuse_other(output)
            refuse_used(output, ledger, [campaign] if campaign else [])
        with progress_in_place() as tell:
            found = statistics_of(ledger, row, campaign, SystemClock(), by=by, progress=tell)
            text = render(found, format, call.command, __version__)
    if output is None:
        click.echo(text, nl=False)
    else:
        save_report(output, text)
        click.echo(f"report of {safe(row.name)} in {safe(str(output))}")
    return 0
