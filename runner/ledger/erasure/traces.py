"""The traces of a person: where the tables and files of a ledger still have one of their names."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    func,
    literal,
    or_,
    select,
)

from runner.ledger.erasure.columns import may_hold_text
from runner.ledger.schema import metadata

SHORT = 8
"""The length below which an id is not looked for inside of other texts: any number may hold it."""

CHUNK = 1 << 20
"""Bytes of a file that are in memory at a time."""


class Trace(NamedTuple):
    """A place that has a name of a person: a column of a table, and in how many rows, or a file."""

    place: str
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.place} ({self.rows} rows)" if self.rows > 1 else self.place


def in_tables(
    connection: Connection, ids: Collection[str], handles: Collection[str]
) -> list[Trace]:
    """Return every column of every table in which one of these ids or handles stands."""
    found: list[Trace] = []
    for table in metadata.sorted_tables:
        for column in table.c:
            if not may_hold_text(column.type):
                continue
            like = _may_have(column, ids, handles, connection.dialect.name)
            rows = connection.execute(select(column).where(like)).scalars()
            count = sum(_has(_text(value), ids, handles) for value in rows)
            if count:
                found.append(Trace(f"{table.name}.{column.name}", count))
    return found


def _may_have(
    column: Column[object], ids: Collection[str], handles: Collection[str], database: str
) -> ColumnElement[bool]:
    if isinstance(column.type, LargeBinary):
        bodies = [literal(each.encode()) for each in (*ids, *handles)]
        if database == "sqlite":
            return or_(literal(False), *(func.instr(column, each) > 0 for each in bodies))
        return or_(literal(False), *(func.position(each.op("IN")(column)) > 0 for each in bodies))
    told = [column.contains(each, autoescape=True) for each in ids]
    told += [column.icontains(each, autoescape=True) for each in handles]
    return or_(literal(False), *told)


def _text(value: object) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _has(text: str, ids: Collection[str], handles: Collection[str]) -> bool:
    if any(_id_pattern(id).search(text) for id in ids):
        return True
    return any(_handle_pattern(name).search(text) for name in handles)


def _id_pattern(id: str) -> re.Pattern[str]:
    if len(id) < SHORT:
        return re.compile(rf"\A{re.escape(id)}\Z|{re.escape(json.dumps(id))}")
    return re.compile(re.escape(id))


def _handle_pattern(name: str) -> re.Pattern[str]:
    whole = re.escape(name)
    return re.compile(rf'\A{whole}\Z|[@/]{whole}(?![\w.])|"{whole}"', re.IGNORECASE)


def in_files(paths: Iterable[Path], ids: Collection[str], handles: Collection[str]) -> list[Trace]:
    """Return those of these files whose bytes have one of these ids (not of short ones) or
    handles (behind an @)."""
    wanted = [id.encode() for id in ids if len(id) >= SHORT]
    wanted += [f"@{name}".encode() for name in handles]
    if not wanted:
        return []
    return [Trace(str(path)) for path in paths if path.is_file() and _holds(path, wanted)]


def _holds(path: Path, wanted: Collection[bytes]) -> bool:
    pattern = re.compile(b"|".join(map(re.escape, wanted)), re.IGNORECASE)
    overlap = max(map(len, wanted))
    return any(pattern.search(chunk) for chunk in _chunks(path, overlap))


def _chunks(path: Path, overlap: int) -> Iterator[bytes]:
    last = b""
    with path.open("rb") as stream:
        while read := stream.read(CHUNK):
            yield last + read
            last = read[-overlap:]
