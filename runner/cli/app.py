"""All commands. Each lives in a module of its own that loads nothing heavy by itself."""

from __future__ import annotations

import click
from click_default_group import DefaultGroup

from runner.cli.commands import (
    check,
    completion,
    dashboard,
    db,
    demo,
    export,
    history,
    hold,
    init,
    pause,
    report,
    resolve,
    retry,
    run,
    sandbox,
    status,
    suppress,
    test,
    workers,
)


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from runner import __version__

        click.echo(f"run-campaign {__version__}")
        ctx.exit()


@click.group(
    cls=DefaultGroup, default="run", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """Send one personal direct message to every prospect of a sheet, through the Inbox API.

    `run-campaign CAMPAIGN.yaml` sends a campaign or goes on with it; see `run-campaign run --help`.
    Kill it at any moment and start it again: nobody is written to twice, nobody is forgotten.
    """


for each in (
    run.command,
    test.command,
    check.check,
    check.senders,
    status.command,
    dashboard.command,
    pause.pause,
    pause.resume,
    pause.cancel,
    workers.submit,
    workers.worker,
    workers.lanes,
    retry.command,
    resolve.command,
    suppress.group,
    hold.hold,
    hold.unhold,
    history.command,
    export.command,
    report.command,
    db.group,
    sandbox.command,
    init.command,
    demo.command,
    completion.command,
):
    commands.add_command(each)
