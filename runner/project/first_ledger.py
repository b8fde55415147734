"""The first ledger of a project: removed again where its run was refused before anything was kept
in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runner.errors import LedgerError
from runner.ledger.copies import staleness, unused
from runner.ledger.database import sqlite
from runner.ledger.database.files import wal_of
from runner.ledger.engine import ledger_url
from runner.ledger.ledger import open_ledger
from runner.project.ledgers.old_copies import forget_seen, memory_folder


@contextmanager
def removed_if_unused(location: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Remove the file of a ledger after the context, if that made it and keeps nothing in it. One
    that another process has open stays."""
    url = ledger_url(location)
    file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    if file is None or file.exists():
        yield
        return
    try:
        yield
    finally:
        if id := _unused(file):
            sqlite.remove_files(file)
            forget_seen(memory_folder(environ), id)


def _unused(file: Path) -> str:
    """Return the number of a closed ledger that nothing is kept in, empty for any other."""
    if not file.exists() or wal_of(file).exists():  # the last one to close it removes its log
        return ""
    try:
        with open_ledger(str(file), read_only=True) as ledger:
            return ledger.read(staleness.ledger_id) if ledger.read(unused.is_unused) else ""
    except LedgerError:
        return ""
