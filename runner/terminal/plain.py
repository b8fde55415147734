"""The displays without a terminal: plain lines, or JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from runner.events import (
    AnswerEvent,
    Event,
    LaneHandedOn,
    LaneStarted,
    LaneTaken,
    MessageDeferred,
    MessageSent,
    Planned,
    Waiting,
)
from runner.formats import moment, number
from runner.terminal.counters import Tally
from runner.terminal.event_text import event_line

EVERY_SECONDS = 10.0
EVERY_SENT = 100
"""Seconds, or messages sent, between two plain lines of progress."""

LONG_WAIT = 600.0
"""Seconds of a wait that plain lines tell even if the reason is the one told last."""


class JsonLines:
    """A display of one JSON object per event."""

    def __init__(self, out: TextIO) -> None:
        self._out = _Outlet(out)

    def watch(self, event: Event) -> None:
        self._out.line(json.dumps(event.fields(), ensure_ascii=True))

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield


class EventFile:
    """A file to which one JSON object per event is appended, from run to run; only its owner can
    read it, since it names recipients. An event that finds no room is not written down, and none
    waits for the reader of a pipe."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OSError when it cannot be appended to."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        self._file = os.open(path, flags, 0o600)
        self._torn = False  # the last line is not whole

    def watch(self, event: Event) -> None:
        line = json.dumps(event.fields(), ensure_ascii=True).encode() + b"\n"
        line = b"\n" + line if self._torn else line
        try:
            written = os.write(self._file, line)
        except OSError:
            return
        self._torn = written != len(line)


class PlainLines:
    """A display of a line for each event that matters, and one of progress every so often."""

    def __init__(
        self, out: TextIO, tally: Tally, *, quiet: bool = False, verbose: bool = False
    ) -> None:
        self._out = _Outlet(out)
        self._tally = tally
        self._quiet = quiet
        self._verbose = verbose
        self._told_at = tally.now()
        self._told_sent = 0
        self._told_why = ""

    def watch(self, event: Event) -> None:
        match event:
            case MessageSent() if not self._verbose:
                self._progress()
                return
            case MessageDeferred() | LaneTaken() | LaneHandedOn() | AnswerEvent() if (
                not self._verbose
            ):
                return
            case Planned() | LaneStarted() | Waiting() | MessageSent() if self._quiet:
                return
            case Waiting():
                if not self._is_news(event):
                    return
        told = event_line(event)
        if told:
            self._out.line(self._tally.by_handle(told))

    def _is_news(self, event: Waiting) -> bool:
        """Return whether a wait is worth a line. A sender's gap comes between any two messages: it
        is told once, long waits always."""
        known, self._told_why = self._told_why == event.why, event.why
        return not known or event.until is None or event.until - event.at > LONG_WAIT

    def _progress(self) -> None:
        tally = self._tally
        now = tally.now()
        due = tally.sent - self._told_sent >= EVERY_SENT or now - self._told_at >= EVERY_SECONDS
        if self._quiet or not due:
            return
        self._told_sent, self._told_at = tally.sent, now
        total = sum(line.total for line in tally.campaigns.values())
        to_follow = sum(line.to_follow for line in tally.campaigns.values())
        of_all = f" of {number(total + to_follow)}" if total else ""  # a worker does not know
        of_all += " at most" if total and to_follow else ""
        told = f"sent {number(tally.sent)}{of_all}, {tally.per_minute():.0f} a minute"
        if tally.finish_at is not None:
            told += f", until about {moment(tally.finish_at, now)}"
            told += " if nobody answers" if to_follow else ""
        self._out.line(told)

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield


class _Outlet:
    """A stream that may be closed by its reader."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._gone = False

    def line(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self._gone = True
