"""`run-campaign init`: a new campaign by questions and answers, or a project with samples."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.init.sample_project import write_sample_project
from runner.cli.invocation import Invocation
from runner.cli.options import examples
from runner.errors import RunnerError
from runner.formats import counted, number, safe

if TYPE_CHECKING:
    from runner.cli.init.files import NewFiles


@click.command(
    "init",
    short_help="Make a new campaign: asks for account, sheet and text.",
    epilog=examples(
        "run-campaign init                      asks",
        "run-campaign init outreach --sheet people.csv",
        "run-campaign init outreach --sample    sample files, no account needed",
    ),
)
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--sample", is_flag=True, help="Make a project with sample files, and ask nothing.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="The file with the API token; - is stdin. Default: INBOX_API_TOKEN, or .env in DIR.",
)
@click.option(
    "--sender",
    "senders",
    metavar="ACCOUNT",
    multiple=True,
    help="An account to send from, its @handle or id; repeatable.",
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The sheet with the people.",
)
@click.option("--worksheet", default="", metavar="NAME", help="Of a workbook: which of its sheets.")
@click.option(
    "--encoding", default="", metavar="NAME", help="The sheet's encoding, if it is not UTF-8."
)
@click.option(
    "--id", metavar="COLUMN", help="The column with the ids, or with @handles or profiles."
)
@click.option("--first-name", metavar="COLUMN", help="The column with the first names.")
@click.option(
    "--template",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file with the text, which is copied.",
)
@click.option("--sample-text", is_flag=True, help="Begin with a sample text.")
@click.option("--name", metavar="NAME", help="The campaign's name. Default: the sheet's.")
@click.option(
    "--platform", metavar="NAME", help="Without an account: the platform. Default: twitter."
)
@click.option(
    "--base-url", default="", metavar="URL", help="Another address of the API, as the sandbox's."
)
@click.pass_obj
def command(call: Invocation, /, folder: Path | None, sample: bool, **answers: Any) -> int:
    """Make a campaign in DIR: asks for what no option says, and shows the first message.

    The token is kept in DIR/.env, which only you can read. The files are written together at the
    end; those that are there already are left as they are.
    """
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    given = any(answers.values())
    if sample and given:
        raise click.UsageError("--sample makes the sample files; leave the other options out")
    if sample or not (asks or given):
        if folder is None:
            raise click.UsageError("name the new folder: run-campaign init DIR --sample")
        return _make_sample(folder)
    return _make_campaign(call, folder, answers, asks)


def _make_sample(folder: Path) -> int:
    for path, made in write_sample_project(folder):
        click.echo(f"{'made   ' if made else 'is there'}  {safe(str(path))}")
    campaign = folder / "campaigns" / "spring.yaml"
    click.echo(
        "\nnext:\n"
        f"  run-campaign {campaign} --dry-run    who would get what\n"
        f"  run-campaign {campaign} --sandbox    rehearse it: no account needed\n"
        f"  run-campaign init {folder}    a campaign of your own, by questions and answers"
    )
    return 0


def _make_campaign(
    call: Invocation, folder: Path | None, answers: dict[str, Any], asks: bool
) -> int:
    from runner.cli.init.files import Given, compose
    from runner.project.new_files import write_together

    try:
        new = compose(call, Given(folder, **answers), asks)
        write_together(new.contents, new.private)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nnothing was written", err=True)
        raise KeyboardInterrupt from None
    click.echo()
    for path in new.contents:
        click.echo(f"made  {safe(str(path))}")
    for line in new.notes:
        click.echo(line)
    click.echo()
    if new.by_handle and _find_ids(new, asks):
        new.by_handle = False
    _show_first(call, new)
    click.echo("\nnext:")
    for words, why in _next_commands(new):
        click.echo(f"  {words.ljust(48)}  {why}".rstrip())
    return 0


def _next_commands(new: NewFiles) -> Iterator[tuple[str, str]]:
    """Yield the commands that come next, each with what it does, to be run in the new folder."""
    folder = new.campaign.parent.parent
    campaign = shlex.quote(str(new.campaign.relative_to(folder)))
    if folder != Path():
        yield f"cd {shlex.quote(str(folder))}", ""
    yield f"run-campaign {campaign} --sandbox", "rehearse: nothing is sent"
    if new.account and new.by_handle:
        yield f"run-campaign handles {campaign}", "find the ids of the handles"
    if new.account:
        yield f"run-campaign check {campaign}", "token, rows and limits"
        yield f"run-campaign test {campaign} --to ID", "one to yourself"
        yield f"run-campaign {campaign}", "shows the plan, asks, sends"


def _find_ids(new: NewFiles, asks: bool) -> bool:
    """Ask Inbox whose the handles of the sheet are, if a person wants that now; return whether all
    have an id then."""
    click.echo("the sheet has handles, and the API sends to ids")
    question = "ask Inbox for the ids now? It knows your contacts, at no cost"
    try:
        if not (asks and new.account and click.confirm(question, default=True)):
            return False
    except click.Abort:  # all files are written
        click.echo()
        return False
    from runner.clock import SystemClock
    from runner.events import EventBus
    from runner.run.handles import HandleOptions, resolve_handles
    from runner.run.preparation.options import Options, Surroundings

    around = Surroundings(SystemClock(), EventBus(), os.environ)
    try:
        found = resolve_handles(new.campaign, HandleOptions(), Options(), around)
    except RunnerError as error:
        click.echo(safe(str(error), lines=True), err=True)
        return False
    click.echo(f"{counted(len(found.wanted), 'handle')}: {number(found.found)} with an id\n")
    return found.found == len(found.wanted)


def _show_first(call: Invocation, new: NewFiles) -> None:
    """Show the first message, the findings and the forecast, as a dry run does. What is in the way
    of a run is told: the campaign is made all the same."""
    from runner.cli.dry_run import show_dry_run

    try:
        show_dry_run(
            call,
            (new.campaign,),
            limit=1,
            only=(),
            new_campaign=False,
            rest_with="",
            accept=(),
            accept_changes=False,
            accept_old_ledger=False,
            yes=False,
            as_json=False,
            output=None,
            verbose=False,
            handles=new.handles,
        )
    except RunnerError as error:
        if new.by_handle:
            handles = call.command("handles", str(new.campaign))
            click.echo(f"before it can be sent, its handles need ids: {handles}", err=True)
            click.echo("a rehearsal (--sandbox) makes them up", err=True)
            return
        click.echo(safe(f"before it can be sent: {error}", lines=True), err=True)
        if error.hint:
            click.echo(safe(error.hint, lines=True), err=True)
