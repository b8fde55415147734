"""The cache of what the ledger says, shared by all tabs: however many are open, each thing is read
at most every `EVERY` seconds, and never for more than a twentieth of the time. Nothing is read
while no tab asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from runner.clock import Clock
from runner.ledger.ledger import Connection, Ledger
from runner.project.ledgers.ledger_reader import LedgerReader

P = ParamSpec("P")
T = TypeVar("T")

EVERY = 1.5
"""Seconds for which an entry is fresh. Our own choice."""
SHARE = 20
"""An entry that took a second to read is fresh for so many. Our own choice."""
A_MOMENT = 0.5
"""Seconds that a page waits for a read in the background. Our own choice."""
MOST_ENTRIES = 200
"""Entries that are kept: the newest."""


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    fresh_until: float = 0.0  # boot seconds
    value: Any = None
    failure: Exception | None = None  # of a read in the background


class Cache:
    """Reads of a ledger, kept by their function and arguments, which have to be hashable."""

    def __init__(self, reader: LedgerReader, clock: Clock) -> None:
        self._reader, self._clock = reader, clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._guard = threading.Lock()

    def get(
        self, read: Callable[Concatenate[Ledger, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `read` returns of the ledger, or returned a moment ago."""
        entry = self._entry(read, *args, **kwargs)
        with entry.lock:
            began = self._clock.boot()
            if began >= entry.fresh_until:
                entry.value = self._reader.read(lambda ledger: read(ledger, *args, **kwargs))
                ended = self._clock.boot()
                entry.fresh_until = ended + max(EVERY, SHARE * (ended - began))
            return cast("T", entry.value)

    def query(
        self, view: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a query returns of the ledger, or returned a moment ago."""
        return self.get(_query, view, *args, **kwargs)

    def get_in_background(
        self, read: Callable[Concatenate[Ledger, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Return what a read that may take long returned last, None for nothing yet. A new one goes
        on by itself, and is waited for a moment."""
        entry = self._entry(read, *args, **kwargs)
        if entry.failure is not None:
            failure, entry.failure = entry.failure, None
            raise failure
        if self._clock.boot() >= entry.fresh_until and not entry.lock.locked():
            work = partial(self.get, read, *args, **kwargs)
            thread = threading.Thread(
                target=_keep_failure, args=(entry, work), name="background read", daemon=True
            )
            thread.start()
            thread.join(A_MOMENT)
        return cast("T | None", entry.value)

    def clear(self) -> None:
        """Forget everything: something was changed here."""
        with self._guard:
            self._entries.clear()

    def _entry(self, *key: Any, **kwargs: Any) -> _Entry:
        with self._guard:
            whole = (key, *sorted(kwargs.items()))
            entry = self._entries.setdefault(whole, _Entry())
            self._entries.move_to_end(whole)
            if len(self._entries) > MOST_ENTRIES:
                self._entries.popitem(last=False)
            return entry


def _query(
    ledger: Ledger,
    view: Callable[Concatenate[Connection, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    return ledger.read(view, *args, **kwargs)


def _keep_failure(entry: _Entry, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as failure:  # raised for the next page that asks
        entry.failure = failure
