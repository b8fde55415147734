"""The overview of a ledger: its campaigns as they stand, and its last run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runner.clock import Clock
from runner.ledger import lanes
from runner.ledger.campaigns import account_links, registry
from runner.ledger.database import moved_mark
from runner.ledger.lanes import RunRow
from runner.ledger.ledger import Ledger
from runner.project.ledgers.ledger_location import ledger_upward, open_existing
from runner.project.open import file_of, location_of, row_of
from runner.status.driver import is_alive
from runner.status.outlook import outlook_of
from runner.status.status import Status, status_of
from runner.status.variants import verdict_of


@dataclass(frozen=True, slots=True)
class Overview:
    """A ledger at `place`. `moved`: where it has moved to, in words, empty if it has not; `alive`:
    whether the last run lives, None when only another host knows."""

    place: str
    moved: str
    campaigns: list[Status]
    last_run: RunRow | None
    alive: bool | None


def read_overview(
    path: Path | None,
    state: str | None,
    environ: Mapping[str, str],
    folder: Path,
    clock: Clock,
    *,
    with_sums: bool = False,
) -> Overview:
    """Return the overview, with outlooks, of the campaign at `path`, or of all campaigns in the
    ledger found upward from `folder`."""
    if path is not None:
        location = location_of(path, state, environ)
    else:
        location = ledger_upward(state, environ, folder)
    with open_existing(location) as ledger:
        return overview_of(ledger, clock, path, with_outlook=True, with_sums=with_sums)


def overview_of(
    ledger: Ledger,
    clock: Clock,
    path: Path | None = None,
    *,
    with_outlook: bool = False,
    with_sums: bool = False,
) -> Overview:
    """Return the overview of a ledger, or only of its campaign at `path`. `with_outlook` reads the
    campaign files and may take long."""
    rows = ledger.read(registry.campaigns) if path is None else [row_of(path, ledger)]
    with ledger.reading() as connection:
        statuses = [
            replace(
                status_of(connection, row, clock.now(), str(path or file_of(ledger, row))),
                handles=account_links.handles(connection, rehearsal=row.rehearsal),
                verdict=verdict_of(connection, row, clock.now()) if with_outlook else None,
            )
            for row in rows
        ]
        last_run = lanes.last_run(connection)
        mark = moved_mark.read_mark(connection)
    if with_outlook:
        statuses = [
            replace(status, outlook=outlook_of(ledger, row, status, clock, with_sums=with_sums))
            for row, status in zip(rows, statuses, strict=True)
        ]
    return Overview(ledger.place, str(mark or ""), statuses, last_run, is_alive(last_run))
