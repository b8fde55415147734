"""`run-campaign lanes`: lanes with their workers and queues."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.options import examples, state_option
from runner.cli.output import json_text
from runner.clock import SystemClock, iso
from runner.formats import number, safe
from runner.ledger.queries.lane_status import LaneRow, lane_rows
from runner.project.ledgers.ledger_location import ledger_upward, open_existing


@click.command(
    "lanes",
    short_help="Show which worker drives which team's campaigns, and what waits.",
    epilog=examples("run-campaign lanes", "run-campaign lanes --json"),
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@state_option
@click.pass_obj
def command(call: Invocation, /, as_json: bool, state: str | None) -> int:
    """Show the lanes of a shared ledger: who drives what, since when, what waits and for what."""
    call.about((), state)
    with open_existing(ledger_upward(state, os.environ, Path.cwd())) as ledger:
        rows = ledger.read(lane_rows)
    now = SystemClock().now()
    if as_json:
        click.echo(json_text([_as_json(row, now) for row in rows]))
    elif not rows:
        click.echo("nothing was submitted to this ledger; see: run-campaign submit --help")
    else:
        click.echo("\n".join(_lines(row, now) for row in rows))
    return 0


def _as_json(row: LaneRow, now: float) -> dict[str, object]:
    return {
        "lane": row.lane,
        "campaigns": list(row.campaigns),
        "token": row.token_env,
        "state": _state(row, now),
        "worker": {"host": row.host, "pid": row.pid, "since": iso(row.since)} if row.host else None,
        "queued": row.queued,
        "in_doubt": row.in_doubt,
        "next_at": None if row.next_at is None else iso(row.next_at),
        "epoch": row.epoch,
        "trouble": row.trouble,
    }


def _state(row: LaneRow, now: float) -> str:
    """Return `driven`, `due` (waits for a worker), `waits` (until `next_at`) or `rests`."""
    if row.driven:
        return "driven"
    if row.next_at is None:
        return "rests"
    return "due" if row.next_at <= now else "waits"


def _lines(row: LaneRow, now: float) -> str:
    told = {
        "driven": f"driven by process {row.pid} on {safe(row.host)} since {iso(row.since)}",
        "due": f"due; waits for a worker with {safe(row.token_env)}",
        "waits": f"waits until {iso(row.next_at or 0.0)}",
        "rests": "nothing to do until something is submitted, resumed or queued again",
    }[_state(row, now)]
    lines = [
        f"{safe(row.lane)}: {told}",
        f"  {safe(', '.join(row.campaigns))}: {number(row.queued)} queued, "
        f"{number(row.in_doubt)} in doubt",
    ]
    if row.trouble:
        lines.append(f"  {safe(row.trouble)}")
    return "\n".join(lines)
