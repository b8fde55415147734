"""`run-campaign db`: the ledger itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.call import Call
from runner.cli.params import examples, state_option

if TYPE_CHECKING:
    from runner.ledger import Ledger


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
    """Bring the ledger's schema up to date, and on PostgreSQL make it ready for workers.

    A ledger in a file is brought up to date by any command that changes it. One in PostgreSQL,
    which other hosts may use, by this command only: first let all runs of the older version end.
    """
    from runner.ledger import upgrade
    from runner.progress import safe
    from runner.run.places import existing, ledger_upward

    call.about((), state)
    location = existing(ledger_upward(state, os.environ, Path.cwd()))
    place, found, version = upgrade(location)
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
        from runner.distributed.setting_up import set_up
    except ModuleNotFoundError:
        return "not set up for workers (they need: pip install 'run-campaign[distributed]')"
    return set_up(location)
