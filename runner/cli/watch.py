"""`status --watch`: campaigns as they stand, read from the ledger again and again."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

import click
from rich.console import Console
from rich.text import Text

from runner.cli.invocation import Invocation
from runner.cli.output import WORDS, need_lines, step_lines
from runner.formats import by_handle, duration, moment, number, short
from runner.message.status import MessageStatus
from runner.status.overview import Overview
from runner.status.status import Status
from runner.terminal import widgets
from runner.terminal.display import can_redraw
from runner.terminal.echo import keys_not_echoed
from runner.terminal.widgets import BAD, Bar, Part, bars, in_place, labelled, with_command

REFRESH = 1.0
"""Seconds between two reads of the ledger."""

MOST_SHARE = 0.2
"""The most of the time that reading may take: a large ledger is read less often."""

CHANGES_OVER = 60.0
"""Seconds over which changes are shown."""

Counts = Mapping[str, Mapping[MessageStatus, int]]
"""Per campaign and status."""

_S = MessageStatus

MADE = {
    _S.SENT: widgets.sent,
    _S.REJECTED: widgets.not_sent,
    _S.FAILED: widgets.not_sent,
    _S.IN_DOUBT: widgets.in_doubt,
    _S.SENDING: widgets.waits,
    _S.QUEUED: widgets.waits,
    _S.WAITING: widgets.waits,
    _S.CANCELLED: widgets.aside,
    _S.SKIPPED: widgets.aside,
}
"""The part of the bar for each status; the last two have none."""


def watch_overview(
    read: Callable[[], Overview], text: Callable[[Overview, Invocation], str], call: Invocation
) -> int:
    """Show what `read` returns until Ctrl-C; return the exit code. On a terminal it is drawn in
    place; where there is none `text` of it is printed every time."""
    with contextlib.suppress(KeyboardInterrupt):
        interrupt = Interrupt()
        if can_redraw(sys.stdout):
            _draw_until(interrupt, read, call)
        else:
            _print_until(interrupt, read, lambda found: text(found, call))
    return 0


class Interrupt:
    """The first Ctrl-C, kept until it is asked for. An exception raised wherever the program
    happens to be is lost within a finalizer; the second Ctrl-C raises it all the same, out of a
    read that takes long."""

    def __init__(self) -> None:
        # Its put() may interrupt its get() in one thread; an Event's set() would wait for ever
        # for the lock that the interrupted wait() holds.
        self._came: SimpleQueue[None] = SimpleQueue()
        self._is_known = False
        signal.signal(signal.SIGINT, self._keep)

    def _keep(self, _number: int, _frame: object) -> None:
        if self._is_known:
            raise KeyboardInterrupt
        self._is_known = True
        self._came.put(None)

    def comes_within(self, seconds: float) -> bool:
        """Return whether Ctrl-C was pressed; wait for it so long at most."""
        if not self._is_known:
            with contextlib.suppress(Empty):
                self._came.get(timeout=seconds)
        return self._is_known


def _print_until(
    interrupt: Interrupt, read: Callable[[], Overview], text: Callable[[Overview], str]
) -> None:
    while True:
        began = time.monotonic()
        found = text(read())
        click.echo(f"-- {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}")
        click.echo(found)
        if interrupt.comes_within(_rest(began)):
            return


def _draw_until(interrupt: Interrupt, read: Callable[[], Overview], call: Invocation) -> None:
    board, began = Board(call), time.monotonic()
    board.add(read(), time.time())
    with keys_not_echoed(), in_place(Console(), board.lines, transient=False):
        while not interrupt.comes_within(_rest(began)):
            began = time.monotonic()
            board.add(read(), time.time())


def _rest(began: float) -> float:
    """Return the seconds until the next read, after one that began then."""
    return max(REFRESH, (time.monotonic() - began) / MOST_SHARE)


class Board:
    """The last minute of overviews, drawn from another thread than the one that reads."""

    def __init__(self, call: Invocation) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, Counts]] = deque()
        self._found: Overview | None = None

    def add(self, found: Overview, at: float) -> None:
        """Add an overview read at `at` (Unix seconds)."""
        counts = {each.campaign: dict(each.shown_counts) for each in found.campaigns}
        with self._lock:
            self._found = found
            self._seen.append((at, counts))
            while self._seen[0][0] < at - CHANGES_OVER:
                self._seen.popleft()

    def lines(self, width: int, height: int) -> list[Text]:
        """Return the last overview and what has changed, for a screen of so many columns and
        rows."""
        with self._lock:
            found, (since, before), (at, _) = self._found, self._seen[0], self._seen[-1]
        assert found is not None
        return list(_lines(found, since, before, at, width, height, self._call))


def _lines(
    found: Overview,
    since: float,
    before: Counts,
    at: float,
    width: int,
    height: int,
    call: Invocation,
) -> Iterator[Text]:
    yield Text(f"{_clock(at)} · {_run(found, at)} · (+n): since {_clock(since)}")
    if found.moved:
        yield labelled("MOVED", found.moved, width, BAD)
    each = [Bar(one.campaign, _parts(one, before)) for one in found.campaigns]
    yield from bars(each, width, height)
    if not each:
        yield Text("no campaign yet")
    several = len(found.campaigns) > 1
    yield Text()
    for one in found.campaigns:
        for line in need_lines(replace(one, file=_from_here(one.file)), call):
            yield from with_command("to do", _of(one, several) + line, width, BAD)
    for one in found.campaigns:
        for label, line in _pace(one, at):
            yield labelled(label, _of(one, several) + line, width)
    for one in found.campaigns:
        for line in step_lines(one, at):
            yield labelled("steps", _of(one, several) + line, width)
    for one in found.campaigns:
        for line in _senders(one, at):
            yield labelled("sender", _of(one, several) + line, width)
    for one in found.campaigns:
        reasons = [
            f"{number(count)} {WORDS.get(str(kind), str(kind))}: {reason}"
            for kind, reason, count in one.reasons
            if reason
        ]
        if reasons:
            yield labelled("why", _of(one, several) + " · ".join(reasons), width)
    yield labelled("ledger", _from_here(found.place), width)


def _of(one: Status, several: bool) -> str:
    return f"{short(one.campaign, 30)}: " if several else ""


def _from_here(path: str) -> str:
    """Return a file's path from this folder, if it is in it."""
    with contextlib.suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path


