"""The ledger of a command that names no campaign, opened to read or to change."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from runner.cli.output import tell_moved
from runner.clock import SystemClock
from runner.errors import UsageError
from runner.formats import number
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.people import erased
from runner.project.ledgers.ledger_location import ledger_upward, open_existing
from runner.project.ledgers.old_copies import person_changes
from runner.project.people import named_people


def ledger_to_read(state: str | None) -> Ledger:
    """Open the ledger, only to read."""
    ledger = open_existing(ledger_upward(state, os.environ, Path.cwd()))
    tell_moved(ledger)
    return ledger


def people_in_ledger(
    state: str | None, words: Sequence[str], platform: str, id_type: str
) -> list[str]:
    """Return the ids of people, by handle too as far as the ledger keeps these. A ledger that is
    not there is not made. Raises UsageError for what names nobody."""

    def named(ledger: Ledger | None) -> list[str]:
        return named_people(ledger, words, platform=platform, id_type=id_type, checked=True)

    try:
        return named(None)  # all of them are ids, nearly always
    except UsageError:
        location = ledger_upward(state, os.environ, Path.cwd())
        if "://" not in location and not Path(location).exists():
            raise
    with open_existing(location) as ledger:
        return named(ledger)


@contextmanager
def ledger_to_change(state: str | None, *, make: bool = False) -> Iterator[Ledger]:
    """Open the ledger to change it; `make` it if it is not there: only where a person named it."""
    location = ledger_upward(state, os.environ, Path.cwd())
    opened = open_ledger(location) if make else open_existing(location, read_only=False)
    with opened as ledger, person_changes(ledger, os.environ, SystemClock().now()):
        yield ledger


def tell_erased(ledger: Ledger, ids: Collection[str]) -> int:
    """Tell how many of these people were erased, and return how many were not: only these are
    written down."""
    kept = len(ledger.read(erased.without_erased, ids))
    if kept < len(ids):
        left = "nobody writes to them, and they are not written down again"
        click.echo(f"erased before: {number(len(ids) - kept)}; {left}")
    return kept
