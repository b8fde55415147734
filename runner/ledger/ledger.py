"""The ledger: the only truth about who was written to.

    with open_ledger("state.db") as ledger:
        counts = ledger.read(totals.counts, campaign.id)      # one consistent snapshot
        stopped = ledger.write(decisions.suppress, ids, "asked", now)   # one transaction
        number = await ledger.commit(claims.claim, intent)    # grouped with others' commits

SQLite by a file's path, PostgreSQL by a URL. Only this package knows SQLAlchemy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from runner.clock import Clock
from runner.ledger import lanes, locks
from runner.ledger.database.errors import translate, translate_driver_errors
from runner.ledger.database.files import Anchor
from runner.ledger.database.postgresql import refuse_unconfirmed
from runner.ledger.engine import ledger_url, open_engine, place_of
from runner.ledger.messages import claims
from runner.ledger.migrations.steps import refuse_upgraded
from runner.ledger.rehearsals import is_rehearsal
from runner.ledger.writer import Writer

__all__ = ["Connection", "Ledger", "open_ledger"]

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class Ledger:
    """An open ledger. `file` is None when it is not a file; `place` names it for people. `in_loop`:
    see `open_ledger`."""

    def __init__(self, engine: Engine, location: str, *, in_loop: bool = False) -> None:
        url = ledger_url(location)
        self._engine = engine
        self._in_loop = in_loop
        self._writer: Writer | None = None
        self._transaction = self._committing
        self._lock_session: Connection | None = None
        sqlite = url.get_backend_name() == "sqlite"
        self._snapshot: dict[str, Any] = {"reading": True}
        if not sqlite:
            self._snapshot["isolation_level"] = "REPEATABLE READ"
        self.file = Path(url.database or "") if sqlite else None
        self.place = place_of(url)
        self._anchor = Anchor(self.file) if self.file else None
        self.newest_attempt: tuple[int, int, float] | None = None
        """The attempt that was committed last, of those in a database that are no rehearsals: its
        message, its number and its start (Unix s)."""
        self.before_claims: Callable[[], None] = lambda: None
        """Called by the writer's thread before it commits intents: if it raises, neither these nor
        any later ones are."""

    def read(
        self, view: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `view` reads in one consistent snapshot. Views that stream need
        `reading()`."""
        with self.reading() as connection:
            return view(connection, *args, **kwargs)

    async def look(
        self, view: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a short `view` reads, without a wait in the event loop: a file is read at
        once, which costs less than to have a thread do it, and no writer holds that up."""
        if self.file is not None:
            return self.read(view, *args, **kwargs)
        return await asyncio.to_thread(lambda: self.read(view, *args, **kwargs))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read transaction, all of which sees one snapshot."""
        with (
            translate_driver_errors(self.place),
            self._engine.connect().execution_options(**self._snapshot) as connection,
            connection.begin(),
        ):
            yield connection

    def write(
        self, move: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `move` in a transaction of its own, committed on return."""
        with self.writing() as connection:
            return move(connection, *args, **kwargs)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction, rolled back on any exception. Committed means: where it can be
        found again. Raises LedgerError when the ledger's file is no longer in its place."""
        with translate_driver_errors(self.place), self._engine.connect() as connection:
            with connection.begin():
                yield connection
            refuse_unconfirmed(connection)
        if self._anchor is not None:
            self._anchor.check()

    @contextmanager
    def _committing(self, begins: bool) -> Iterator[Connection]:
        """Open a write transaction of the writer's; one that `begins` has intents. On PostgreSQL in
        the very session that holds the lane's lock: when that ends, nothing more is begun."""
        if self._anchor is not None and begins:
            self._anchor.check()
        session = self._lock_session
        with self.writing() if session is None else self._writing_in(session) as connection:
            yield connection
            if begins:
                self.before_claims()

    @contextmanager
    def _writing_in(self, session: Connection) -> Iterator[Connection]:
        with translate_driver_errors(self.place):
            with session.begin():
                yield session
            refuse_unconfirmed(session)

    async def commit(
        self, batch: Callable[[Connection, list[Item]], list[T]], item: Item, within: float = 0.0
    ) -> T:
        """Return `batch`'s result for `item`, committed together with whatever else waits.
        `within`: seconds that it may wait for others to share its commit with."""
        if self._writer is None:
            self._writer = Writer(self._transaction, claims.claim, in_loop=self._in_loop)
        result: T = await self._writer.submit(batch, item, within)
        if (
            self.file is None
            and isinstance(item, claims.SendRequest)
            and isinstance(result, int)
            and not is_rehearsal(item.lane)
        ):
            self.newest_attempt = item.message, result, item.started_at
        return result

    def measure(self, committed: Callable[[float], None], clock: Clock) -> None:
        """Report from the writer's thread how many seconds each group took to be on disk. To be
        called before the first commit."""

        @contextmanager
        def measured(begins: bool) -> Iterator[Connection]:
            begun = clock.boot()
            with self._committing(begins) as connection:
                yield connection
            committed(clock.boot() - begun)

        self._transaction = measured

    @contextmanager
    def hold(self, lane: str, *, wait: bool) -> Iterator[None]:
        """Keep other runs out of a lane of a PostgreSQL ledger, for as long as this process is
        connected. Raises LaneHeld, which says who holds it, unless it is to `wait`."""
        with translate_driver_errors(self.place):
            session = self._lock_session or self._engine.connect()
            taken = locks.lock_lane(session, lane, wait=wait)
        if not taken:
            if session is not self._lock_session:
                session.close()
            raise locks.lane_held_by(self.read(lanes.owner_of, lane))
        first = self._lock_session is None
        self._lock_session = session  # which holds later lanes too, and ends with the first
        try:
            self.read(refuse_upgraded)
            yield
        finally:
            if first:
                self._lock_session = None
                locks.release_all_lanes(session)
                session.invalidate()  # the locks end with their session, not with its return
                session.close()

    @contextmanager
    def outside_transactions(self) -> Iterator[Any]:
        """Yield the driver's own connection, for what no transaction can hold."""
        driver: Any = self._engine.dialect.dbapi
        session = self._engine.raw_connection()
        try:
            yield session.driver_connection
        except driver.Error as error:
            raise translate(error, self.place) from error
        finally:
            session.close()

    def close(self) -> None:
        """Commit what waits and close the database."""
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def open_ledger(
    location: str,
    *,
    read_only: bool = False,
    worker: bool = False,
    even_moved: bool = False,
    patient: bool = True,
    in_loop: bool = False,
) -> Ledger:
    """Open the ledger at a path or URL, making it when it is not there (never if `read_only`). One
    that has moved is opened to be read, or if it may be `even_moved`. `worker`: others may take
    over from it. Not `patient`: for views, which end a statement that takes longer than people
    wait. `in_loop`: for a file that is thrown away, whose commits need no thread and no disk."""
    engine = open_engine(
        location,
        read_only=read_only,
        worker=worker,
        even_moved=even_moved,
        patient=patient,
        synced=not in_loop,
    )
    return Ledger(engine, location, in_loop=in_loop)


@contextmanager
def hold_lane(ledger: Ledger, lane: str, what: str, at: float, *, wait: bool) -> Iterator[None]:
    """Hold one lane. Raises LaneHeld if another process does, unless it is to `wait`. `what`: the
    command that is run, for those who find it held."""
    if ledger.file is None:
        with ledger.hold(lane, wait=wait):
            yield
        return
    folder = ledger.file.resolve().parent / ".run-campaign"  # one folder, whatever it is called
    with locks.hold_lane_file(folder, lane, what, at, -1.0 if wait else 0.0):
        yield
