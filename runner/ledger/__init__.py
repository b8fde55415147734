"""The ledger: the truth about who was written to.

    with open_ledger("state.db") as ledger:
        counts = ledger.read(views.counts, campaign.id)      # a consistent look
        stopped = ledger.write(decisions.suppress, ids, "asked", now)   # one transaction
        number = await ledger.commit(moves.claim, intent)    # grouped with others' commits

SQLite by a file's path, PostgreSQL by a URL. Only this package knows SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from runner.ledger import (
    age,
    decisions,
    history,
    lanes,
    moves,
    notes,
    planning,
    settling,
    views,
    words,
)
from runner.ledger.engine import ledger_url, open_engine, sqlite_backup, told_plainly
from runner.ledger.writer import Writer

__all__ = [
    "Ledger",
    "age",
    "decisions",
    "history",
    "lanes",
    "moves",
    "notes",
    "open_ledger",
    "planning",
    "settling",
    "views",
    "words",
]

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class Ledger:
    """An open ledger. `file` is None when it is not a file; `place` names it for people."""

    def __init__(self, engine: Engine, location: str) -> None:
        url = ledger_url(location)
        self._engine = engine
        self._writer: Writer | None = None
        sqlite = url.get_backend_name() == "sqlite"
        self.file = Path(url.database or "") if sqlite else None
        self.place = str(self.file) if self.file else url.render_as_string(hide_password=True)

    def read(
        self, view: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What `view` sees in one consistent snapshot. Views that stream need `reading()`."""
        with self.reading() as connection:
            return view(connection, *args, **kwargs)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction."""
        with (
            told_plainly(self.place),
            self._engine.connect().execution_options(reading=True) as connection,
            connection.begin(),
        ):
            yield connection

    def write(
        self, move: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`move` in a transaction of its own, committed on return."""
        with self.writing() as connection:
            return move(connection, *args, **kwargs)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction, rolled back on any exception."""
        with told_plainly(self.place), self._engine.begin() as connection:
            yield connection

    async def commit(self, batch: Callable[[Connection, list[Item]], list[T]], item: Item) -> T:
        """`batch`'s result for `item`, committed together with whatever else waits."""
        if self._writer is None:
            self._writer = Writer(self._engine, self.place)
        result: T = await self._writer.submit(batch, item)
        return result

    @contextmanager
    def hold(self, lane: str, *, wait: bool) -> Iterator[None]:
        """Keep other runs out of a lane of a PostgreSQL ledger, for as long as this process is
        connected. Raises LaneHeld, which says who holds it, unless it is to `wait`."""
        with self._engine.connect() as connection:
            with told_plainly(self.place):
                taken = lanes.advisory_lock(connection, lane, wait=wait)
            if not taken:
                raise lanes.held_by(self.read(lanes.owner_of, lane))
            try:
                yield
            finally:
                connection.invalidate()  # the lock ends with its session, not with its return

    def backup(self, target: Path) -> None:
        """A consistent copy of a live SQLite ledger at a new file `target`."""
        sqlite_backup(self._engine, target)

    def close(self) -> None:
        """Commit what waits and let go of the database."""
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def open_ledger(location: str, *, read_only: bool = False) -> Ledger:
    """Open the ledger at a path or URL, making it when it is not there (never if `read_only`)."""
    return Ledger(open_engine(location, read_only=read_only), location)
