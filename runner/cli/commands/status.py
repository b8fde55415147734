"""`run-campaign status`: campaigns as they stand, from the ledger alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from runner.cli.invocation import Invocation
from runner.cli.options import any_campaign_argument, examples, state_option
from runner.cli.output import (
    finish_lines,
    folded,
    json_text,
    need_lines,
    read_up_to_line,
    status_lines,
    step_lines,
)
from runner.clock import SystemClock
from runner.formats import by_handle, moment, number, safe
from runner.status.outlook import outlook_as_json
from runner.status.overview import Overview, read_overview
from runner.status.status import Status
from runner.status.variants import verdict_lines


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
@click.option("--why", is_flag=True, help="Also why each sender sends how many today, as a sum.")
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path | None,
    as_json: bool,
    why: bool,
    watch: bool,
    state: str | None,
) -> int:
    """Show counts per status, rate, finish time, the slowest limit, and what needs a person.

    Only reads the ledger, so that it works at any time, of a live run too.
    """
    call.about((campaign,) if campaign else (), state)
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together; choose one")
    if watch and why:
        raise click.UsageError("--watch and --why do not go together; choose one")
    if watch:
        from runner.cli.watch import watch_overview

        return watch_overview(lambda: _overview(campaign, state), _text, call)
    found = _overview(campaign, state, with_sums=why)
    if as_json:
        told = [_as_json(each, found, call) for each in found.campaigns]
        if found.moved:
            click.echo(safe(found.moved), err=True)
        click.echo(json_text(told[0] if len(told) == 1 else told))
    else:
        click.echo(_text(found, call))
    return 0


def _overview(campaign: Path | None, state: str | None, *, with_sums: bool = False) -> Overview:
    return read_overview(
        campaign, state, os.environ, Path.cwd(), SystemClock(), with_sums=with_sums
    )


def _text(found: Overview, call: Invocation) -> str:
    now = time.time()
    lines = [f"ledger: {safe(found.place)}"]
    lines += [safe(found.moved)] if found.moved else []
    for each in found.campaigns:
        outlook = each.outlook
        lines += status_lines(each)
        lines += [f"  {line}" for line in step_lines(each, now)]
        if each.replied:
            have = "has" if each.replied == 1 else "have"
            lines.append(f"  {number(each.replied)} {have} answered")
        if each.read_up_to is not None and each.read_up_to.at is not None:
            lines.append(f"  {read_up_to_line(each.read_up_to, now)}")
        if each.verdict is not None:
            lines += [f"  {line}" for line in verdict_lines(each.verdict)]
            if each.verdict.unread:
                lines.append(f"  to read them: {call.command('replies', each.file)}")
        if each.per_hour:
            lines.append(f"  {number(each.per_hour)} sent in the last hour")
        if outlook.binds_now and outlook.next_at is not None and not outlook.by_steps:
            lines.append(
                f"  next message {moment(outlook.next_at, now)}: waits for "
                f"{safe(by_handle(outlook.binds_now, each.handles))}"
            )
        if outlook.forecast is not None:
            lines += [f"  {line}" for line in finish_lines(outlook.forecast, now, each.handles)]
        lines += [f"  {line}" for line in _sum_lines(each)]
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
    return "\n".join(part for line in lines for part in folded(line))


def _sum_lines(each: Status) -> Iterator[str]:
    """Yield why each sender sends how many today."""
    for found in each.outlook.today:
        name = safe(by_handle(found.sender, each.handles))
        yield f"today from {name}, until midnight in {found.zone}:"
        for line in found.lines:
            yield f"{line.count:>9,}  {line.what}"
        yield f"{found.left:>9,}  left to send today"


def _as_json(each: Status, found: Overview, call: Invocation) -> dict[str, Any]:
    told = each.as_json() | outlook_as_json(each.outlook, time.time())
    for waits, ahead in zip(told["waits_for"], each.waits_for, strict=True):
        beside = ahead.path_beside(each.file)
        waits["command"] = None if ahead.settling else call.command("resolve", beside)
    if each.outlook.today:
        told["today"] = [one.as_json() for one in each.outlook.today]
    told["running"] = found.alive
    return told
