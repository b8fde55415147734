"""The prompts of a live run: what is about to be sent, and whether it may."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import click

from runner.cli.output import finish_lines, folded, table, text_lines
from runner.errors import UsageError
from runner.formats import counted, duration, number, safe
from runner.message.plan import Entry, PlannedMessage
from runner.pacing.forecast import Forecast
from runner.planning.changes import moved_texts
from runner.planning.dates.sequence import sequence
from runner.planning.dates.timetable import timetable
from runner.planning.preview import Preview
from runner.schedule import Hours
from runner.terminal.display import Display


def can_ask() -> bool:
    """Return whether a person can answer. Where stdout goes does not matter: it may be a pipe."""
    return sys.stdin.isatty() or sys.stderr.isatty()


def _confirm(question: str) -> bool:
    try:
        return click.confirm(question, default=False, err=not sys.stdout.isatty())
    except click.Abort as error:
        if isinstance(error.__context__, EOFError) and not sys.stdin.isatty():
            raise UsageError(
                "no answer: stdin is at its end", "to send without a question: --yes"
            ) from None
        raise


def agree(question: str, *, yes: bool) -> bool:
    """Return whether a person says yes, here or with `yes`; the default is no. Raises UsageError
    where no person can answer."""
    if yes:
        return True
    if not can_ask():
        raise UsageError("no terminal to ask at", "to do it without a question: --yes")
    if _confirm(question):
        return True
    click.echo("nothing was changed")
    return False


def asker(progress: Display) -> Callable[[Sequence[Preview], Forecast], bool]:
    """Return a function that asks on the terminal while the display keeps still."""

    def ask(found: Sequence[Preview], forecast: Forecast) -> bool:
        err = not sys.stdout.isatty()
        with progress.paused():
            for preview in found:
                shown = [*preview_lines(preview), *_first_lines(preview)]
                if preview.first is not None:
                    later, begins = preview.first_later, time.time() + forecast.first
                    shown += sequence_lines(preview.first, later, preview.hours, begins)
                for line in shown:
                    click.echo(line, err=err)
            total = sum(preview.to_send.total() for preview in found)
            to_follow = sum(preview.to_follow for preview in found)
            for line in when_lines(found, forecast, time.time()):
                click.echo(line, err=err)
            more = f", and {counted(to_follow, 'follow-up')} at most" if to_follow else ""
            return _confirm(f"Send {counted(total, 'message')}{more}?")

    return ask


def confirmer(progress: Display) -> Callable[[str], bool]:
    """Return a function that asks for a plain yes or no."""

    def confirm(question: str) -> bool:
        with progress.paused():
            return _confirm(safe(question, lines=True))

    return confirm


def when_lines(found: Sequence[Preview], forecast: Forecast, now: float) -> Iterable[str]:
    """Return on which days and hours each campaign sends, by whose clock, and when it is done."""
    for each in found:
        if each.to_send:
            of = f"{safe(each.campaign)}, " if len(found) > 1 else ""
            for label, told in timetable(each, forecast, now):
                yield from folded(f"  {of}{label}: {safe(told)}")
    handles = {id: name for each in found for id, name in each.handles.items()}
    for line in finish_lines(forecast, now, handles):
        yield from folded(line)


def preview_lines(preview: Preview, skipped_rows: Iterable[str] = ()) -> Iterable[str]:
    """Return how many messages go from which sender, and how many rows are skipped for which
    reason. `skipped_rows`: lines about these rows."""
    total = preview.to_send.total()
    again = total - preview.adds
    told = f"{safe(preview.campaign)}: {counted(total, 'message')} to send"
    told += f" through {safe(preview.host)}" if preview.host else ""
    if again > 0:
        told += f" ({number(again)} of them queued before)"
    yield told
    yield from sender_lines(preview.to_send, preview.handles)
    if preview.variants:
        each = sorted(preview.variants.items())
        yield "  variants: " + ", ".join(f"{name} {number(count)}" for name, count in each)
    if preview.chosen:
        yield f"  given one variant by --rest-with: {number(preview.chosen)}, not compared"
    if preview.power:
        yield f"  {preview.power}"
    if preview.changed:
        were = "it was" if preview.changed == 1 else "they were"
        yield f"  {counted(preview.changed, 'text')} changed since {were} planned"
    if preview.removed:
        are = "is" if preview.removed == 1 else "are"
        yield f"  {number(preview.removed)} queued {are} gone from the file: not written to"
    if preview.skipped:
        reasons = ", ".join(f"{number(n)} {reason}" for reason, n in preview.skipped.most_common())
        yield f"  skipped: {reasons}"
    yield from skipped_rows
    yield from _step_lines(preview)


def _step_lines(preview: Preview) -> Iterable[str]:
    """Return how many get each follow-up at most, and how many stand before it, in it and past
    it."""
    for name, each in preview.steps.items():
        told = f"  then {safe(name)}, {duration(each.after)} after the message before it: "
        told += f"{number(each.to_come)} at most"
        past = each.made + each.passed
        if each.to_come and (each.running or past):
            told += f" (before it: {number(each.before)}, in it: {number(each.running)})"
        told += f"; past it: {number(past)}" if past else ""
        if each.skipped:
            reasons = ", ".join(f"{number(n)} {why}" for why, n in each.skipped.most_common())
            told += f"; skipped: {reasons}"
        yield told
    for gone in preview.steps_removed:
        told = f"  step {safe(gone.name)} is gone from the file: {number(gone.to_come)} had it"
        yield f"{told} to come"
    yield from (f"  {safe(each)}" for each in moved_texts(preview))


def sequence_lines(
    first: PlannedMessage, later: Sequence[Entry], hours: Hours | None, begins: float
) -> Iterable[str]:
    """Return when a person's messages go at the earliest, the follow-ups with their texts; nothing
    where nothing follows."""
    if not later:
        return
    dated = list(sequence(first, later, hours, begins))
    yield f"  {safe(first.recipient.id)}, if they never answer: the first {dated[0].date}"
    for each in dated[1:]:
        planned = each.planned
        if planned.skip is not None:
            yield f"  {safe(planned.step)}: skipped ({planned.skip}: {safe(planned.detail)})"
            continue
        yield f"  {safe(planned.step)}, not before {each.date}:"
        yield from text_lines(planned.text)


def sender_lines(to_send: Counter[str], handles: Mapping[str, str]) -> Iterable[str]:
    """Return the messages of each sender, by handle where that is known."""
    if to_send:
        rows = sorted(to_send.items())
        yield table([(f"from {_sender(sender, handles)}", number(n)) for sender, n in rows])


def _sender(id: str, handles: Mapping[str, str]) -> str:
    return f"@{safe(handles[id])}" if id in handles else safe(id)


def _first_lines(preview: Preview) -> Iterable[str]:
    """Return the first message, of each variant, in full: its sender, recipient and text."""
    for first in preview.firsts.values():
        id, name = safe(first.recipient.id), safe(_name_in(first.columns))
        who = f"{name} ({id})" if name else id
        of = f" with variant {first.variant}" if first.variant else ""
        sender = _sender(first.sender, preview.handles)
        yield f"  the first{of}, row {first.row}, from {sender} to {who}:"
        yield from text_lines(first.text)


def _name_in(columns: Mapping[str, str]) -> str:
    """Return a person's name as the sheet has it; empty when no column is a name's."""
    for names in (["full_name"], ["name"], ["first_name", "last_name"], ["username"], ["handle"]):
        if name := " ".join(columns[one] for one in names if columns.get(one)):
            return str(name)
    return ""
