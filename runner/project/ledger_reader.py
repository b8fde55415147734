"""A ledger for somebody who looks at it for days, beside runs and workers.

Nothing is kept of a ledger in a file between two looks, so that one which was moved, replaced,
upgraded or made meanwhile is met as it is, and no run ever waits for a look. Of one in PostgreSQL a
few connections are kept. It is opened for writing for the moment of a change, like any command.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from runner.clock import Clock
from runner.errors import LedgerError
from runner.ledger.files import wal_of
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.migrations import refuse_another_schema
from runner.project.ledger_location import existing
from runner.project.old_copies import keep_action, may_change

T = TypeVar("T")


class Looks:
    """Looks at the ledger at `location` (a path or URL), and changes to it, from any thread. A look
    that fails says why; the next one begins anew."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._kept: Ledger | None = None
        self._guard = threading.Lock()

    def look(self, how: Callable[[Ledger], T]) -> T:
        """What `how` makes of the ledger, which it only reads. It may be asked twice.

        Raises RunnerError when there is no ledger, LedgerError when it cannot be read.
        """
        if "://" in self.location:
            return self._look_at_database(how)
        # Nobody has a ledger without a WAL open, so it is read as it lies; whoever opens it just
        # then may change it under the reader.
        as_it_lies = not wal_of(Path(self.location)).exists()
        try:
            found = self._look_at_file(how)
        except LedgerError:
            if not self._was_opened_since(as_it_lies):
                raise
            return self._look_at_file(how)
        return self._look_at_file(how) if self._was_opened_since(as_it_lies) else found

    def change(
        self,
        how: Callable[[Ledger], T],
        environ: Mapping[str, str],
        clock: Clock,
        names: Collection[str] = (),
    ) -> T:
        """What `how` makes of the ledger, which it changes; `names`: of the campaigns that it is
        about. Raises OldLedger for an old copy, LedgerError for one that has moved."""
        with open_ledger(existing(self.location)) as ledger:
            at = clock.now()
            memory = may_change(ledger, environ, at, names=names)
            done = how(ledger)
            keep_action(memory, ledger, at)
            return done

    def close(self) -> None:
        """Let go of the database."""
        with self._guard:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _look_at_file(self, how: Callable[[Ledger], T]) -> T:
        with open_ledger(existing(self.location), read_only=True) as ledger:
            return how(ledger)

    def _was_opened_since(self, as_it_lay: bool) -> bool:
        return as_it_lay and wal_of(Path(self.location)).exists()

    def _look_at_database(self, how: Callable[[Ledger], T]) -> T:
        with self._database() as ledger:
            ledger.read(refuse_another_schema)
            return how(ledger)

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
