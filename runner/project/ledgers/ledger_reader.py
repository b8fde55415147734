"""A ledger that is read for days, beside runs and workers.

Nothing is kept of a ledger in a file between two reads, so that one which was moved, replaced,
upgraded or made meanwhile is read as it is, and no run ever waits for a reader. Of one in
PostgreSQL a few connections are kept. It is opened for writing only while it is changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from runner.clock import Clock
from runner.errors import LedgerError
from runner.ledger.database.files import wal_of
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.migrations.steps import refuse_another_schema
from runner.project.ledgers.ledger_location import require_ledger
from runner.project.ledgers.old_copies import person_changes

T = TypeVar("T")


class LedgerReader:
    """A ledger at `location` (a path or URL), read and changed from any thread. A read that fails
    says why; the next one opens the ledger again."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._kept: Ledger | None = None
        self._guard = threading.Lock()

    def read(self, query: Callable[[Ledger], T]) -> T:
        """Return what `query` reads of the ledger. It may be called twice.

        Raises RunnerError when there is no ledger, LedgerError when it cannot be read.
        """
        if "://" in self.location:
            return self._read_database(query)
        # No process has a ledger without a WAL open, so it is read without locks; one that opens it
        # just then may change it under the reader.
        unlocked = not wal_of(Path(self.location)).exists()
        try:
            found = self._read_file(query)
        except LedgerError:
            if not self._was_opened_since(unlocked):
                raise
            return self._read_file(query)
        return self._read_file(query) if self._was_opened_since(unlocked) else found

    def change(
        self,
        act: Callable[[Ledger], T],
        environ: Mapping[str, str],
        clock: Clock,
        names: Collection[str] = (),
    ) -> T:
        """Return what `act` returns, which changes the ledger; `names`: of the campaigns that it is
        about. Raises OldLedger for an old copy, LedgerError for one that has moved."""
        with (
            open_ledger(require_ledger(self.location)) as ledger,
            person_changes(ledger, environ, clock.now(), names=names),
        ):
            return act(ledger)

    def close(self) -> None:
        """Let go of the database."""
        with self._guard:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _read_file(self, query: Callable[[Ledger], T]) -> T:
        with open_ledger(require_ledger(self.location), read_only=True) as ledger:
            return query(ledger)

    def _was_opened_since(self, unlocked: bool) -> bool:
        return unlocked and wal_of(Path(self.location)).exists()

    def _read_database(self, query: Callable[[Ledger], T]) -> T:
        with self._database() as ledger:
            ledger.read(refuse_another_schema)
            return query(ledger)

    @contextmanager
    def _database(self) -> Iterator[Ledger]:
        with self._guard:
            if self._kept is None:
                self._kept = open_ledger(self.location, read_only=True, patient=False)
            ledger = self._kept
        try:
            yield ledger
        except LedgerError:
            self.close()
            raise
