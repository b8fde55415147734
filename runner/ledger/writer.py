"""The group commit: one thread that commits for all senders.

A commit costs a disk sync, whatever it holds. Everything that waits when one commit ends goes into
the next, so hundreds of senders share a sync and none waits for a batch to fill. What is in no
hurry says so, and waits a moment for others to share its commit with.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sqlalchemy import Connection

from runner.errors import LedgerLocked

Batch = Callable[[Connection, list[Any]], list[Any]]
"""A function that does the same thing for many items in one transaction: one result per item, in
order."""


class _Pending(NamedTuple):
    batch: Batch
    item: Any
    future: asyncio.Future[Any]


class Writer:
    """Commits, in its own thread, the items of an event loop; `in_loop`: in the loop itself.

    `transaction` makes the transaction of a group (True: some of it begins something); `begins` is
    the batch whose items do. After the first failure nothing is begun any more, whatever state the
    database is in: only what is under way may still be recorded.
    """

    def __init__(
        self,
        transaction: Callable[[bool], AbstractContextManager[Connection]],
        begins: Batch,
        *,
        in_loop: bool = False,
    ) -> None:
        self._transaction = transaction
        self._begins = begins
        self._failure: Exception | None = None
        self._gathered: list[_Pending] = []  # in the event loop still
        self._handing_over: asyncio.Handle | None = None
        self._due = math.inf  # by the event loop's clock
        self._waiting: queue.SimpleQueue[list[_Pending] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if not in_loop:
            self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
            self._thread.start()

    def submit(self, batch: Batch, item: object, within: float = 0.0) -> asyncio.Future[Any]:
        """Return a future of `batch`'s result for `item`, set once the commit is on disk. `within`:
        seconds that it may wait for others to share its commit with."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._gathered and self._gathered[0].future.get_loop() is not loop:
            self._hand_over()  # left behind by a loop that was aborted
        self._gathered.append(_Pending(batch, item, future))
        due = loop.time() + within
        if self._handing_over is None or due < self._due:
            if self._handing_over is not None:
                self._handing_over.cancel()
            # At the end of this turn at the earliest: what else it submits goes along.
            self._due = due
            self._handing_over = (
                loop.call_at(due, self._hand_over)
                if within > 0
                else loop.call_soon(self._hand_over)
            )
        return future

    def _hand_over(self) -> None:
        """Give the thread what was gathered; commit it if there is none."""
        self._handing_over = None
        gathered, self._gathered = self._gathered, []
        if self._thread is not None:
            self._waiting.put(gathered)
        elif gathered:
            self._commit(gathered)

    def close(self) -> None:
        """Commit what waits, then end the thread."""
        self._hand_over()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def _work(self) -> None:
        ending = False
        while not ending:
            group: list[_Pending] = []
            taken = self._waiting.get()
            while True:
                if taken is None:
                    ending = True
                else:
                    group += taken
                try:
                    taken = self._waiting.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._commit(group)

    def _commit(self, group: list[_Pending]) -> None:
        failed_before = self._failure is not None
        if not failed_before and (failure := self._try(group)) is not None:
            self._failure = failure
        if self._failure is None:
            return
        _refuse([each for each in group if each.batch is self._begins], self._failure)
        rest = [each for each in group if each.batch is not self._begins]
        # An outcome is not lost to an intent that could not be committed, or to a dead connection.
        # A program that has held the ledger for so long will not release it at once, though.
        hopeless = isinstance(self._failure, LedgerLocked) and not failed_before
        if rest and (hopeless or self._try(rest) is not None):
            _refuse(rest, self._failure)

    def _try(self, group: list[_Pending]) -> Exception | None:
        """Commit a group and set its results, or return why that could not be."""
        kinds: dict[Batch, list[_Pending]] = {}
        for each in group:
            kinds.setdefault(each.batch, []).append(each)
        begins = self._begins
        settled: list[tuple[_Pending, Any]] = []
        try:
            with self._transaction(begins in kinds) as connection:
                # Intents first, so that the lane's row is locked before any message's.
                for batch, waiting in sorted(kinds.items(), key=lambda kind: kind[0] is not begins):
                    results = batch(connection, [each.item for each in waiting])
                    settled.extend(zip(waiting, results, strict=True))
        except Exception as error:
            return error
        _call_in_loop(group, lambda: _set_results(settled))
        return None


def _refuse(group: list[_Pending], failure: Exception) -> None:
    if group:
        _call_in_loop(group, lambda: _set_failures(group, failure))


def _call_in_loop(group: list[_Pending], set_all: Callable[[], None]) -> None:
    # A loop that was aborted takes nothing any more; what waits is committed all the same.
    with contextlib.suppress(RuntimeError):
        group[0].future.get_loop().call_soon_threadsafe(set_all)


def _set_results(settled: list[tuple[_Pending, Any]]) -> None:
    for each, result in settled:
        if not each.future.done():
            each.future.set_result(result)


def _set_failures(group: list[_Pending], failure: Exception) -> None:
    for each in group:
        if not each.future.done():
            each.future.set_exception(failure)
