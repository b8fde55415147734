"""The real ledger in memory: a prepared one for each history, and commits that can be cut off."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from runner.errors import LedgerError
from runner.ledger.database.errors import translate_driver_errors
from runner.ledger.doubts import in_doubt
from runner.ledger.ledger import Ledger
from runner.ledger.messages import feeds, plans, queue, replies
from runner.ledger.messages.claims import claim
from runner.ledger.queries import totals
from runner.ledger.schema import metadata
from runner.ledger.writer import Writer, _Pending
from tests.simulation.world import Process

PLACE = "simulated.db"
DUE = "SELECT id FROM message WHERE status = 'queued' AND not_before <= ?"
_REPEATED = frozenset(
    {
        *(queue.due, queue.waiting, in_doubt.in_doubt, totals.unplanned, plans.suppressed),
        *(totals.follow_ups_to_come, replies.unsettled, feeds.feed_of),
    }
)


class Memory:
    """One database in memory, given back to its first state before each history."""

    def __init__(self) -> None:
        # SQLAlchemy says BEGIN itself.
        self.raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.raw.execute("PRAGMA foreign_keys = ON")
        self.engine = create_engine("sqlite://", creator=lambda: self.raw, poolclass=StaticPool)

        @event.listens_for(self.engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        metadata.create_all(self.engine)
        self.connection = self.engine.connect()
        self.said: dict[tuple[Any, ...], Any] = {}  # by views, until something is written
        self._prepared: dict[object, sqlite3.Connection] = {(): self._copy()}

    def start_with(self, kind: object, prepare: Callable[[Ledger], None]) -> Ledger:
        """A ledger that `prepare` has been applied to; once for each `kind`."""
        if kind not in self._prepared:
            self._prepared[()].backup(self.raw)
            prepare(MemoryLedger(self.engine))
            self._prepared[kind] = self._copy()
        # Not `deserialize`: SQLite's statements that use json_each do not live through it.
        self._prepared[kind].backup(self.raw)
        self.said.clear()
        return MemoryLedger(self.engine)

    def _copy(self) -> sqlite3.Connection:
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        self.raw.backup(copy)
        return copy


@cache
def memory() -> Memory:
    """The one database of this Python process."""
    return Memory()


class MemoryLedger(Ledger):
    """The real ledger, but for its file: there is none that could be gone."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, PLACE)
        self._anchor = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As the real one, on one connection that stays: to make one costs as much as a view."""
        connection = memory().connection
        with connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        connection = memory().connection
        with translate_driver_errors(self.place), connection.begin():
            yield connection


class _Committer(Writer):
    """The real writer without its thread, on a disk that can fail, or seem to."""

    def __init__(self, ledger: ProcessLedger, disk: float) -> None:
        self._transaction, self._begins = ledger._committing, claim
        self._failure = None
        self._disk, self._world = disk, ledger._process.world

    def _try(self, group: list[_Pending]) -> Exception | None:
        luck = self._world.luck
        if not self._disk or luck.random() >= self._disk:
            return super()._try(group)
        self._world.figures["disk errors"] += 1
        if luck.random() < 0.5:  # it was on the disk all the same
            loop = asyncio.get_running_loop()
            super()._try([_Pending(each.batch, each.item, loop.create_future()) for each in group])
        return LedgerError("the disk failed")


class ProcessLedger(MemoryLedger):
    """A process's ledger. Commits take a while and are grouped as the real ones; the process can
    die before and after each, and a disk can fail, or seem to."""

    def __init__(self, engine: Engine, process: Process, disk: float) -> None:
        super().__init__(engine)
        self._process = process
        self._committer = _Committer(self, disk)
        self._items: list[_Pending] = []
        self._busy = False

    def read(self, view: Any, *args: Any, **kwargs: Any) -> Any:
        """The real view, or what it said while nothing has been written since: the statements that
        a waiting lane repeats cost more than all else. Of time only `due` depends, and only by
        which messages are due."""
        if view not in _REPEATED:
            return super().read(view, *args, **kwargs)
        raw = memory().raw
        key: list[Any] = [view, raw.total_changes]
        for arg in args:
            if view is queue.due and isinstance(arg, float):
                key.append(tuple(raw.execute(DUE, (arg,))))
            else:
                key.append(arg if isinstance(arg, str | int | None) else tuple(arg))
        key += kwargs.items()
        known = memory().said
        if (found := known.get(tuple(key), self)) is self:
            found = known[tuple(key)] = super().read(view, *args, **kwargs)
        return found

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self._process.step("begins to write")
        with super().writing() as connection:
            yield connection
        self._process.step("has written")

    async def commit(self, batch: Any, item: Any, within: float = 0.0) -> Any:
        self._process.step("hands a commit over")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._items.append(_Pending(batch, item, future))
        if not self._busy:
            self._sync(loop)
        result = await future
        self._process.step("knows of its commit")
        return result

    def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        self._busy = True
        loop.call_later(self._process.world.luck.choice((0.001, 0.001, 0.02, 3.0)), self._write)

    def _write(self) -> None:
        if self._process.dead:
            return
        group, self._items = self._items, []
        self._process.step("commits")
        self._committer._commit(group)
        self._process.step("has committed")
        self._busy = False
        if self._items:
            self._sync(asyncio.get_running_loop())
