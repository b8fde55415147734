"""`run-campaign db`: the ledger itself."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import examples, state_option
from runner.cli.output import progress_in_place
from runner.clock import SystemClock
from runner.formats import bar, counted, number, safe
from runner.installation import install_command
from runner.ledger import engine
from runner.ledger.copies.backup import back_up
from runner.project.ledgers import move_ledger
from runner.project.ledgers.ledger_location import ledger_upward, require_ledger


@click.group("db", short_help="The ledger itself: backup, upgrade, move, forget.")
def command() -> None:
    """The ledger itself: a copy of it, its schema, and its place."""


@command.command("backup", epilog=examples("run-campaign db backup state-2026-03-02.db"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@state_option
@click.pass_obj
def backup(call: Invocation, /, file: Path, state: str | None) -> int:
    """Copy a ledger to a new FILE, while a run is live too.

    The only supported copy of a live ledger: one made by `cp` may be torn.
    """
    call.about((), state)
    place = back_up(ledger_upward(state, os.environ, Path.cwd()), file)
    click.echo(f"{safe(place)} copied to {safe(str(file))}")
    return 0


@command.command(
    "upgrade",
    short_help="Bring a ledger's schema up to date.",
    epilog=examples("run-campaign db upgrade"),
)
@state_option
@click.pass_obj
def upgrade(call: Invocation, /, state: str | None) -> int:
    """Bring the ledger's schema up to date, and on PostgreSQL make it ready for workers.

    A ledger in a file is brought up to date by any command that changes it. One in PostgreSQL,
    which other hosts may use, by this command only: first let all runs of the older version end.
    Interrupted or killed, it has changed everything or nothing, and the same command finishes it.
    """
    call.about((), state)
    location = require_ledger(ledger_upward(state, os.environ, Path.cwd()))
    place, found, version = engine.upgrade(location)
    place = safe(place)
    if found == version:
        click.echo(f"{place} has schema {version}: up to date")
    elif found is not None:
        click.echo(f"{place} brought from schema {found} to {version}")
    else:
        click.echo(f"{place} set up with schema {version}")
    if "://" in location:
        click.echo(f"{place}: {_set_up_for_workers(location)}")
    return 0


def _set_up_for_workers(location: str) -> str:
    try:
        from runner.workers.setup import set_up
    except ModuleNotFoundError:
        return f"not set up for workers (they need: {install_command('distributed')})"
    return set_up(location)


@command.command(
    "move",
    short_help="Move a ledger from its file into PostgreSQL.",
    epilog=examples("run-campaign db move --to postgresql+psycopg://outreach@db.example/outreach"),
)
@click.option("--to", "to", required=True, metavar="URL", help="The PostgreSQL ledger.")
@state_option
@click.pass_obj
def move(call: Invocation, /, to: str, state: str | None) -> int:
    """Move a whole ledger from its file into PostgreSQL: all campaigns, and who was written to.

    The database may be empty or hold other campaigns. The file stays as it is and refuses to be
    used from then on. Killed in the middle, the same command finishes it.
    """
    call.about((), state)
    location = ledger_upward(state, os.environ, Path.cwd())
    with progress_in_place() as tell:

        def progress(done: int, total: int) -> None:
            tell(lambda: f"{bar(done, total, 30)} of {number(total)} rows")

        source, target = move_ledger.move(location, to, os.environ, SystemClock(), progress)
    click.echo(f"{safe(source)} has moved to {safe(target)}; its campaigns go on there:")
    click.echo(f"export RUN_CAMPAIGN_STATE={shlex.quote(safe(target))}")
    return 0


@command.command(
    "forget",
    short_help="Start over where a ledger that was only tried out is gone.",
    epilog=examples(
        "run-campaign db forget", "run-campaign db forget --state trial/state.db --yes"
    ),
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def forget(call: Invocation, /, yes: bool, state: str | None) -> int:
    """Start over: miss a ledger no longer that was deleted, or moved away.

    A new ledger at its place is refused as long as the old one is missed, since it would write to
    the same people again. Forget only what was tried out; the newest copy of a ledger that is
    needed can be put back instead.
    """
    from runner.cli.prompts import agree  # brings what limits need, which other commands do not
    from runner.project.ledgers import lost_ledgers

    call.about((), state)
    place, lost = lost_ledgers.lost_ledgers(state, os.environ, Path.cwd())
    if not lost:
        click.echo(f"no ledger is missed at {safe(place)}: nothing to forget")
        return 0
    for each in lost:
        seen = each.marks()
        sends = counted(seen.attempts, "send")
        click.echo(f"missed at {safe(place)}: {sends} of {safe(', '.join(seen.campaigns))}")
    click.echo("Forgotten, a new ledger may begin there. It does not know who was written to:")
    click.echo("these people can be written to again. The old one is refused if it comes back.")
    if not agree("Forget it?", yes=yes):
        return 1
    lost_ledgers.forget(lost)
    click.echo("forgotten: the next run begins a new ledger")
    return 0
