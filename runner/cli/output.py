"""The output of commands: counts, tables, what needs a person, and the end of a run."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from runner.cli.invocation import Invocation
from runner.formats import by_handle, counted, duration, fold, moment, number, safe
from runner.ledger.database import moved_mark
from runner.ledger.ledger import Ledger
from runner.ledger.queries.replied import ReadUpTo
from runner.status.status import Status, needs_of, waits_for_text

if TYPE_CHECKING:
    from runner.pacing.forecast import Forecast
    from runner.run.exit_code import RunResult

NONE_KNOWN: Mapping[str, str] = {}
"""No handles of senders."""

WORDS = {"in_doubt": "in doubt", "sending": "being sent"}


def json_text(told: Any) -> str:
    """Return a value as JSON, with escapes for letters that the output may not be able to hold."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    return json.dumps(told, ensure_ascii=not unicode, indent=2)


def counts_line(counts: Mapping[str, int]) -> str:
    """Return `17 sent, 1 rejected, 5 skipped`; `nobody yet` when all are 0."""
    order = (
        "sent",
        "rejected",
        "failed",
        "in_doubt",
        "sending",
        "queued",
        "waiting",
        "cancelled",
        "skipped",
    )
    parts = [
        f"{number(counts[name])} {WORDS.get(name, name)}" for name in order if counts.get(name)
    ]
    return ", ".join(parts) or "nobody yet"


def tell_moved(ledger: Ledger) -> None:
    """Say on stderr that what is shown is a ledger that has moved."""
    if (mark := ledger.read(moved_mark.read_mark)) is not None:
        click.echo(safe(str(mark)), err=True)


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Return rows as aligned columns, two spaces apart."""
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(indent + "  ".join(cells).rstrip())
    return "\n".join(lines)


def status_lines(status: Status) -> Iterable[str]:
    """Return a campaign's counts and reasons."""
    counts = {str(name): count for name, count in status.shown_counts.items()}
    yield f"{safe(status.campaign)}: {counts_line(counts)} (of {number(status.total)})"
    reasons = [
        (WORDS.get(str(kind), str(kind)), number(count), safe(reason))
        for kind, reason, count in status.reasons
        if reason
    ]
    if reasons:
        yield table(reasons)


def step_lines(status: Status, now: float) -> Iterable[str]:
    """Return how many messages of each step stand how, and when the next follow-up is due; nothing
    for a campaign without steps."""
    counts = {each.name: dict(each.counts) for each in status.steps}
    for each in status.steps:
        found = {str(kind): count for kind, count in counts[each.name].items()}
        told = f"step {safe(each.name)}: {counts_line(found)}"
        if each.skipped:
            reasons = ", ".join(f"{number(n)} {safe(why)}" for why, n in each.skipped.most_common())
            told += f" ({reasons})"
        yield told
    if due := next_follow_up_text(status, now):
        yield due


def next_follow_up_text(status: Status, now: float) -> str:
    """Return when the next follow-up is due and what it waits for; empty for none."""
    step = status.next_follow_up
    if step is None or step.next_at is None:
        return ""
    waits = waits_for_text(status, step, now)
    told = f"next follow-up ({safe(step.name)}): {moment(step.next_at, now)}"
    return told + (f"; waits for {safe(waits)}" if waits else "")


def read_up_to_line(up_to: ReadUpTo, now: float) -> str:
    """Return how far replies were read, in words."""
    if up_to.at is None:
        return "replies not read yet"
    left = f"; {number(up_to.left)} threads are still read one by one" if up_to.left else ""
    return f"replies read up to {moment(up_to.at, now)}{left}"


def need_lines(status: Status, call: Invocation) -> Iterable[str]:
    """Return what only a person can do about a campaign, with the command that does it."""
    now = time.time()
    for need in needs_of(status):
        told = need.what + (f" at {moment(need.since, now)}" if need.since is not None else "")
        told = safe(told + (f": {need.why}" if need.why else ""))
        then = f"; {need.then}" if need.then else ""
        yield told + (f"{then}: {call.command(*need.words)}" if need.words else "")


