"""Copies of a ledger's file, and which of them has come furthest."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from runner.ledger.copies import staleness
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.copies.staleness import ProgressMarks
from runner.ledger.ledger import open_ledger
from tests.acceptance.support import Project

PARTS = ("", "-wal", "-shm")
"""Endings of the files of one SQLite database."""


def copy_of(ledger: Path, copy: Path) -> None:
    """Make a copy of a ledger as it is at this moment, whoever writes to it meanwhile."""
    remove(copy)
    with (
        contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as there,
        contextlib.closing(sqlite3.connect(copy)) as here,
    ):
        there.backup(here)


def remove(ledger: Path) -> None:
    """Remove a ledger's files."""
    for part in PARTS:
        ledger.with_name(ledger.name + part).unlink(missing_ok=True)


def put_in_place(copy: Path, ledger: Path) -> None:
    """Let a copy be the ledger."""
    remove(ledger)
    for part in PARTS:
        with contextlib.suppress(FileNotFoundError):
            copy.with_name(copy.name + part).rename(ledger.with_name(ledger.name + part))


def marks_of(ledger: Path) -> tuple[int, int]:
    """How far a ledger has come: commands that changed it, and attempts."""
    found = _marks(ledger)[1]
    return found.changes, found.attempts


def is_remembered_further(project: Project, copy: Path) -> bool:
    """Whether the project's user has it on file that the ledger has come further than a copy."""
    id, found = _marks(copy)
    folder = project.folder / ".local" / "state" / "run-campaign"
    return found.is_behind(SeenLedger(folder, id, str(copy)).marks())


def _marks(ledger: Path) -> tuple[str, ProgressMarks]:
    with open_ledger(str(ledger), read_only=True) as opened:
        return opened.read(staleness.ledger_id), opened.read(staleness.progress_marks)
