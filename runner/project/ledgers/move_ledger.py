"""`db move`: a whole ledger from its file into PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runner.clock import Clock
from runner.errors import LedgerError, UsageError
from runner.ledger import locks
from runner.ledger.copies import staleness, transfer
from runner.ledger.database import moved_mark
from runner.ledger.database.moved_mark import Moved
from runner.ledger.ledger import Ledger, open_ledger
from runner.project.ledgers.ledger_location import open_existing
from runner.project.ledgers.old_copies import refuse_old_copy

CopyProgress = Callable[[int, int], None]
"""Called with how many rows of how many have been copied."""


def move(
    location: str, to: str, environ: Mapping[str, str], clock: Clock, progress: CopyProgress
) -> tuple[str, str]:
    """Move the SQLite ledger at `location` into the PostgreSQL ledger at the URL `to`. Returns
    the places of both. A move that was cut off is finished.

    Raises LaneHeld if a run is live on either; LedgerError if one is of another kind, knows a
    campaign of the other, or the ledger has moved elsewhere. Nothing has changed then.
    """
    with _open_both(location, to, clock) as (source, folder, target):
        mark = source.read(moved_mark.read_mark)
        there = target.read(staleness.ledger_id)
        if mark is not None and mark.ledger != there:
            raise mark.refusal(source.place)
        seen = refuse_old_copy(source, environ), refuse_old_copy(target, environ)
        if mark is None:
            target.read(transfer.refuse_known, source.read(transfer.campaign_names), target.place)
            mark = Moved(target.place, there, done=False)
            source.write(transfer.leave, mark)
        try:
            _copy(source, folder, target, progress, clock.now(), seen=mark.done)
        except BaseException:
            if not mark.done:
                _keep_file(source, target)
            raise
        source.write(moved_mark.set_mark, Moved(mark.place, there, done=True))
        with contextlib.suppress(OSError):  # the marks in both ledgers are what counts
            seen[0].remember(source.read(staleness.progress_marks), moved_to=target.place)
            seen[1].remember(target.read(staleness.progress_marks))
        return source.place, target.place


@contextmanager
def _open_both(location: str, to: str, clock: Clock) -> Iterator[tuple[Ledger, Path, Ledger]]:
    """Open the ledger in a file, holding all its lanes, and the ledger in a database. Yields them,
    with the file's folder between them."""
    if not to.startswith("postgresql+psycopg:"):
        raise UsageError("--to is not a PostgreSQL ledger", "write postgresql+psycopg://…")
    with open_existing(location, read_only=False, even_moved=True) as source:
        if source.file is None:
            raise LedgerError(
                f"{source.place} is not an SQLite file",
                "name the file that is to move: --state PATH",
            )
        folder = source.file.resolve().parent
        with (
            locks.hold_all_lane_files(folder / ".run-campaign", "db move", clock.now()),
            open_ledger(to) as target,
        ):
            yield source, folder, target


def _copy(
    source: Ledger,
    folder: Path,
    target: Ledger,
    progress: CopyProgress,
    at: float,
    *,
    seen: bool,
) -> None:
    with source.reading() as reading:
        total, done = transfer.rows_of(reading), 0

        def copied(rows: int) -> None:
            nonlocal done
            done += rows
            progress(done, total)

        target.write(transfer.bring, reading, folder, target.place, copied, at, seen=seen)


def _keep_file(source: Ledger, target: Ledger) -> None:
    """Let the file stay the ledger after a failure, if it is certain that nothing has arrived. If
    that cannot be known now, the same command finds out."""
    with contextlib.suppress(LedgerError):
        if not target.read(transfer.has_arrived, source.read(staleness.ledger_id)):
            source.write(moved_mark.remove_mark)