def finish_lines(
    forecast: Forecast, now: float, handles: Mapping[str, str] = NONE_KNOWN
) -> Iterable[str]:
    """Return the finish time and the slowest limit, in all and, of several senders, for each."""
    if forecast.seconds < 1:
        yield "done as fast as the API answers: no limit is in the way"
        return
    binds = forecast.binds if forecast.seconds < math.inf else ""
    slowest = f"; slowest limit: {by_handle(binds, handles)}" if binds else ""
    yield _done_between(forecast, now) + slowest
    if len(forecast.by_sender) > 1:
        for sender, seconds in sorted(forecast.by_sender.items()):
            yield f"  {by_handle(sender, handles)}: {_done(seconds, now)}"


def _done_between(forecast: Forecast, now: float) -> str:
    """Return when all is done; with follow-ups, between when and when."""
    told = _done(forecast.seconds, now)
    if forecast.earliest is None or math.inf in (forecast.earliest, forecast.seconds):
        return told
    at = "now" if forecast.earliest < 1 else moment(now + forecast.earliest, now)
    return (
        f"done between {at}, if everybody answers, and {told.removeprefix('done ')} if nobody does"
    )


def _done(seconds: float, now: float) -> str:
    if seconds == math.inf:
        return "never done: the schedule does not open within two years"
    return f"done about {moment(now + seconds, now)} (in {duration(seconds)})"


def tell_run_end(result: RunResult, call: Invocation | None, *, err: bool) -> None:
    """Tell how a run ended. Without a `call` no command is told that goes on: there is nothing to
    go on with."""
    if result.declined:
        click.echo("nothing was sent, nothing was changed", err=err)
        return
    for status in result.statuses:
        for line in status_lines(status):
            click.echo(line, err=err)
        if call is not None:
            for need in need_lines(status, call):
                for line in folded(need):
                    click.echo(line, err=err)
            told_of = sum(each.count for each in status.waits_for if not each.settling)
            if status.blocked > told_of and not result.interrupted:
                told = "wait until a message in doubt to the same person is settled"
                click.echo(
                    f"{number(status.blocked - told_of)} {told}: {call.command('status')}", err=err
                )
            if status.unplanned and not result.interrupted:
                told = "came back into the queue and wait for the next run"
                click.echo(
                    f"{number(status.unplanned)} {told}: {call.command(status.file)}", err=err
                )
            goes_on = "" if result.interrupted else f": {call.command(status.file)}"
            waiting = status.first_queued
            if waiting and goes_on and status.brake is None:
                click.echo(f"{number(waiting)} still queued{goes_on}", err=err)
            if status.to_follow and status.brake is None:
                for line in folded(_to_follow_text(status) + goes_on):
                    click.echo(line, err=err)
    for why in dict.fromkeys(result.stopped):
        click.echo(f"stopped: {safe(why)}", err=err)


def _to_follow_text(status: Status) -> str:
    """Return how many follow-ups are to come, and when the next of them is due."""
    told = f"{counted(status.to_follow, 'follow-up')} to come to those who do not answer"
    step = status.next_follow_up
    if step is None or step.next_at is None:
        return told
    return f"{told}, the next due {moment(step.next_at, time.time())}"


def folded(line: str, *, err: bool = False) -> list[str]:
    """Return a line folded at words where the terminal is narrower; whole where no terminal shows
    it. `err`: it goes to stderr."""
    shown = (sys.stderr if err else sys.stdout).isatty()
    return fold(line, shutil.get_terminal_size().columns) if shown else [line]


def text_lines(text: str) -> Iterable[str]:
    """Return a message's text, indented."""
    for line in safe(text, lines=True).split("\n"):
        yield f"    {line}".rstrip()


@contextmanager
def progress_in_place() -> Iterator[Callable[[Callable[[], str]], None]]:
    """Yield a function that shows how far long work is: on a terminal's stderr, at most twice a
    second; nowhere else."""
    told_at, widest = time.monotonic(), 0

    def tell(words: Callable[[], str]) -> None:
        nonlocal told_at, widest
        if sys.stderr.isatty() and time.monotonic() - told_at > 0.5:
            told_at, line = time.monotonic(), words()
            widest = max(widest, len(line))
            click.echo(f"\r{line}", nl=False, err=True)

    try:
        yield tell
    finally:
        if widest:
            click.echo("\r" + " " * widest + "\r", nl=False, err=True)
