"""`run-campaign status`: campaigns as they stand, from the ledger alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from runner.cli.invocation import Invocation
from runner.cli.options import any_campaign_argument, examples, state_option
from runner.cli.output import finish_lines, json_text, need_lines, read_up_to_line, status_lines
from runner.clock import SystemClock
from runner.formats import moment, number, safe
from runner.status.outlook import outlook_as_json
from runner.status.overview import Overview, read_overview
from runner.status.status import Status


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
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@state_option
@click.pass_obj
def command(
    call: Invocation, /, campaign: Path | None, as_json: bool, watch: bool, state: str | None
) -> int:
    """Show counts per status, rate, finish time, the slowest limit, and what needs a person.

    Only reads the ledger, so that it works at any time, of a live run too.
    """
    call.about((campaign,) if campaign else (), state)
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together; choose one")
    if watch:
        from runner.cli.watch import watch_overview

        return watch_overview(lambda: _overview(campaign, state), _text, call)
    found = _overview(campaign, state)
    if as_json:
        told = [_as_json(each, found, call) for each in found.campaigns]
        if found.moved:
            click.echo(safe(found.moved), err=True)
        click.echo(json_text(told[0] if len(told) == 1 else told))
    else:
        click.echo(_text(found, call))
    return 0


def _overview(campaign: Path | None, state: str | None) -> Overview:
    return read_overview(campaign, state, os.environ, Path.cwd(), SystemClock())


def _text(found: Overview, call: Invocation) -> str:
    now = time.time()
    lines = [f"ledger: {safe(found.place)}"]
    lines += [safe(found.moved)] if found.moved else []
    for each in found.campaigns:
        outlook = each.outlook
        lines += status_lines(each)
        if each.replied:
            lines.append(f"  {number(each.replied)} have answered")
        if each.read_up_to is not None and each.read_up_to.at is not None:
            lines.append(f"  {read_up_to_line(each.read_up_to, now)}")
        if each.per_hour:
            lines.append(f"  {number(each.per_hour)} sent in the last hour")
        if outlook.binds_now and outlook.next_at is not None:
            lines.append(
                f"  next message {moment(outlook.next_at, now)}: waits for {outlook.binds_now}"
            )
        if outlook.forecast is not None:
            lines += [f"  {line}" for line in finish_lines(outlook.forecast, now)]
        lines += [f"  {line}" for line in need_lines(each, call)]
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


def _as_json(each: Status, found: Overview, call: Invocation) -> dict[str, Any]:
    told = each.as_json() | outlook_as_json(each.outlook, time.time())
    for waits, ahead in zip(told["waits_for"], each.waits_for, strict=True):
        beside = ahead.path_beside(each.file)
        waits["command"] = None if ahead.settling else call.command("resolve", beside)
    told["running"] = found.alive
    return told
