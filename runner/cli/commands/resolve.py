"""`run-campaign resolve`: settle messages in doubt."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from runner.cli.invocation import Invocation
from runner.cli.options import compared_ids, examples, known_campaign_argument, state_option
from runner.cli.output import tell_moved, text_lines
from runner.clock import SystemClock
from runner.control.campaigns import user
from runner.control.resolution import resolve, undo
from runner.formats import moment, safe
from runner.ledger.campaigns import account_links, submissions
from runner.ledger.campaigns.audit import CLI
from runner.ledger.doubts import in_doubt
from runner.ledger.doubts.in_doubt import Doubt
from runner.ledger.people import handles
from runner.ledger.queries import replied, totals
from runner.message.account import AccountName, sender_text
from runner.message.status import MessageStatus
from runner.project.open import opened
from runner.status.status import status_of

STILL_IN_DOUBT = 4
"""The exit code while some are in doubt."""


@click.command(
    "resolve",
    short_help="Settle messages in doubt: ask the API, or say what you found.",
    epilog=examples(
        "run-campaign resolve spring.yaml           ask the API, then list the rest",
        "run-campaign resolve spring.yaml --list",
        "run-campaign resolve spring.yaml --sent 9184620175530281101",
        "run-campaign resolve spring.yaml --all-not-sent",
        "run-campaign resolve spring.yaml --undo-all    until the next run",
    ),
)
@known_campaign_argument
@click.option(
    "--sent",
    multiple=True,
    metavar="ID",
    callback=compared_ids,
    help="This one got the message; repeatable.",
)
@click.option(
    "--not-sent",
    multiple=True,
    metavar="ID",
    callback=compared_ids,
    help="This one did not: queue it again; repeatable.",
)
@click.option("--all-not-sent", is_flag=True, help="None of those in doubt got it.")
@click.option(
    "--undo",
    multiple=True,
    metavar="ID",
    callback=compared_ids,
    help="Undo your --sent or --not-sent for this one, until the next run; repeatable.",
)
@click.option(
    "--undo-all", is_flag=True, help="Undo every --sent and --not-sent since the last run."
)
@click.option("--list", "only_list", is_flag=True, help="List them; ask no API.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path,
    sent: tuple[str, ...],
    not_sent: tuple[str, ...],
    all_not_sent: bool,
    undo: tuple[str, ...],
    undo_all: bool,
    only_list: bool,
    yes: bool,
    state: str | None,
) -> int:
    """Settle messages in doubt: those that may or may not have been sent.

    Without options, the API is asked again now, and messages that stay in doubt are listed with
    where to look for them. Exit code 4 while some are left.
    """
    call.about((campaign,), state)
    by_hand, undone = bool(sent or not_sent or all_not_sent), bool(undo or undo_all)
    if by_hand + undone + only_list > 1:
        raise click.UsageError("choose one: --sent and --not-sent, --undo, or --list")
    if by_hand:
        if not _resolve_by_hand(call, campaign, state, sent, not_sent, all_not_sent, yes):
            return STILL_IN_DOUBT
    elif undone:
        _undo(campaign, state, undo)
    elif not only_list:
        _ask_the_api(call, campaign, state)
    with opened(campaign, state, os.environ) as (ledger, row):
        tell_moved(ledger)
        status = ledger.read(status_of, row, time.time())
        links = ledger.read(account_links.known, rehearsal=row.rehearsal)
        people = [each.recipient.id for each in status.in_doubt]
        names = Names(links, ledger.read(handles.handles_of, people))
        answers = ledger.read(replied.last_answers, people)
    doubts = status.in_doubt
    orphans = status.shown_counts[MessageStatus.IN_DOUBT] - len(doubts)
    if orphans:
        ask = call.command("resolve", str(campaign))
        what = "message was" if orphans == 1 else "messages were"
        click.echo(f"{orphans} {what} under way when the run died; to ask the API: {ask}")
    if doubts or not orphans:
        for line in _listed(doubts, call, campaign, names, answers):
            click.echo(line)
    return STILL_IN_DOUBT if doubts or orphans else 0


def _resolve_by_hand(
    call: Invocation,
    campaign: Path,
    state: str | None,
    sent: tuple[str, ...],
    not_sent: tuple[str, ...],
    all_not_sent: bool,
    yes: bool,
) -> bool:
    """Settle messages as a person says; return False if they do not confirm it."""
    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        doubts = ledger.read(in_doubt.in_doubt, [row.id])
        if all_not_sent and not yes and doubts and not _confirmed(len(doubts)):
            click.echo("nothing was changed")
            return False
        said_sent, queued = resolve(
            ledger,
            row,
            SystemClock(),
            sent=sent,
            not_sent=not_sent,
            all_not_sent=all_not_sent,
            by=user(),
            via=CLI,
        )
        submitted = ledger.read(submissions.is_submitted, row.id)
    click.echo(f"marked as sent: {said_sent}, queued again: {queued}")
    if said_sent or queued:
        undo = call.command("resolve", str(campaign), "--undo-all")
        click.echo(f"to undo that, until the next run: {undo}")
    if queued:
        words = ["submit", str(campaign)] if submitted else [str(campaign)]
        click.echo(f"to send them: {call.command(*words)}")
    return True


def _undo(campaign: Path, state: str | None, ids: tuple[str, ...]) -> None:
    with opened(campaign, state, os.environ, read_only=False) as (ledger, row):
        told = undo(ledger, row, SystemClock(), ids, by=user(), via=CLI)
    if not told.back and not told.too_late:
        click.echo("nothing to undo: nothing was resolved by hand since the last run")
        return
    click.echo(f"in doubt again: {len(told.back)}")
    if told.too_late:
        listed = ", ".join(safe(id) for id in told.too_late)
        click.echo(f"too late, a run has begun or the message has moved on since: {listed}")


def _confirmed(count: int) -> bool:
    """Ask a person at a terminal: recipients who did get it would be written to twice."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    question = f"Queue {count} again? People who did get it will be written to twice."
    return click.confirm(question, default=False)


