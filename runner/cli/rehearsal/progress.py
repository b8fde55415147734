"""The progress of a rehearsal: a bar by virtual time on a terminal, else a line per day."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from runner.cli.output import progress_in_place
from runner.cli.rehearsal.day_table import DAY, DayTable
from runner.formats import bar, counted

WIDTH = 24


@dataclass(slots=True)
class DayProgress:
    """The progress of a rehearsal, on stderr: stdout is for its table."""

    table: DayTable
    days: int
    quiet: bool
    _in_place: Callable[[Callable[[], str]], None] = lambda _: None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Show it while the context lasts."""
        with progress_in_place() as in_place:
            if not self.quiet:
                self._in_place = in_place
            try:
                yield
            finally:
                self._in_place = lambda _: None

    def show(self, at: float) -> None:
        """Show on a terminal that it is a moment (Unix s) now."""

        def words() -> str:
            done, accepted = at - self.table.start, len(self.table.store.accepted)
            day = min(self.days, int(done // DAY) + 1)
            shown = bar(round(done), round(self.days * DAY), WIDTH)
            return f"day {day} of {self.days}  {shown}  {counted(accepted, 'message')}"

        self._in_place(words)

    def end_day(self, midnight: float) -> None:
        """Tell where no terminal is that a day is over."""
        if self.quiet or sys.stderr.isatty():
            return
        day = self.table.day_of(midnight - 0.001)
        sent, answered = self.table.counts_on(day)
        told = f"{day}: {counted(sent, 'message')}, {number_of_people(answered)} answered"
        click.echo(told, err=True)


def number_of_people(count: int) -> str:
    """Return `1 person has`, `3 people have`."""
    return f"{counted(count, 'person')} has" if count == 1 else f"{count:,} people have"
