"""The order of locks in PostgreSQL, held: each transaction of a ledger takes them as
`runner.ledger.locks` numbers them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from runner.ledger.locks import RECIPIENT_KEY, SCHEMA_KEY

ROWS = {"meta": 6, "lane": 8, "message": 10, "submission": 12}
"""Tables whose rows are locked, and their place in the order; those of `submission` come after the
lock of the same number."""


def place_of(statement: str, parameters: Any) -> int | None:
    """Where in the order what a statement locks stands; None for one that locks nothing of it."""
    if "pg_advisory_xact_lock" in statement:
        values = list(parameters.values() if isinstance(parameters, dict) else parameters)
        return next(place for value in values if (place := _place_of_key(value)) is not None)
    if re.search(r"\bFOR (NO KEY )?(UPDATE|SHARE)\b", statement):
        table = re.search(r"\bFROM (\w+)", statement)
        return ROWS.get(table[1]) if table else None
    table = re.match(r"UPDATE (lane|message|submission)\b", statement)
    return ROWS[table[1]] if table else None


def _place_of_key(value: object) -> int | None:
    names = {SCHEMA_KEY: 4, "plan": 5, RECIPIENT_KEY: 9, "submit": 11}
    if isinstance(value, str) and value.startswith("campaign "):
        return 7
    return names.get(value) if isinstance(value, int | str) else None


@contextmanager
def watched() -> Iterator[list[str]]:
    """Watch all transactions; yields what was taken too late, a line each."""
    wrong: list[str] = []

    def begin(connection: Connection) -> None:
        connection.info.update(locked=0, keys=set(), migrating=False)

    def execute(connection: Connection, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        connection.info["migrating"] |= statement.startswith("ALTER TABLE")
        if connection.dialect.name == "sqlite" or connection.info["migrating"]:
            return
        first = given[0] if isinstance(given, list) and given else given
        place = place_of(statement, first)
        if place is None or (key := f"{statement} {first}") in connection.info["keys"]:
            return  # what is held already is not waited for
        connection.info["keys"].add(key)
        if place < connection.info["locked"]:
            wrong.append(f"{place} after {connection.info['locked']}: {statement}")
        connection.info["locked"] = max(place, connection.info["locked"])

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "before_cursor_execute", execute)
    try:
        yield wrong
    finally:
        event.remove(Engine, "begin", begin)
        event.remove(Engine, "before_cursor_execute", execute)
