"""The traces of people: where the tables and files of a ledger still have one of their names."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
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
    true,
)

from runner.ledger.erasure.columns import may_hold_text
from runner.ledger.schema import metadata

SHORT = 8
"""The length below which an id is not looked for inside of other texts: any number may hold it."""

FEW = 20
"""Names up to which each is looked for anywhere, and not only as a word of its own: of many that
would take too long. Our own choice."""

CHUNK = 1 << 20
"""Bytes of a file that are in memory at a time."""


class Trace(NamedTuple):
    """A place that has a name of a person: a column of a table, and in how many rows, or a file."""

    place: str
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.place} ({self.rows} rows)" if self.rows > 1 else self.place


class SoughtNames:
    """The names that are looked for: ids and handles, the latter behind an @ or alone."""

    def __init__(self, ids: Collection[str], handles: Collection[str]) -> None:
        self.ids, self.handles = sorted(ids), sorted(handles)
        self.few = len(self.ids) + len(self.handles) <= FEW
        long = [id for id in self.ids if len(id) >= SHORT]
        words = [] if self.few else [id for id in long if re.fullmatch(r"[\w-]+", id)]
        self._words = frozenset(words)
        self._bytes = frozenset(word.encode() for word in words)
        parts = [re.escape(id) for id in long if id not in self._words]
        of_files = parts + [f"@{re.escape(name)}" for name in self.handles]
        for id in self.ids:
            if len(id) < SHORT:
                parts += [rf"\A{re.escape(id)}\Z", re.escape(json.dumps(id))]
        for name in map(re.escape, self.handles):
            parts += [rf"\A{name}\Z", rf"[@/]{name}(?![\w.])", f'"{name}"']
        self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None
        in_files = "|".join(of_files).encode()
        self._file_pattern = re.compile(in_files, re.IGNORECASE) if of_files else None

    def in_text(self, text: str) -> bool:
        """Return whether a text has one of them."""
        if self._pattern is not None and self._pattern.search(text):
            return True
        return bool(self._words) and not self._words.isdisjoint(re.findall(r"[\w-]+", text))

    def in_bytes(self, content: bytes) -> bool:
        """Return whether a piece of a file has one of them; short ids are not looked for."""
        if self._file_pattern is not None and self._file_pattern.search(content):
            return True
        return bool(self._bytes) and not self._bytes.isdisjoint(re.findall(rb"[\w-]{8,}", content))


def in_tables(
    connection: Connection, ids: Collection[str], handles: Collection[str]
) -> list[Trace]:
    """Return every column of every table in which one of these ids or handles stands."""
    names = SoughtNames(ids, handles)
    has = lru_cache(10_000)(names.in_text)  # most columns have few values
    found: list[Trace] = []
    for table in metadata.sorted_tables:
        for column in table.c:
            if not may_hold_text(column.type):
                continue
            like = _may_have(column, names, connection.dialect.name) if names.few else true()
            asked = select(column).where(like).execution_options(yield_per=1000)
            count = sum(has(_text(value)) for (value,) in connection.execute(asked))
            if count:
                found.append(Trace(f"{table.name}.{column.name}", count))
    return found


def _may_have(column: Column[object], names: SoughtNames, database: str) -> ColumnElement[bool]:
    if isinstance(column.type, LargeBinary):
        bodies = [literal(each.encode()) for each in (*names.ids, *names.handles)]
        if database == "sqlite":
            return or_(literal(False), *(func.instr(column, each) > 0 for each in bodies))
        return or_(literal(False), *(func.position(each.op("IN")(column)) > 0 for each in bodies))
    told = [column.contains(each, autoescape=True) for each in names.ids]
    told += [column.icontains(each, autoescape=True) for each in names.handles]
    return or_(literal(False), *told)


def _text(value: object) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def in_files(paths: Iterable[Path], ids: Collection[str], handles: Collection[str]) -> list[Trace]:
    """Return those of these files whose bytes have one of these ids (not of short ones) or
    handles (behind an @)."""
    names = SoughtNames(ids, handles)
    overlap = max(map(len, (*names.ids, *names.handles)), default=0) + 1
    return [
        Trace(str(path))
        for path in paths
        if path.is_file() and any(map(names.in_bytes, _chunks(path, overlap)))
    ]


def _chunks(path: Path, overlap: int) -> Iterator[bytes]:
    last = b""
    with path.open("rb") as stream:
        while read := stream.read(CHUNK):
            yield last + read
            last = read[-overlap:]