def _parts(one: Status, before: Counts) -> list[Part]:
    counts = one.shown_counts
    known = before.get(one.campaign, counts)

    def part(make: Callable[[int, str, str], Part], status: MessageStatus) -> Part:
        # What is queued and on its way is what the others leave.
        change = 0 if make is widgets.waits else counts[status] - known.get(status, 0)
        word = WORDS.get(str(status), str(status))
        return make(counts[status], word, f" ({change:+,d})" if change else "")

    return [part(make, status) for status, make in MADE.items()]


def _pace(one: Status, now: float) -> Iterator[tuple[str, str]]:
    """Return the rate, what the campaign waits for, and the finish time."""
    told = f"{number(one.per_hour)} in the last hour"
    most = one.outlook.allowed
    if most is not None and most.per_hour < math.inf:
        told += f", of {most.per_hour:,.0f} allowed by {by_handle(most.by, one.handles)}"
    yield "rate", told
    outlook = one.outlook
    if outlook.binds_now and outlook.next_at is not None and not outlook.by_steps:
        left = f"in {duration(max(0.0, outlook.next_at - now))}"
        waits = by_handle(outlook.binds_now, one.handles)
        yield "next", f"{moment(outlook.next_at, now)}, {left}: waits for {waits}"
    if (done := outlook.forecast) is not None:
        told = _when(done.seconds, now)
        if done.earliest is not None:
            at = "now" if done.earliest < 1 else moment(now + done.earliest, now)
            told = f"{told} if nobody answers, {at} if everybody does"
        if done.binds and done.seconds < math.inf:
            told += f"; slowest limit: {by_handle(done.binds, one.handles)}"
        yield "finish", told


def _senders(one: Status, now: float) -> Iterator[str]:
    """Return what each sender still has to send, if there are several."""
    left: dict[str, int] = {}
    for (sender, _), count in one.queue.items():
        left[sender] = left.get(sender, 0) + count
    if len(left) < 2:
        return
    forecast = one.outlook.forecast
    ends = {} if forecast is None else forecast.by_sender
    for sender, count in sorted(left.items()):
        done = f" · finish: {_when(ends[sender], now)}" if sender in ends else ""
        stopped = " · STOPPED" if sender in one.stopped_senders else ""
        yield f"{by_handle(sender, one.handles)}  {number(count)} queued{done}{stopped}"


def _when(seconds: float, now: float) -> str:
    if seconds < 1:
        return "no limit is in the way"
    if seconds == math.inf:
        return "never: the schedule does not open within two years"
    return f"about {moment(now + seconds, now)}, in {duration(seconds)}"


def _run(found: Overview, now: float) -> str:
    last = found.last_run
    if last is None:
        return "no run yet"
    if last.ended_at is not None:
        return f"no run since {moment(last.ended_at, now)} ({last.ending})"
    state = {True: "running", False: "KILLED, began", None: "running elsewhere"}[found.alive]
    return f"{state} since {moment(last.started_at, now)}".replace("began since", "began")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}"
