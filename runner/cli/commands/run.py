"""`run-campaign CAMPAIGN…`: the default command, which sends campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runner.cli.help_text import WholeNumber
from runner.cli.invocation import Invocation
from runner.cli.options import campaigns_argument, examples, run_options


@click.command(
    "run",
    short_help="Send a campaign, or go on with it (the default command).",
    epilog=examples(
        "run-campaign spring.yaml --dry-run     who would get what, and until when",
        "run-campaign spring.yaml --sandbox     rehearse it: no account, no token",
        "run-campaign spring.yaml --sandbox --days 30   rehearse a month in seconds",
        "run-campaign spring.yaml               send it; asks first. Again: goes on",
        "run-campaign spring.yaml --until-idle           from cron",
    ),
)
@campaigns_argument
@click.option(
    "--dry-run", is_flag=True, help="Show what would be sent; asks no API, changes nothing."
)
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: one JSON object.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --dry-run: every row into a .csv, .html, .jsonl or .xlsx file.",
)
@click.option("--sandbox", is_flag=True, help="Send to a stand-in API in this process instead.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="SPEC",
    help="With --sandbox: a fault to cause there.",
)
@click.option(
    "--days",
    type=WholeNumber(1, 366),
    metavar="N",
    help="With --sandbox: rehearse N days, in seconds, with people who answer.",
)
@click.option(
    "--people",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --days: who answers when with what, in YAML. Default: a usual mix.",
)
@run_options
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaigns: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
    output: Path | None,
    sandbox: bool,
    faults: tuple[str, ...],
    days: int | None,
    people: Path | None,
    **said: Any,
) -> int:
    """Send campaigns of one ledger: plan what is new, settle what is in doubt, send what is queued.

    The same command again goes on where the last run ended, however it ended: nobody is written
    to twice, nobody is forgotten.
    """
    call.about(campaigns, said["state"], runs=not (dry_run or sandbox))
    if (as_json or output) and not dry_run:
        raise click.UsageError("--json and --output go with --dry-run")
    if faults and not sandbox:
        raise click.UsageError("--fault goes with --sandbox")
    if dry_run and sandbox:
        raise click.UsageError(
            "--dry-run sends nothing, so --sandbox has nothing to do; choose one"
        )
    if days is not None and not sandbox:
        raise click.UsageError("--days goes with --sandbox: real days are waited for")
    if people is not None and days is None:
        raise click.UsageError("--people goes with --sandbox --days N: answers take their time")
    if days is not None and (said["until_idle"] or said["stop_after"] is not None):
        raise click.UsageError("--days says when it ends; leave out --until-idle and --stop-after")
    if dry_run:
        from runner.cli.dry_run import show_dry_run

        return show_dry_run(
            call,
            campaigns,
            limit=said["limit"],
            only=said["only"],
            new_campaign=said["new_campaign"],
            rest_with=said["rest_with"],
            accept=said["accept"],
            accept_changes=said["accept_changes"],
            accept_old_ledger=said["accept_old_ledger"],
            yes=said["yes"],
            as_json=as_json,
            output=output,
            verbose=said["verbose"],
            plans=said["plans"],
        )
    if sandbox and days is not None:
        from runner.cli.rehearsal.days import rehearse_days

        return rehearse_days(call, campaigns, faults, said, days, people)
    if sandbox:
        from runner.cli.rehearsal.once import rehearse

        return rehearse(call, campaigns, faults, said)
    from runner.cli.live_run import options_of, run_and_tell

    return run_and_tell(call, campaigns, options_of(said), said)
