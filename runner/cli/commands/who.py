"""`run-campaign who`: everything about one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from runner.audience.handles import HANDLE_COLUMNS
from runner.cli.invocation import Invocation
from runner.cli.ledger import ledger_to_read
from runner.cli.options import examples, state_option
from runner.cli.output import json_text, text_lines
from runner.clock import SystemClock, iso
from runner.formats import by_handle, duration, moment, safe
from runner.ledger.campaigns import account_links
from runner.ledger.queries import people
from runner.ledger.queries.message_lists import ListedMessage
from runner.ledger.queries.people import PersonMessage, Story
from runner.message.status import MessageStatus


@click.command(
    "who",
    short_help="Show everything about one person, in all campaigns.",
    epilog=examples(
        "run-campaign who 9184620175530281101",
        "run-campaign who 'Ada Novak'         by a cell of the sheet",
    ),
)
@click.argument("person", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, one for each person.")
@state_option
@click.pass_obj
def command(call: Invocation, /, person: str, as_json: bool, state: str | None) -> int:
    """Show a person's messages in all campaigns: texts, when, from whom, why skipped, answers,
    holds, and the do-not-contact list. Reads the ledger only. With --json also every row of every
    table that is about them: all that is kept.

    ID is an id, the beginning of one, or text in a cell of the sheet, such as a name.
    """
    call.about((), state)
    clock = SystemClock()
    with ledger_to_read(state) as ledger:
        columns = HANDLE_COLUMNS if as_json else None
        found = ledger.read(people.stories, person, clock, columns)
        kinds = (True, False)
        handles = {
            id: handle
            for kind in kinds
            for id, handle in ledger.read(account_links.handles, rehearsal=kind).items()
        }
    if as_json:
        click.echo(json_text([_as_json(each) for each in found]))
    elif not found:
        click.echo("nobody is found by that, as an id or in a cell of a sheet")
    for each in () if as_json else found:
        for line in _lines(each, clock.now(), handles):
            click.echo(line)
    return 0 if found else 1


def _lines(story: Story, now: float, handles: Mapping[str, str]) -> Iterable[str]:
    yield f"{safe(story.recipient)}"
    if story.erased_at is not None:
        yield f"  erased {moment(story.erased_at, now)}: nothing is kept, and nobody writes to them"
    if story.listed is not None:
        why = f": {safe(story.listed.why)}" if story.listed.why else ""
        yield f"  on the do-not-contact list since {moment(story.listed.since, now)}{why}"
    if (hold := story.hold) is not None:
        ends = "until unhold" if hold.until is None else f"until {moment(hold.until, now)}"
        yield f"  on hold {ends}" + (f": {safe(hold.why)}" if hold.why else "")
    is_undecided = story.hold is not None and story.hold.until is None and story.listed is None
    unsure = "to be read" if is_undecided else ""
    for each in story.messages:
        yield f"  {_told(each, now, handles)}"
        yield from text_lines(each.message.text)
        for answer in each.answers:
            words = f": “{safe(answer.words)}”" if answer.words else ""  # erased with the person
            wish = {"opt_out": f"opted out{words}", "unsure": unsure}
            told = wish.get(answer.wish, "")
            yield f"    answered {moment(answer.at, now)}" + (f", {told}" if told else "")


def _told(each: PersonMessage, now: float, handles: Mapping[str, str]) -> str:
    message = each.message
    told = f"{safe(message.campaign_name)}, row {message.row}"
    told += f", step {safe(message.step)}" if message.previous else ""
    told += f": {message.status}"
    if message.sent_at is not None:
        told += f" {moment(message.sent_at, now)}"
    told += _waits_for(message, now)
    if message.reason:
        detail = f": {message.detail}" if message.detail else ""
        told += f" ({safe(message.reason + detail)})"
    told += f", from {safe(by_handle(message.sender, handles))}" if message.sender else ""
    if message.variant:
        told += f", variant {message.variant}" + (" (chosen)" if message.chosen else "")
    return told + (f", thread {safe(message.thread_id)}" if message.thread_id else "")


def _waits_for(message: ListedMessage, now: float) -> str:
    """Return what a follow-up waits for, empty for nothing."""
    if message.previous and message.status is MessageStatus.WAITING:
        return f" until {duration(message.after)} after step {safe(message.previous)} is sent"
    if message.due_at is None:
        return ""
    told = f", due {moment(message.due_at, now)}"
    return told + (f": {safe(message.detail)}" if message.detail and not message.reason else "")


def _as_json(story: Story) -> dict[str, Any]:
    hold, listed = story.hold, story.listed
    return {
        "recipient": story.recipient,
        "suppressed": None if listed is None else {"why": listed.why, "since": iso(listed.since)},
        "hold": None if hold is None else {"why": hold.why, "until": iso(hold.until) or None},
        "messages": [
            {
                "campaign": each.message.campaign_name,
                "row": each.message.row,
                "step": each.message.step,
                "previous": each.message.previous,
                "not_before": iso(each.message.due_at) or None,
                "status": str(each.message.status),
                "reason": each.message.reason,
                "detail": each.message.detail,
                "sender": each.message.sender,
                "text": each.message.text,
                "variant": each.message.variant,
                "sent_at": iso(each.message.sent_at) or None,
                "thread_id": each.message.thread_id,
                "answers": [
                    {"at": iso(one.at), "wish": one.wish, "words": one.words}
                    for one in each.answers
                ],
            }
            for each in story.messages
        ],
        "erased_at": iso(story.erased_at) or None,
        "records": story.records,
    }
