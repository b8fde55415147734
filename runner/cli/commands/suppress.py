"""`run-campaign suppress`: the ledger's do-not-contact list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from runner.cli.invocation import Invocation
from runner.cli.ledger import ledger_to_change, ledger_to_read, people_in_ledger, tell_erased
from runner.cli.options import compared_ids, examples, kind_options, state_option
from runner.cli.output import json_text, table
from runner.clock import SystemClock, iso
from runner.control.campaigns import user
from runner.control.in_flight import wait_until_none_leaves
from runner.control.suppression import suppress, unsuppress
from runner.formats import counted, number, safe
from runner.ledger.campaigns.audit import CLI
from runner.ledger.ledger import Ledger
from runner.ledger.people import handles
from runner.ledger.queries import totals
from runner.project.people import named_people

F = TypeVar("F", bound=Callable[..., Any])


@click.group("suppress", short_help="The do-not-contact list: add, remove, list, import, export.")
def command() -> None:
    """The ledger's do-not-contact list: nobody on it is written to, by whatever campaign,
    but for opt-outs of another team's messages where a campaign has `suppress.scope: team`."""


@command.command(
    "add", epilog=examples("run-campaign suppress add 9184620175530281101 --reason asked")
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", default="", metavar="TEXT", help="Why, for readers of the list.")
@kind_options
@state_option
@click.pass_obj
def add(
    call: Invocation,
    /,
    ids: tuple[str, ...],
    reason: str,
    id_type: str,
    platform: str,
    state: str | None,
) -> int:
    """Put people on the list; their queued messages are taken out."""
    call.about((), state)
    people = people_in_ledger(state, ids, platform, id_type)
    wanted = dict.fromkeys(people, (reason, SystemClock().now()))
    return _suppress(lambda _: wanted, state, reason)


@command.command("import", epilog=examples("run-campaign suppress import do-not-contact.csv"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--reason", default="", metavar="TEXT", help="The reason for rows of the file that have none."
)
@click.option("--id", "column", metavar="COLUMN", help="The column with the ids.")
@kind_options
@state_option
@click.pass_obj
def import_(
    call: Invocation,
    /,
    file: Path,
    reason: str,
    column: str | None,
    id_type: str,
    platform: str,
    state: str | None,
) -> int:
    """Put everybody of a table, or of a plain list of ids, on the list.

    Columns reason and added_at (or date) say why and since when. Of a campaign's export those
    written to are put on it: sent, or in doubt. A column handle or username has people by their
    handles, as far as these are resolved.
    """
    from runner.audience.lists.suppression import WRITTEN_TO, read_list, refuse_errors
    from runner.project.listed_people import with_handles

    call.about((), state)
    say = f"run-campaign suppress import {file} --id COLUMN"
    read = read_list(file, id_type, platform, id=column, dates=True, say=say)
    refuse_errors([read])
    found = read.people
    if read.written:
        there = {str(each): read.written.get(each, 0) for each in WRITTEN_TO}
        told = ", ".join(f"{number(count)} {each}" for each, count in there.items() if count)
        rows = counted(sum(read.written.values()), "row")
        click.echo(f"{safe(str(file))}: an export of {rows}; written to: {told}")
    if not found and not read.handles:
        click.echo(f"{file}: nobody in it")
        return 0
    why, now = reason or f"in {file.name}", SystemClock().now()

    def wanted(ledger: Ledger) -> Mapping[str, tuple[str, float]]:
        people = with_handles(ledger, read, platform).people
        return {
            id: (
                why if listed.reason is None else listed.reason,
                now if listed.added_at is None else listed.added_at,
            )
            for id, listed in people.items()
        }

    return _suppress(wanted, state, f"import of {file.name}")


@command.command("export", epilog=examples("run-campaign suppress export do-not-contact.csv"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@state_option
@click.pass_obj
def export(call: Invocation, /, file: Path, state: str | None) -> int:
    """Write the list to a .csv, .jsonl or .xlsx file, which import reads."""
    from runner.audience.lists.list_columns import LIST_COLUMNS
    from runner.project.output_files import refuse_used
    from runner.tables.writer import write_table

    call.about((), state)
    if file.suffix.lower() not in (".csv", ".jsonl", ".xlsx"):
        raise click.UsageError(f"{file}: name a .csv, .jsonl or .xlsx file")
    with ledger_to_read(state) as ledger:
        refuse_used(file, ledger, option="")
        rows = ledger.read(totals.suppression_list)
    write_table(file, LIST_COLUMNS, ((id, why, iso(at)) for id, why, at in rows))
    people = "1 person" if len(rows) == 1 else f"{number(len(rows))} people"
    click.echo(f"{people} in {safe(str(file))}")
    return 0


@command.command("remove", epilog=examples("run-campaign suppress remove 9184620175530281101"))
@click.argument("ids", nargs=-1, required=True, metavar="ID...", callback=compared_ids)
@state_option
@click.pass_obj
def remove(call: Invocation, /, ids: tuple[str, ...], state: str | None) -> int:
    """Take people off the list; the next run queues them again."""
    call.about((), state)
    with ledger_to_change(state) as ledger:
        wanted = named_people(ledger, (id.strip() for id in ids))
        count = len(unsuppress(ledger, SystemClock(), wanted, by=user(), via=CLI))
    click.echo(f"removed: {count}" + (f" of {len(ids)}" if count != len(ids) else ""))
    return 0 if count else 1


@command.command("list", epilog=examples("run-campaign suppress list --json"))
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@state_option
@click.pass_obj
def list_(call: Invocation, /, as_json: bool, state: str | None) -> int:
    """Show the list: who, since when, why."""
    call.about((), state)
    with ledger_to_read(state) as ledger:
        rows = ledger.read(totals.suppression_list)
        teams = ledger.read(totals.opt_outs)
        names = ledger.read(handles.handles_of, [id for id, _, _ in rows])
    if as_json:
        told = [
            {"recipient": id, "reason": why, "added_at": iso(at), "teams": teams.get(id, [])}
            for id, why, at in rows
        ]
        click.echo(json_text(told))
    elif rows:
        who = {id: f"{id} (@{names[id]})" if id in names else id for id, _, _ in rows}
        of = {id: f" (team {', '.join(each)})" for id, each in teams.items()}
        lines = [(safe(who[id]), iso(at), safe(why + of.get(id, ""))) for id, why, at in rows]
        click.echo(table(lines, indent=""))
    else:
        click.echo("nobody is on the list")
    return 0


def _suppress(
    people: Callable[[Ledger], Mapping[str, tuple[str, float]]], state: str | None, why: str
) -> int:
    clock = SystemClock()
    with ledger_to_change(state, make=state is not None) as ledger:
        wanted = people(ledger)
        stopped = suppress(ledger, clock, wanted, why=why, by=user(), via=CLI)
        click.echo(f"on the list: {number(tell_erased(ledger, wanted))} ({ledger.place})")
        left = wait_until_none_leaves(ledger, clock, recipients=wanted)
    if stopped + left.held_back:
        click.echo(f"taken out of the queue: {number(stopped + left.held_back)} messages")
    for line in left.lines:
        click.echo(safe(line))
    return 0
