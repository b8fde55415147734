"""A run on a terminal: a display that redraws itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
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
from runner.progress.tally import Line, Tally
from runner.progress.telling import line_of
from runner.progress.words import bar, duration, moment, number, short

REDRAWS = 4
"""Redraws per second at most, whatever the rate of events."""


class LiveDisplay:
    """A display that redraws itself while the run goes on. Use as a context manager."""

    def __init__(self, console: Console, tally: Tally, *, verbose: bool = False) -> None:
        self._console = console
        self._tally = tally
        self._verbose = verbose
        self._live: Live | None = None

    def __enter__(self) -> LiveDisplay:
        self._start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop()

    def _start(self) -> None:
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=REDRAWS,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._stop()
        try:
            yield
        finally:
            self._start()

    def watch(self, event: Event) -> None:
        """Lines that a person should still see afterwards go above the display."""
        kept = isinstance(event, Notice | Planned | MessageDoubled | Stopped | Braked | Released)
        if kept or (self._verbose and isinstance(event, MessageEvent)):
            with contextlib.suppress(OSError):
                self._console.print(line_of(event, 1000), markup=False, highlight=False)

    def render(self) -> RenderableType:
        """The display as it stands now."""
        width = self._console.width
        with self._tally.lock:
            told = _display(self._tally, width)
        return Group(*(Text(line, style=style, no_wrap=True) for line, style in told))


def _display(tally: Tally, width: int) -> list[tuple[str, str]]:
    """Lines and their styles, none longer than `width`."""
    lines: list[tuple[str, str]] = []
    now = tally.now()
    if tally.reading is not None:
        told = f"reading {tally.reading.campaign}: {number(tally.reading.rows)} rows"
        lines.append((short(told, width), "dim"))
    for name, line in tally.campaigns.items():
        lines.append((_bar(name, line, width), "bold"))
        waiting = max(0, line.total - line.sent - line.problems - line.in_doubt)
        parts = [f"{number(line.sent)} sent"]
        parts += [f"{number(line.problems)} not sent"] if line.problems else []
        parts += [f"{number(line.in_doubt)} in doubt"] if line.in_doubt else []
        parts += [f"{number(waiting)} waiting"]
        parts += [line.brake] if line.brake else []
        lines.append(("  " + short(" · ".join(parts), width - 2), "red" if line.problems else ""))
    if tally.campaigns:
        told = f"{tally.per_minute():.0f} a minute"
        if tally.finish_at is not None and tally.finish_at > now:
            left = duration(tally.finish_at - now)
            told += f" · done about {moment(tally.finish_at, now)} · {left} left"
        lines.append((short(told, width), ""))
    if tally.waiting is not None and (tally.waiting.until is None or tally.waiting.until > now):
        left = "" if tally.waiting.until is None else f"{duration(tally.waiting.until - now)}: "
        lines.append((short(f"waiting {left}{tally.waiting.why}", width), "yellow"))
    lines += [(line_of(event, width), "dim") for event in tally.last]
    return lines


def _bar(name: str, line: Line, width: int) -> str:
    done = min(line.total, line.sent + line.problems)
    name = short(name, max(8, width // 3))
    room = max(4, min(40, width - len(name) - len("100%") - 3))
    return short(f"{name} {bar(done, line.total, room)}", width)
