"""Many rows at once, without SQLAlchemy's work on each, which costs more than the row itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert


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