def _ask_the_api(call: Invocation, campaign: Path, state: str | None) -> None:
    from runner.cli.live_run import run_with_display
    from runner.run.exit_code import RunResult
    from runner.run.preparation.options import Options, Surroundings
    from runner.run.settle import settle_now

    with opened(campaign, state, os.environ) as (ledger, row):
        counts = ledger.read(totals.counts, row.id)
    if not counts[MessageStatus.IN_DOUBT] and not counts[MessageStatus.SENDING]:
        return
    said: dict[str, Any] = {"log_format": "text", "quiet": False, "verbose": True, "yes": True}

    def run(around: Surroundings) -> RunResult:
        return settle_now(campaign, Options(state=state), around)

    result = run_with_display(
        call, (campaign,), run, said | {"limit": None, "only": (), "plans": ()}, runs=False
    )
    if result.interrupted:
        raise KeyboardInterrupt


def _person(doubt: Doubt) -> str:
    """Return a person as the prospects file has them: the first cells beside the id."""
    cells = [
        f"{name} {value}"
        for name, value in json.loads(doubt.columns).items()
        if value and value != doubt.recipient.id
    ]
    return ", ".join(cells[:3]) or "only an id"


class Names(NamedTuple):
    """The names of account links and people, by their ids."""

    links: Mapping[str, AccountName]
    people: Mapping[str, str]

    def person(self, id: str) -> str:
        """Return a person for people: `9184… (@ada)`; the id where no handle is known."""
        return f"{id} (@{self.people[id]})" if id in self.people else id


def _listed(
    doubts: list[Doubt],
    call: Invocation,
    campaign: Path,
    names: Names,
    answers: Mapping[str, float],
) -> Iterable[str]:
    """Yield the lines of a list of doubts. `answers`: when their people have answered last (Unix
    s)."""
    if not doubts:
        yield "nothing is in doubt"
        return
    now = time.time()
    for doubt in doubts:
        why = f"{doubt.reason}: {doubt.detail}" if doubt.detail else doubt.reason
        who = safe(names.person(doubt.recipient.id))
        tried = f"tried {moment(doubt.first_at, now)}"
        when = "forgotten by an old copy of the ledger, or not sent" if doubt.presumed else tried
        yield f"{who}  {when}  {safe(why)}"
        yield f"  row {doubt.row}: {safe(_person(doubt))}"
        if (at := answers.get(doubt.recipient.id, -math.inf)) >= doubt.first_server_at:
            yield f"  they have written since, {moment(at, now)}: see the thread"
        sender = safe(sender_text(doubt.sender, names.links))
        yield f"  look into the thread of {sender} with {who} in Inbox for:"
        yield from text_lines(doubt.text)
    file, id = str(campaign), doubts[0].recipient.id
    yield ""
    yield f"{len(doubts)} in doubt. It is there: {call.command('resolve', file, '--sent', id)}"
    yield f"It is not there: {call.command('resolve', file, '--not-sent', id)}"
