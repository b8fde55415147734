"""`run-campaign plan`: what a campaign may send at most, for a person to approve."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import campaign_argument, examples, rest_with_option, state_option
from runner.cli.output import progress_in_place
from runner.clock import SystemClock
from runner.errors import UsageError
from runner.formats import number, safe
from runner.planning.approved.approval import KEY_BYTES, ApprovedPlan, read_plan
from runner.planning.approved.plan_comparison import compare_plans
from runner.run.approval import make_plan
from runner.tables.writer import replacing


@click.command(
    "plan",
    short_help="Write what a campaign may send at most, to be approved.",
    epilog=examples(
        "run-campaign plan spring.yaml -o plans/spring.plan.json",
        "run-campaign plan spring.yaml --diff plans/spring.plan.json",
        "run-campaign spring.yaml --plan plans/spring.plan.json   sends no more",
    ),
)
@campaign_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the plan; one that is there keeps its key, so that little differs.",
)
@click.option(
    "--diff",
    "old",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OLD",
    help="Print in Markdown what differs from this plan; an empty file stands for none yet.",
)
@rest_with_option
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path,
    output: Path | None,
    old: Path | None,
    rest_with: str,
    state: str | None,
) -> int:
    """Write what a campaign may send at most, by its files and the ledger, if there is one: who
    may get which text from which sender, within which limits. Asks no API, changes nothing.

    The file names nobody: it has keyed hashes, counts, and the texts as they are written.
    """
    call.about((campaign,), state)
    if output is None and old is None:
        raise click.UsageError("say where to: -o FILE, or compare: --diff OLD")
    approved = None if old is None or _is_empty(old) else read_plan(old)
    there = _there(output)
    before = approved or there
    key = before.key if before else secrets.token_hex(KEY_BYTES)
    with progress_in_place() as tell:

        def progress(rows: int) -> None:
            tell(lambda: f"reading: {number(rows)} rows")

        found = make_plan(
            campaign,
            state,
            os.environ,
            SystemClock(),
            progress,
            key,
            before=before,
            rest_with=rest_with,
            output=output,
        )
    for each in found.findings:
        click.echo(f"{each.level} {each.code}: {safe(str(each))}", err=True)
    if before is not None and before.campaign != found.plan.campaign:
        raise UsageError(
            f"{before.path} is the plan of campaign {before.campaign}, not of "
            f"{found.plan.campaign}",
            "name another file",
        )
    if old is not None:
        click.echo(compare_plans(approved, found.plan, found.power), nl=False)
    if output is not None:
        with replacing(output) as partial:
            partial.write_text(found.plan.text(), encoding="utf-8", errors="replace")
        counts = found.plan.counts
        told = f"{number(counts['messages'])} messages to {number(counts['people'])} people"
        click.echo(f"written: {safe(str(output))}: {told}", err=True)
    if found.power:
        click.echo(f"variants: {found.power}", err=True)
    ledger = found.place or "none yet"
    click.echo(f"ledger: {safe(ledger)}", err=True)
    if skipped := sum(found.skipped.values()):
        why = ", ".join(f"{reason} {number(n)}" for reason, n in sorted(found.skipped.items()))
        click.echo(f"rows that are not in it: {number(skipped)} ({why})", err=True)
    return 0


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _there(output: Path | None) -> ApprovedPlan | None:
    """Return the plan that is to be replaced. Raises UsageError where something else is there."""
    if output is None or not output.exists() or _is_empty(output):
        return None
    return read_plan(output)
