"""Statements that are made once: with each commit, SQLAlchemy's work on a statement would take
longer than the database's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ClauseElement,
    Connection,
    CursorResult,
    Select,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine


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
    and come back, as they are. `make` is told the kind: `sqlite` or `postgresql`."""

    def __init__(self, make: Callable[[str], ClauseElement]) -> None:
        self._make = make
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Run it once."""
        compiled = self._for(connection)
        return connection.exec_driver_sql(compiled.sql, compiled.values(values))

    def run_many(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> CursorResult[Any]:
        """Run it for each of these rows (one at least)."""
        compiled = self._for(connection)
        return connection.exec_driver_sql(compiled.sql, [compiled.values(row) for row in rows])

    def _for(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            statement = self._make(dialect.name)
            made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
            assert isinstance(made, SQLCompiler)
            fixed = {name: value for name, value in made.params.items() if value is not None}
            found = _Compiled(str(made), _picked(made.positiontup), fixed)
            self._compiled[dialect.name] = found
        return found


def _picked(order: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Any] | None:
    """Takes a statement's values out of a mapping, in the order of their places."""
    if order is None:
        return None
    if len(order) < 2:  # for one name `itemgetter` gives the value itself
        return lambda values: tuple(values[name] for name in order)
    return itemgetter(*order)


def tuples(found: CursorResult[Any]) -> list[Any]:
    """All of a result's rows as the driver has them: of many, a `Row` for each costs as much as to
    read them."""
    assert found.cursor is not None
    rows = list(found.cursor.fetchall())
    found.close()
    return rows


def given(name: str, type_: type[TypeEngine[Any]] | None = None) -> BindParameter[Any]:
    """A value that is given with each run. (`bindparam` alone would want it when compiled.)"""
    return bindparam(name, type_=type_, required=False)


def bound(*names: str) -> dict[str, BindParameter[Any]]:
    """Values of columns that are given with each run, by the columns' names."""
    return {name: given(name) for name in names}


def each_of(name: str, database: str) -> Select[Any]:
    """The whole numbers of a JSON array that is bound to `name`: one text for any number."""
    found = texts_of(name, database)
    return found if database == "sqlite" else select(cast(found.subquery().c.value, BigInteger))


def texts_of(name: str, database: str) -> Select[Any]:
    """The texts of a JSON array that is bound to `name`."""
    if database == "sqlite":
        each = func.json_each(given(name))
    else:
        from sqlalchemy.dialects.postgresql import JSONB

        each = func.jsonb_array_elements_text(cast(given(name), JSONB))
    return select(each.table_valued("value").c.value)
