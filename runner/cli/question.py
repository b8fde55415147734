"""The question before a live run: what is about to happen, and whether it may."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from runner.cli.show import table
from runner.progress import counted, duration, moment, number, safe

if TYPE_CHECKING:
    from runner.forecast import Forecast
    from runner.progress.showing import Progress
    from runner.run.preview import Preview


def asker(progress: Progress) -> Callable[[Sequence[Preview], Forecast], bool]:
    """A function that asks on the terminal while the progress display keeps still."""

    def ask(found: Sequence[Preview], forecast: Forecast) -> bool:
        with progress.paused():
            for preview in found:
                for line in preview_lines(preview):
                    click.echo(line)
            total = sum(preview.to_send.total() for preview in found)
            for line in finish_lines(forecast, time.time()):
                click.echo(line)
            return click.confirm(f"Send {counted(total, 'message')}?", default=False)

    return ask


def confirmer(progress: Progress) -> Callable[[str], bool]:
    """A function that asks for a plain yes or no."""

    def confirm(question: str) -> bool:
        with progress.paused():
            return click.confirm(safe(question, lines=True), default=False)

    return confirm


def preview_lines(preview: Preview) -> Iterable[str]:
    """How many messages from which sender, and who is skipped why."""
    total = preview.to_send.total()
    again = total - preview.adds
    told = f"{safe(preview.campaign)}: {counted(total, 'message')} to send"
    if again > 0:
        told += f" ({number(again)} of them queued before)"
    yield told
    yield from sender_lines(preview.to_send)
    if preview.changed:
        yield f"  {counted(preview.changed, 'text')} changed since they were planned"
    if preview.removed:
        yield f"  {number(preview.removed)} queued are gone from the file: not written to"
    if preview.skipped:
        reasons = ", ".join(f"{number(n)} {reason}" for reason, n in preview.skipped.most_common())
        yield f"  skipped: {reasons}"


def sender_lines(to_send: Counter[str]) -> Iterable[str]:
    """Messages of each sender."""
    if to_send:
        yield table([(f"from {sender}", number(n)) for sender, n in sorted(to_send.items())])


def finish_lines(forecast: Forecast, now: float) -> Iterable[str]:
    """When it will be done and what makes it take that long, in all and, of several, per sender."""
    if forecast.seconds < 1:
        yield "done as fast as the API answers: no limit is in the way"
        return
    binds = forecast.binds if forecast.seconds < math.inf else ""
    yield _done(forecast.seconds, now) + (f"; what binds: {binds}" if binds else "")
    if len(forecast.by_sender) > 1:
        for sender, seconds in sorted(forecast.by_sender.items()):
            yield f"  {sender}: {_done(seconds, now)}"


def _done(seconds: float, now: float) -> str:
    if seconds == math.inf:
        return "never done: the schedule does not open within two years"
    return f"done about {moment(now + seconds, now)} (in {duration(seconds)})"
