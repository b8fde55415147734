"""Many rows at once, without SQLAlchemy's work on each, which costs more than the row itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import Connection, Index, Table, insert

from runner.ledger.schema import message_by_recipient, message_by_status, message_queued


class Bulk:
    """Inserts rows of `columns` into `table`, each a tuple in this order, with values as the
    driver takes them."""

    def __init__(self, connection: Connection, table: Table, columns: Sequence[str]) -> None:
        self._connection = connection
        self._columns = columns
        compiled = insert(table).compile(dialect=connection.dialect, column_keys=list(columns))
        self._sql = str(compiled)
        order = compiled.positiontup  # None where the driver takes values by their names
        self._by_name = order is None
        assert order is None or list(order) == list(columns), "named in the order of the table"

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert all of these."""
        if not rows:
            return
        values: Sequence[Any] = rows
        if self._by_name:
            values = [dict(zip(self._columns, row, strict=True)) for row in rows]
        self._connection.exec_driver_sql(self._sql, values)


PLANNING_CACHE, USUAL_CACHE = 32_000, 2_000
"""KiB of pages that SQLite keeps in memory (its own default is 2,000). Ids come in no order: with
less, most rows would read a page of an index anew, and write one out."""


def keep_pages(connection: Connection, size: int) -> None:
    """Let SQLite keep so many KiB of pages."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{size}")


def indexes_to_build(connection: Connection) -> list[Index]:
    """The indexes of messages that are better made when all rows of a first plan are there: sorted
    once, instead of a page looked up, and perhaps read and written, for each row. Only where that
    holds nobody up: a ledger in a file has one writer anyway."""
    if connection.dialect.name != "sqlite":
        return []
    return [message_by_status, message_queued, message_by_recipient]


class _Names(dict[str, str]):
    """Column names as JSON writes them, each made once."""

    def __missing__(self, name: str) -> str:
        self[name] = made = encode_basestring(name) + ":"
        return made


_names = _Names()


def as_json(columns: Mapping[str, str]) -> str:
    """As json.dumps writes it, in half the time."""
    pairs = [_names[name] + encode_basestring(cell) for name, cell in columns.items()]
    return "{" + ",".join(pairs) + "}"
