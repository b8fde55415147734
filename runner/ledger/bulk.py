"""Many rows at once, without SQLAlchemy's work on each, which costs more than the row itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, with values as the driver takes them."""
    if not rows:
        return
    compiled = insert(table).compile(dialect=connection.dialect, column_keys=list(rows[0]))
    order = compiled.positiontup  # None where the driver takes values by their names
    values = [row if order is None else tuple([row[name] for name in order]) for row in rows]
    connection.exec_driver_sql(str(compiled), values)
