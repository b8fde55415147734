"""One thread that commits for everybody, in groups.

A commit costs a disk sync, whatever it holds. Everything that waits when one commit ends goes
into the next, so hundreds of senders share a sync and none waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine

from runner.ledger.engine import told_plainly

Batch = Callable[[Connection, list[Any]], list[Any]]
"""Does the same thing for many items in one transaction; one result per item, in order."""

_Waiting = tuple[Batch, Any, "asyncio.Future[Any]"]


class Writer:
    """Takes items from an event loop and commits them in its own thread."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch, item: object) -> asyncio.Future[Any]:
        """A future of `batch`'s result for `item`, set once the commit is on disk."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put((batch, item, future))
        return future

    def close(self) -> None:
        """Commits what waits, then ends the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        ending = False
        while not ending:
            group: list[_Waiting] = []
            taken = self._waiting.get()
            while True:
                if taken is None:
                    ending = True
                else:
                    group.append(taken)
                try:
                    taken = self._waiting.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._commit(group)

    def _commit(self, group: list[_Waiting]) -> None:
        kinds: dict[Batch, list[tuple[Any, asyncio.Future[Any]]]] = {}
        for batch, item, future in group:
            kinds.setdefault(batch, []).append((item, future))
        settled: list[tuple[asyncio.Future[Any], Any]] = []
        failure: BaseException | None = None
        try:
            with told_plainly(self._place), self._engine.begin() as connection:
                for batch, waiting in kinds.items():
                    results = batch(connection, [item for item, _ in waiting])
                    futures = [future for _, future in waiting]
                    settled.extend(zip(futures, results, strict=True))
        except Exception as error:
            failure = error
        loop = group[0][2].get_loop()
        if failure is None:
            loop.call_soon_threadsafe(_set_results, settled)
        else:
            loop.call_soon_threadsafe(_set_failures, [future for *_, future in group], failure)


def _set_results(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in settled:
        if not future.done():
            future.set_result(result)


def _set_failures(futures: list[asyncio.Future[Any]], failure: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(failure)
