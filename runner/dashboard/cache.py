"""What the ledger says, read once for all tabs: however many are open, each thing is looked up at
most every `EVERY` seconds, and never for more than a twentieth of the time. Nothing is read when no
tab asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from runner.clock import Clock
from runner.ledger.ledger import Ledger
from runner.project.ledger_reader import LedgerReader

T = TypeVar("T")

EVERY = 1.5
"""Seconds that a look is good for. Our own choice."""
SHARE = 20
"""A look that took a second is good for so many. Our own choice."""
A_MOMENT = 0.5
"""Seconds that a page waits for what may take long. Our own choice."""
KEPT = 200
"""Looks that are remembered: the newest."""


@dataclass(slots=True)
class _Found:
    lock: threading.Lock = field(default_factory=threading.Lock)
    good_until: float = 0.0
    what: Any = None
    failed: Exception | None = None  # in a look that nobody waited for


class Shared:
    """Looks at a ledger that all tabs share."""

    def __init__(self, looks: LedgerReader, clock: Clock) -> None:
        self._looks, self._clock = looks, clock
        self._found: OrderedDict[Hashable, _Found] = OrderedDict()
        self._guard = threading.Lock()

    def look(self, key: Hashable, how: Callable[[Ledger], T]) -> T:
        """What `how` makes of the ledger, or made of it a moment ago under this key."""
        found = self._place(key)
        with found.lock:
            began = self._clock.boot()
            if began >= found.good_until:
                found.what = self._looks.read(how)
                ended = self._clock.boot()
                found.good_until = ended + max(EVERY, SHARE * (ended - began))
            return cast("T", found.what)

    def soon(self, key: Hashable, how: Callable[[Ledger], T]) -> T | None:
        """The same of what may take long: what was found last, None if that is nothing yet. A new
        look goes on by itself, and is waited for a moment."""
        found = self._place(key)
        if found.failed is not None:
            failed, found.failed = found.failed, None
            raise failed

        def look() -> None:
            try:
                self.look(key, how)
            except Exception as error:  # told to whoever asks next
                found.failed = error

        if self._clock.boot() >= found.good_until and not found.lock.locked():
            looking = threading.Thread(target=look, name="a long look", daemon=True)
            looking.start()
            looking.join(A_MOMENT)
        return cast("T | None", found.what)

    def forget(self) -> None:
        """Something was changed here: look again."""
        with self._guard:
            self._found.clear()

    def _place(self, key: Hashable) -> _Found:
        with self._guard:
            found = self._found.setdefault(key, _Found())
            self._found.move_to_end(key)
            if len(self._found) > KEPT:
                self._found.popitem(last=False)
            return found
