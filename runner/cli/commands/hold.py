"""`run-campaign hold`: write to people no more for now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.invocation import Invocation
from runner.cli.ledger import ledger_to_change, ledger_to_read, people_in_ledger, tell_erased
from runner.cli.options import examples, kind_options, people_arguments, state_option
from runner.cli.output import json_text, table
from runner.clock import SystemClock, iso
from runner.control import holds as control_holds
from runner.control.campaigns import user
from runner.control.in_flight import wait_until_none_leaves
from runner.formats import counted, number, safe
from runner.ledger.campaigns.audit import CLI
from runner.ledger.people import handles, holds

if TYPE_CHECKING:
    from runner.audience.lists.suppression import PeopleList


@click.command(
    "hold",
    short_help="Hold messages to people for now, in every campaign.",
    epilog=examples(
        "run-campaign hold 9184620175530281101 --until 2026-12-24 --why 'on holiday'",
        "run-campaign hold --file answered.csv --id twitter_id",
        "run-campaign hold --list",
    ),
)
@people_arguments
@click.option(
    "--until",
    metavar="DATE",
    help="The day from which they may be written to again, or a time such as '2026-12-24 09:00', "
    "in this machine's zone. Default: until `run-campaign unhold`.",
)
@click.option("--why", default="", metavar="TEXT", help="Why, for readers of the list.")
@kind_options
@click.option("--list", "as_list", is_flag=True, help="Show who is on hold, until when and why.")
@click.option("--json", "as_json", is_flag=True, help="With --list: a list of objects.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    ids: tuple[str, ...],
    file: Path | None,
    column: str | None,
    until: str | None,
    why: str,
    id_type: str,
    platform: str,
    as_list: bool,
    as_json: bool,
    state: str | None,
) -> int:
    """Hold messages to people for now, in every campaign; the messages stay queued.

    Returns when nothing to them can leave any more, or says whose message was on its way. A
    new hold replaces an earlier one of the same person.
    """
    call.about((), state)
    if as_list:
        if ids or file is not None or until is not None or why:
            raise click.UsageError("--list shows who is on hold; nobody is named with it")
        return _show(state, as_json=as_json)
    if as_json:
        raise click.UsageError("--json goes with --list")
    if column is not None and file is None:
        raise click.UsageError("--id names a column of --file FILE")
    if not ids and file is None:
        raise click.UsageError(
            "name the ids of the people, or --file FILE; --list shows who is on hold"
        )
    clock = SystemClock()
    ends = None if until is None else _hold_end(until, clock.now())
    listed = None if file is None else _in_file(file, column, id_type, platform)
    wanted = dict.fromkeys(people_in_ledger(state, ids, platform, id_type))
    with ledger_to_change(state, make=state is not None) as ledger:
        if listed is not None:
            from runner.project.listed_people import with_handles

            wanted |= dict.fromkeys(with_handles(ledger, listed, platform).people)
        control_holds.hold(ledger, clock, wanted, ends, why=why, by=user(), via=CLI)
        told = "" if ends is None else f" until {_local(ends)}"
        count = tell_erased(ledger, wanted)
        click.echo(f"on hold: {number(count)}{told} ({ledger.place})")
        left = wait_until_none_leaves(ledger, clock, recipients=wanted)
    if left.held_back:
        click.echo(f"turned back into the queue: {counted(left.held_back, 'message')}")
    for line in left.lines:
        click.echo(safe(line))
    return 0


def _show(state: str | None, *, as_json: bool) -> int:
    with ledger_to_read(state) as ledger:
        found = ledger.read(holds.listed, SystemClock().now())
        names = ledger.read(handles.handles_of, [each.recipient for each in found])
    if as_json:
        told = [
            {
                "recipient": each.recipient,
                "until": iso(each.until) or None,
                "why": each.why,
                "made_at": iso(each.made_at),
                "made_by": each.made_by,
            }
            for each in found
        ]
        click.echo(json_text(told))
    elif found:
        rows = [
            (
                _with_handle(each.recipient, names),
                f"until {_local(each.until)}" if each.until is not None else "until unhold",
                f"since {iso(each.made_at)}",
                safe(each.made_by),
                safe(each.why),
            )
            for each in found
        ]
        click.echo(table(rows, indent=""))
    else:
        click.echo("nobody is on hold")
    return 0


def _with_handle(id: str, handles: Mapping[str, str]) -> str:
    return safe(f"{id} (@{handles[id]})" if id in handles else id)


def _in_file(file: Path, column: str | None, id_type: str, platform: str) -> PeopleList:
    from runner.audience.lists.suppression import read_list, refuse_errors

    read = read_list(
        file, id_type, platform, id=column, say=f"run-campaign hold --file {file} --id COLUMN"
    )
    refuse_errors([read])
    return read


def _hold_end(text: str, now: float) -> float:
    """Return when a hold ends (Unix s): a local day or time, or one with its offset from UTC."""
    example = "write a day such as 2026-12-24, or a time such as '2026-12-24 09:00'"
    try:
        found = datetime.fromisoformat(text.strip())
        at = found.timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{text} is not a date; {example}", param_hint="--until") from None
    if at <= now:
        raise click.BadParameter(f"{text} is not in the future", param_hint="--until")
    if found.year >= TOO_LATE_YEAR:
        raise click.BadParameter(f"{text} is too far off; leave it out", param_hint="--until")
    return at


TOO_LATE_YEAR = 2200
"""The year from which on a date is taken for a slip."""


def _local(at: float) -> str:
    """Return a time in this machine's zone."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M %Z}"
