"""`run-campaign status`: how it stands, from the ledger alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.invocation import Call
from runner.cli.json_text import json_text
from runner.cli.options import any_campaign_argument, examples, state_option

if TYPE_CHECKING:
    from runner.status.standing import Standing, Standings


@click.command(
    "status",
    short_help="Show how campaigns stand and what needs a person.",
    epilog=examples(
        "run-campaign status spring.yaml",
        "run-campaign status                  every campaign of this project",
        "run-campaign status spring.yaml --watch",
        "run-campaign status spring.yaml --json | jq .counts.sent",
    ),
)
@any_campaign_argument
@click.option("--json", "as_json", is_flag=True, help="An object; a list for several campaigns.")
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@state_option
@click.pass_obj
def command(
    call: Call, /, campaign: Path | None, as_json: bool, watch: bool, state: str | None
) -> int:
    """Show counts per status, rate, finish time, what binds, and what needs a person.

    Reads the ledger only: it can be asked at any time, of a live run too.
    """
    from runner.formatting import safe

    call.about((campaign,) if campaign else (), state)
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together; choose one")
    if watch:
        from runner.cli.watch import watch_standings

        return watch_standings(lambda: _standings(campaign, state), _text, call)
    found = _standings(campaign, state)
    if as_json:
        told = [_as_json(each, found, call) for each in found.campaigns]
        if found.moved:
            click.echo(safe(found.moved), err=True)
        click.echo(json_text(told[0] if len(told) == 1 else told))
    else:
        click.echo(_text(found, call))
    return 0


def _standings(campaign: Path | None, state: str | None) -> Standings:
    from runner.clock import SystemClock
    from runner.status.standing import standings

    return standings(campaign, state, os.environ, Path.cwd(), SystemClock())


def _text(found: Standings, call: Call) -> str:
    from runner.cli.output import needs_a_person, status_lines
    from runner.cli.prompts import finish_lines
    from runner.formatting import moment, number, safe

    now = time.time()
    lines = [f"ledger: {safe(found.place)}"]
    lines += [safe(found.moved)] if found.moved else []
    for each in found.campaigns:
        lines += status_lines(each.status)
        if each.status.per_hour:
            lines.append(f"  {number(each.status.per_hour)} sent in the last hour")
        if each.binds_now and each.next_at is not None:
            lines.append(f"  next message {moment(each.next_at, now)}: waits for {each.binds_now}")
        if each.forecast is not None:
            lines += [f"  {line}" for line in finish_lines(each.forecast, now)]
        lines += [f"  {line}" for line in needs_a_person(each.status, each.path, call)]
    if not found.campaigns:
        lines.append("no campaign yet")
    last = found.last_run
    if last is not None:
        began = (
            f"last run: began {moment(last.started_at, now)} (process {last.pid} on {last.host})"
        )
        if last.ended_at is not None:
            ended = f", ended {moment(last.ended_at, now)}: {last.ending}"
        else:
            ended = {True: ", running", False: ", killed", None: ", not ended yet"}[found.alive]
        lines.append(safe(began + ended))
    return "\n".join(lines)


def _as_json(each: Standing, found: Standings, call: Call) -> dict[str, Any]:
    from runner.clock import iso
    from runner.pacing.forecast import finish_as_json

    told = each.status.as_json()
    told |= finish_as_json(each.forecast, time.time())
    for waits, ahead in zip(told["waits_for"], each.status.waits_for, strict=True):
        beside = ahead.path_beside(each.path)
        waits["command"] = None if ahead.settling else call.command("resolve", beside)
    told["binds_now"] = each.binds_now
    told["next_at"] = None if each.next_at is None else iso(each.next_at)
    told["running"] = found.alive
    return told
