"""`run-campaign replies`: who has answered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from runner.cli.invocation import Invocation
from runner.cli.options import (
    any_campaign_argument,
    compared_ids,
    examples,
    log_file_option,
    state_option,
)
from runner.cli.output import json_text, read_up_to_line, table, tell_moved
from runner.clock import SystemClock, iso
from runner.control.campaigns import user
from runner.errors import RunnerError
from runner.formats import moment, number, safe
from runner.ledger.campaigns.audit import CLI
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.queries import replied
from runner.ledger.queries.replied import Replied
from runner.project.open import file_of, opened, opened_any
from runner.project.output_files import refuse_used
from runner.replies.opt_out import Said, Wish


@click.command(
    "replies",
    short_help="Read now who has answered, and list them.",
    epilog=examples(
        "run-campaign replies spring.yaml",
        "run-campaign replies spring.yaml --json | jq '.[].recipient'",
        "run-campaign replies spring.yaml --not-a-reply 9184620175530281101",
        "run-campaign replies spring.yaml --as-if more-phrases.txt",
    ),
)
@any_campaign_argument
@click.option(
    "--not-a-reply",
    "dismissed",
    multiple=True,
    metavar="ID",
    callback=compared_ids,
    help="What this person wrote is not a reply; repeatable.",
)
@click.option(
    "--as-if",
    "phrases",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="LIST",
    help="Show whom these phrases, one a line, would have caught. Changes nothing.",
)
@log_file_option
@click.option("--no-read", is_flag=True, help="List what the ledger knows; ask no API.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path | None,
    dismissed: tuple[str, ...],
    phrases: Path | None,
    log_file: Path | None,
    no_read: bool,
    as_json: bool,
    state: str | None,
) -> int:
    """Read now what people have answered, and list who has, and when.

    Opt-outs are obeyed at once. What people wrote is not kept, but for the words of an opt-out.
    """
    call.about((campaign,) if campaign else (), state)
    if bool(dismissed) + (phrases is not None) + no_read > 1:
        raise click.UsageError("--not-a-reply, --as-if and --no-read do not go together")
    if log_file is not None and (dismissed or phrases is not None or no_read):
        raise click.UsageError(
            "--log-file is for what is read now: not with --not-a-reply, --as-if, --no-read"
        )
    with opened_any(campaign, state, os.environ, Path.cwd()) as (ledger, row):
        tell_moved(ledger)
        path = campaign or file_of(ledger, row)
    if dismissed:
        return _dismiss(path, state, dismissed, call)
    with opened(path, state, os.environ, read_only=no_read) as (ledger, row):
        if log_file is not None:
            refuse_used(log_file, ledger, [path], option="--log-file ")
        trouble = ""
        if not no_read and phrases is None:
            trouble = _read(path, state, ledger, row, log_file)
        found = ledger.read(replied.replied, row.id)
        figures = ledger.read(replied.figures, row.id)
        up_to = ledger.read(replied.read_up_to, row.lane)
        as_if = None if phrases is None else _as_if(path, state, ledger, row, found, phrases)
    if as_if is not None:
        _show_as_if(found, as_if)
        return 0
    if as_json:
        click.echo(json_text([_as_json(each) for each in found]))
    else:
        now = SystemClock().now()
        for line in _lines(row, found, figures, up_to, now, call, path):
            click.echo(line)
    if trouble:
        click.echo(safe(trouble), err=True)
    return 1 if trouble else 0


def _read(
    path: Path, state: str | None, ledger: Ledger, row: CampaignRow, log_file: Path | None
) -> str:
    """Ask the API; return why that did not work, so that what is known is listed all the same."""
    from runner.cli.live_run import attach_log
    from runner.events import EventBus
    from runner.run.replies import ReplySource, read_replies

    bus, clock = EventBus(), SystemClock()
    if log_file is not None:
        attach_log(bus, log_file)
    try:
        read_replies(ReplySource(path, state, os.environ, ledger, row, clock, bus))
    except RunnerError as error:
        return f"{error}; {error.hint}" if error.hint else str(error)
    return ""


def _dismiss(path: Path, state: str | None, ids: Sequence[str], call: Invocation) -> int:
    from runner.control.replies import dismiss

    with opened(path, state, os.environ, read_only=False) as (ledger, row):
        found = dismiss(ledger, row, SystemClock(), ids, by=user(), via=CLI)
    click.echo(f"no longer counted as having answered: {len(found)} of {len(set(ids))}")
    if found:
        listed, held = call.command("suppress", "remove", "ID"), call.command("unhold", "ID")
        click.echo(f"the do-not-contact list and holds stay: {listed}, {held}")
    return 0 if found else 1


def _as_if(
    path: Path,
    state: str | None,
    ledger: Ledger,
    row: CampaignRow,
    found: Sequence[Replied],
    phrases: Path,
) -> dict[str, Said]:
    from runner.events import EventBus
    from runner.run.replies import ReplySource, reread

    stop = [line for line in phrases.read_text("utf-8-sig").splitlines() if line.strip()]
    ids = [id for each in found for id in each.ids]
    source = ReplySource(path, state, os.environ, ledger, row, SystemClock(), EventBus())
    return reread(source, ids, stop)


def _show_as_if(found: Sequence[Replied], said: dict[str, Said]) -> None:
    rows = []
    for each in found:
        theirs = [said[id].wish for id in each.ids if id in said]
        if Wish.OPT_OUT in theirs and each.out_at is None:
            rows.append((safe(each.recipient), f"row {each.row}", "would be an opt-out"))
        elif Wish.UNSURE in theirs and each.out_at is None and not each.unsure:
            rows.append((safe(each.recipient), f"row {each.row}", "would be on hold"))
    click.echo(table(rows, indent="") if rows else "nobody else would be caught")


def _lines(
    row: CampaignRow,
    found: Sequence[Replied],
    figures: replied.Figures,
    up_to: replied.ReadUpTo,
    now: float,
    call: Invocation,
    path: Path,
) -> list[str]:
    have = "has" if figures.replied == 1 else "have"
    told = [
        f"{safe(row.name)}: {number(figures.replied)} {have} answered of "
        f"{number(figures.written_to)} written to: {figures.rate or '–'}; "
        f"opted out: {number(figures.opted_out)}"
    ]
    rows = [
        (
            safe(each.recipient),
            f"row {each.row}",
            moment(each.first_at, now),
            f"{each.messages} messages" if each.messages > 1 else "1 message",
            _wish_in_words(each),
            f"thread {safe(each.thread_id)}",
        )
        for each in found
    ]
    if rows:
        told.append(table(rows))
    told.append(read_up_to_line(up_to, now))
    if any(each.unsure and each.out_at is None for each in found):
        stop, go = call.command("suppress", "add", "ID"), call.command("unhold", "ID")
        told.append(f"read what they wrote, then: {stop} or {go}")
    return told


def _wish_in_words(each: Replied) -> str:
    if each.out_at is not None:
        return f"opted out: “{safe(each.words)}”" if each.words else "opted out"
    return "to be read by a person" if each.unsure else ""


def _as_json(each: Replied) -> dict[str, Any]:
    return {
        "recipient": each.recipient,
        "row": each.row,
        "sender": each.sender,
        "thread_id": each.thread_id,
        "replied_at": iso(each.first_at),
        "last_at": iso(each.last_at),
        "messages": each.messages,
        "opted_out_at": iso(each.out_at) or None,
        "words": each.words or None,
        "to_read": each.unsure and each.out_at is None,
    }
