"""The display that suits the output: live on a terminal, plain lines or JSON elsewhere.

Everything here watches the `EventBus`. A watcher never fails: an output that is gone gets no more
and the run goes on, since the ledger is the truth. Rich is imported only for the live display.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from runner.events import Event
from runner.terminal.counters import Tally
from runner.terminal.plain import JsonLines, PlainLines


class Display(Protocol):
    """A display of a run while it lasts."""

    def watch(self, event: Event) -> None: ...

    def paused(self) -> AbstractContextManager[None]:
        """Keep still for as long as a person is asked something."""
        ...


def can_redraw(out: TextIO) -> bool:
    """Return whether a live display can be shown on `out`."""
    return out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


@contextmanager
def open_display(
    out: TextIO,
    tally: Tally,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    command: Callable[[str, str], str] | None = None,
) -> Iterator[Display]:
    """Yield the display that suits `out`: JSON when asked for, live on a terminal, else plain
    lines. `command` returns the command line of a command's name for a campaign's name."""
    if as_json:
        yield JsonLines(out)
    elif quiet or not can_redraw(out):
        yield PlainLines(out, tally, quiet=quiet, verbose=verbose)
    else:
        from rich.console import Console

        from runner.terminal.live import LiveDisplay

        console = Console(file=out)
        with LiveDisplay(console, tally, verbose=verbose, command=command) as display:
            yield display
