"""`run-campaign db`: the ledger as a file."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.call import Call
from runner.cli.params import examples, state_option


@click.group("db", short_help="The ledger itself: backup, upgrade.")
def group() -> None:
    """The ledger itself: a copy of it, and its schema."""


@group.command("backup", epilog=examples("run-campaign db backup state-2026-03-02.db"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@state_option
@click.pass_obj
def backup(call: Call, /, file: Path, state: str | None) -> int:
    """Copy a ledger to a new FILE, while a run is live too.

    The only supported copy of a live ledger: one made by `cp` may be torn.
    """
    from runner.ledger import back_up
    from runner.progress import safe
    from runner.run.places import ledger_upward

    call.about((), state)
    place = back_up(ledger_upward(state, os.environ, Path.cwd()), file)
    click.echo(f"{safe(place)} copied to {safe(str(file))}")
    return 0


@group.command("upgrade", epilog=examples("run-campaign db upgrade"))
@state_option
@click.pass_obj
def upgrade(call: Call, /, state: str | None) -> int:
    """Bring the ledger's schema up to date."""
    from runner.ledger import notes
    from runner.progress import safe
    from runner.run.places import ledger_upward, open_existing

    call.about((), state)
    with open_existing(ledger_upward(state, os.environ, Path.cwd()), read_only=False) as ledger:
        version = ledger.read(notes.note, "schema_version")
        click.echo(f"{safe(ledger.place)} has schema {version}: up to date")
    return 0
