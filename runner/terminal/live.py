"""The live display of a run on a terminal, which redraws itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from runner.events import (
    Braked,
    Event,
    MessageDoubled,
    MessageEvent,
    Notice,
    Planned,
    Released,
    Stopped,
)
from runner.formats import bar, duration, moment, number
from runner.terminal import widgets
from runner.terminal.counters import LONG_RATE_OVER, CampaignCounts, Tally
from runner.terminal.echo import keys_not_echoed
from runner.terminal.event_text import event_line
from runner.terminal.widgets import (
    BAD,
    DOUBT,
    Bar,
    bars,
    in_doubt,
    labelled,
    not_sent,
    sent,
    waits,
    with_command,
)

LONG = 1000
"""Characters of an event that are read; what fits of them is shown."""

Command = Callable[[str, str], str]
"""A command line to paste: of a command's name (empty for the run itself) for a campaign."""


class LiveDisplay:
    """A display that redraws itself while the run goes on. Use as a context manager."""

    def __init__(
        self,
        console: Console,
        tally: Tally,
        *,
        verbose: bool = False,
        command: Command | None = None,
    ) -> None:
        self._console = console
        self._tally = tally
        self._verbose = verbose
        self._command = command
        self._live: Live | None = None
        self._held = contextlib.ExitStack()

    def __enter__(self) -> LiveDisplay:
        self._start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop()

    def _start(self) -> None:
        self._held.enter_context(keys_not_echoed())
        self._live = widgets.in_place(self._console, self._draw, transient=True)
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None
        self._held.close()

    def _draw(self, width: int, height: int) -> list[Text]:
        return display(self._tally, width, height, self._command)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._stop()
        try:
            yield
        finally:
            self._start()

    def watch(self, event: Event) -> None:
        """Print lines that a person should still see afterwards above the display."""
        kept = isinstance(event, Notice | Planned | MessageDoubled | Stopped | Braked | Released)
        if kept or (self._verbose and isinstance(event, MessageEvent)):
            with contextlib.suppress(OSError):
                self._console.print(event_line(event, LONG), markup=False, highlight=False)


def display(tally: Tally, width: int, height: int, command: Command | None = None) -> list[Text]:
    """Return the state of the run, the most important first, for a screen of so many columns and
    rows."""
    with tally.lock:
        lines = _lines(tally, width, height, command)
    return widgets.fit(lines, width, height)


def _lines(tally: Tally, width: int, height: int, command: Command | None) -> list[Text]:
    lines: list[Text] = []
    if tally.asking is not None:
        asking = tally.asking
        told = f"{bar(asking.asked, asking.of, width // 4)} of {number(asking.of)} people"
        lines.append(labelled("asking", told, width))
    if tally.reading is not None:
        told = f"{tally.reading.campaign}: {number(tally.reading.rows)} rows"
        lines.append(labelled("reading", told, width))
    campaigns = [Bar(name, _parts(line)) for name, line in tally.campaigns.items()]
    lines += [*bars(campaigns, width, height), Text()] if campaigns else []
    lines += _stops(tally, width, command)
    if tally.campaigns:
        lines += _needs(tally, width, command)
        lines += _pace(tally, width)
        lines += _senders(tally, width)
        lines.append(Text())
    recent = [event for event in (tally.last_sent, *tally.last) if event is not None]
    recent.sort(key=lambda event: event.at, reverse=True)
    for place, event in enumerate(recent):
        clock = f"{datetime.fromtimestamp(event.at).astimezone():%H:%M:%S}"
        told = f"{clock} {tally.by_handle(event_line(event, LONG))}"
        lines.append(labelled("" if place else "last", told, width))
    return lines


def _parts(line: CampaignCounts) -> list[widgets.Part]:
    return [
        sent(line.sent),
        not_sent(line.rejected, "rejected"),
        not_sent(line.failed, "failed"),
        in_doubt(line.in_doubt),
        waits(line.queued),
        waits(line.to_follow, "to follow"),
    ]


