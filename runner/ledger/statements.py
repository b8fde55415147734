"""Statements that are compiled once: SQLAlchemy's work on a statement would take longer than the
database's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    CursorResult,
    Index,
    Select,
    Table,
    any_,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from runner.ledger.schema import message_by_recipient, message_by_status, message_queued


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    in_order: Callable[[Mapping[str, Any]], Any] | None  # where the driver takes none by name
    fixed: Mapping[str, Any]

    def values(self, given: Mapping[str, Any]) -> Any:
        values = {**self.fixed, **given} if self.fixed else given
        return values if self.in_order is None else self.in_order(values)


class Prepared:
    """A statement with `bindparam`s, compiled once per kind of database. Values go to the driver,
    and come back, as they are. `make` is given the kind: `sqlite` or `postgresql`."""

    def __init__(self, make: Callable[[str], ClauseElement]) -> None:
        self._make = make
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Run it once."""
        compiled = self._for(connection)
        return connection.exec_driver_sql(compiled.sql, compiled.values(values))

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Run it once, and return all of its rows as the driver has them: of many, a `Row` for each
        costs as much as to read them."""
        compiled = self._for(connection)
        given = compiled.values(values)
        if (cursor := _sqlite_cursor(connection)) is not None:
            return cursor.execute(compiled.sql, given).fetchall()
        result = connection.exec_driver_sql(compiled.sql, given)
        assert result.cursor is not None
        found = list(result.cursor.fetchall())
        result.close()
        return found

    def run_many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it for each of these rows (one at least); return how many rows that has changed."""
        compiled = self._for(connection)
        given = [compiled.values(row) for row in rows]
        if (cursor := _sqlite_cursor(connection)) is not None:
            return cursor.executemany(compiled.sql, given).rowcount
        return connection.exec_driver_sql(compiled.sql, given).rowcount

    def _for(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            statement = self._make(dialect.name)
            made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
            assert isinstance(made, SQLCompiler)
            fixed = {name: value for name, value in made.params.items() if value is not None}
            compiled = _Compiled(str(made), _picked(made.positiontup), fixed)
            self._compiled[dialect.name] = compiled
        return compiled


def _picked(order: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Any] | None:
    """Make a function that takes a statement's values out of a mapping, in the order of their
    places."""
    if order is None:
        return None
    if len(order) < 2:  # for one name `itemgetter` gives the value itself
        return lambda values: tuple(values[name] for name in order)
    return itemgetter(*order)


def _sqlite_cursor(connection: Connection) -> sqlite3.Cursor | None:
    """Return SQLite's own cursor, unless something listens to statements: SQLAlchemy's way to it
    takes longer than most statements do. None in PostgreSQL, whose errors SQLAlchemy sorts."""
    if connection.dialect.name != "sqlite" or connection.dispatch.before_cursor_execute:
        return None
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver.cursor()


def given(name: str, type_: type[TypeEngine[Any]] | None = None) -> BindParameter[Any]:
    """Make a parameter whose value is given with each run. (`bindparam` alone would want it when
    compiled.)"""
    return bindparam(name, type_=type_, required=False)


def bound(*names: str) -> dict[str, BindParameter[Any]]:
    """Make such parameters for columns, by the columns' names."""
    return {name: given(name) for name in names}


def is_one_of(column: ColumnElement[int], name: str, database: str) -> ColumnElement[bool]:
    """Build the condition that a column has one of the whole numbers of a JSON array that is bound
    to `name`: one text for any number."""
    if database == "sqlite":
        return column.in_(texts_of(name, database))
    from sqlalchemy.dialects.postgresql import ARRAY

    # As an array, by which PostgreSQL looks rows up. It would take a function's rows to be a
    # hundred, and look through the table instead where its figures say that this is short.
    array = func.translate(given(name), literal_column("'[]'"), literal_column("'{}'"))
    return column == any_(cast(array, ARRAY(BigInteger)))


def texts_of(name: str, database: str) -> Select[Any]:
    """Select the texts of a JSON array that is bound to `name`."""
    if database == "sqlite":
        each = func.json_each(given(name))
    else:
        from sqlalchemy.dialects.postgresql import JSONB

        each = func.jsonb_array_elements_text(cast(given(name), JSONB))
    return select(each.table_valued("value").c.value)


ROWS_TOGETHER = 50
"""Rows of one statement: a few dozen bring all of the gain, and SQLite takes 999 values at
least."""


class Bulk:
    """Inserts rows of `columns` into `table`, each a tuple in this order, with values as the
    driver takes them. In SQLite many with one statement: to begin and end one is a quarter of what
    a row costs."""

    def __init__(self, connection: Connection, table: Table, columns: Sequence[str]) -> None:
        self._connection = connection
        self._columns = columns
        compiled = insert(table).compile(dialect=connection.dialect, column_keys=list(columns))
        self._sql = str(compiled)
        order = compiled.positiontup  # None where the driver takes values by their names
        self._by_name = order is None
        assert order is None or list(order) == list(columns), "named in the order of the table"
        row = f"({', '.join('?' * len(columns))})"
        self._together = ""
        if connection.dialect.name == "sqlite":
            assert self._sql.endswith(f" VALUES {row}")
            self._together = self._sql + f", {row}" * (ROWS_TOGETHER - 1)

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert all of these rows."""
        if not rows:
            return
        values: Sequence[Any] = rows
        if self._by_name:
            values = [dict(zip(self._columns, row, strict=True)) for row in rows]
        whole = len(rows) // ROWS_TOGETHER * ROWS_TOGETHER if self._together else 0
        for at in range(0, whole, ROWS_TOGETHER):
            some = tuple(chain.from_iterable(rows[at : at + ROWS_TOGETHER]))
            self._connection.exec_driver_sql(self._together, some)
        if values[whole:]:
            self._connection.exec_driver_sql(self._sql, values[whole:])


PLANNING_CACHE, USUAL_CACHE = 32_000, 2_000
"""KiB of pages that SQLite keeps in memory (its own default is 2,000). Ids come in no order: with
less, most rows would read a page of an index again, and write one out."""


def set_cache_size(connection: Connection, size: int) -> None:
    """Let SQLite keep so many KiB of pages in memory."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{size}")


def indexes_to_build(connection: Connection) -> list[Index]:
    """Return the indexes of messages that are better built when all rows of a first plan are there:
    sorted once, instead of a page looked up, and perhaps read and written, for each row. None in
    PostgreSQL, where that would keep others waiting; a ledger in a file has one writer anyway."""
    if connection.dialect.name != "sqlite":
        return []
    return [message_by_status, message_queued, message_by_recipient]


def as_json(columns: Mapping[str, str]) -> str:
    """Encode as json.dumps does, in half the time."""
    cells = tuple(columns.values())
    whole = "".join(cells)
    if whole.isprintable() and '"' not in whole and "\\" not in whole:
        return _shape(tuple(columns)) % cells  # nearly always: each text stands as it is
    pairs = [
        f"{encode_basestring(name)}:{encode_basestring(cell)}" for name, cell in columns.items()
    ]
    return "{" + ",".join(pairs) + "}"


@lru_cache(maxsize=100)
def _shape(names: tuple[str, ...]) -> str:
    """Return the JSON of an object with these names, with %s for each of its texts."""
    pairs = [encode_basestring(name).replace("%", "%%") + ':"%s"' for name in names]
    return "{" + ",".join(pairs) + "}"