def _stops(tally: Tally, width: int, command: Command | None) -> Iterator[Text]:
    """Return what stops the run: a person, a guard, the API; or a limit, for a while."""
    now = tally.now()
    if tally.stopped:
        yield labelled("STOPPED", tally.stopped, width, BAD)
    for name, line in tally.campaigns.items():
        if (brake := line.brake) is not None:
            by = f" by {brake.by}" if brake.by else ""
            why = f": {brake.why}" if brake.why else ""
            yield labelled(brake.how.upper(), f"{name}{by}{why}", width, BAD)
            if command is not None:
                told = f"to go on: {command('resume', name)}"
                yield from with_command("", told, width, "")
    waiting = tally.waiting
    if waiting is not None and (waiting.until is None or waiting.until > now):
        told = tally.by_handle(waiting.why)
        if waiting.until is not None:
            told = f"{duration(waiting.until - now)}, until {moment(waiting.until, now)}: {told}"
        yield labelled("waiting", told, width)


def _pace(tally: Tally, width: int) -> Iterator[Text]:
    now, begun = tally.now(), tally.started
    young = begun is not None and now - begun.at < LONG_RATE_OVER
    since = "by this run" if young else "in the last hour"
    told = f"{tally.per_minute():,.0f} a minute · {number(tally.last_hour())} {since}"
    yield labelled("rate", told, width)
    if begun is not None and begun.allowed_per_hour is not None:
        told = f"{begun.allowed_per_hour:,.0f} an hour by {tally.by_handle(begun.allowed_by)}"
        yield labelled("allowed", told, width)
    if begun is not None and begun.limit is not None and begun.limit < sum(begun.queued.values()):
        told = f"{number(tally.sent)} sent of the {number(begun.limit)} that --limit allows"
        yield labelled("limit", told, width)
        return
    if tally.stopped or any(line.brake for line in tally.campaigns.values()):
        return  # it was reckoned for all of them
    left = sum(line.queued for line in tally.campaigns.values())
    rate = tally.per_minute()
    if begun is not None and begun.finish_at is not None and begun.finish_at > now:
        binds = f"; slowest limit: {tally.by_handle(begun.binds)}" if begun.binds else ""
        told = _when(begun.finish_at, now)
        if begun.finish_earliest_at is not None:
            told += (
                f" if nobody answers; if everybody does: {moment(begun.finish_earliest_at, now)}"
            )
        yield labelled("finish", f"{told}{binds}", width)
    elif left and rate and not any(line.to_follow for line in tally.campaigns.values()):
        yield labelled("finish", f"{_when(now + left * 60 / rate, now)} at this rate", width)


def _when(at: float, now: float) -> str:
    return f"about {moment(at, now)}, in {duration(at - now)}"


def _needs(tally: Tally, width: int, command: Command | None) -> Iterator[Text]:
    for name, line in tally.campaigns.items():
        of = f"{name}: " if len(tally.campaigns) > 1 else ""
        if line.in_doubt:
            told = f"{of}{number(line.in_doubt)}"
            told += f"; see {command('resolve', name)} --list" if command else ""
            yield from with_command("in doubt", told, width, DOUBT)
        if line.failed:
            told = f"{of}{number(line.failed)}"
            told += f"; after this run: {command('retry', name)}" if command else ""
            yield from with_command("failed", told, width, BAD)


def _senders(tally: Tally, width: int) -> Iterator[Text]:
    """Return what each sender has done and has to do, if there are several."""
    if len(tally.senders) < 2:
        return
    for place, (id, sender) in enumerate(tally.senders.items()):
        words = [
            f"{number(sender.counts[name])} {name.replace('_', ' ')}"
            for name in ("sent", "rejected", "failed", "in_doubt")
            if sender.counts[name] > 0
        ]
        words += [f"{number(sender.queued)} queued"] if sender.queued else []
        told = f"{tally.by_handle(id)}  {' · '.join(words) or 'nothing to send'}"
        told += f" · STOPPED: {sender.stopped}" if sender.stopped else ""
        yield labelled("" if place else "senders", told, width, BAD if sender.stopped else "")
