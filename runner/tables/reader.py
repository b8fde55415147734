"""The reader of every kind of table."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from runner.findings import Finding, Rows
from runner.tables.cell_types import Nested
from runner.tables.encodings import find_encoding
from runner.tables.json_lines import json_objects
from runner.tables.separated.delimited import shaped_rows, survey
from runner.tables.text_files import Row, reading, wrong

SEPARATED = (".csv", ".tsv", ".txt")
PACKED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of workbooks: .xlsx, and .xls or one with a password."""
KNOWN = (*SEPARATED, ".jsonl", ".json", ".xlsx", ".parquet")
MOST_COLUMNS = 2_000
"""Columns of a table. Our own choice: exports with all fields of a CRM have some hundreds. Each
person has a cell in each of them, so that more fill memory and ledger."""
MOST_OF_A_NAME = 32_767
"""Characters of a column's name: those of a cell in Excel."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file's columns, as they are written, and its rows, read again at each call of `rows`.

    `rows` yields (number, cells): as many cells as columns, all text, empty is "". The number is
    the one a spreadsheet shows (header 1, first row 2); in JSON lines the line's. Rows with
    nothing in them are counted and left out. A cell may be one of `cells`.

    `findings`: of its header and its shape, as far as it was read to open it; `rows` may add more.
    `uncalculated`: the rows of each column, by its index, that hold a formula without a result.
    `nested`: likewise, the rows that hold a list or an object. `typed`: whether a cell may be more
    than its text.
    """

    path: Path
    columns: list[str]
    rows: Callable[[], Iterator[Row]]
    findings: list[Finding] = field(default_factory=list)
    uncalculated: Mapping[int, Rows] = field(default_factory=dict)
    nested: Mapping[int, Rows] = field(default_factory=dict)
    typed: bool = False


def read_table(
    path: Path,
    encoding: str | None = None,
    *,
    sheet: str | None = None,
    wanted: Collection[str] = (),
) -> Table:
    """Open a table and read its header. Raises AudienceError, as `rows` does later.

    `encoding`: of text files; default UTF-8, or UTF-16 by the byte mark. `sheet`: of a workbook;
    default: the first visible one with a header. `wanted`: names (as `header.header_name` gives
    them) of which a header has one; with none, a workbook may have one visible sheet only.
    """
    try:
        if path.is_dir():
            raise wrong(path, 0, "is a folder", "name the file in it")
        if not path.exists():
            raise wrong(path, 0, "no such file", _near(path))
    except (OSError, ValueError):
        raise wrong(path, 0, "is not a file name") from None
    kind = _kind(path)
    if sheet is not None and kind != ".xlsx":
        raise wrong(path, 0, "is not a workbook and has no sheets", "remove prospects.sheet")
    if kind in SEPARATED:
        table = _separated(path, encoding, wanted)
    elif kind in (".jsonl", ".json"):
        table = _json_lines(path, encoding)
    elif kind == ".xlsx":
        found = _module("excel.workbook_reader").read_workbook(path, sheet, wanted)
        table = Table(
            path, found.columns, found.every, found.findings, found.uncalculated, typed=True
        )
    else:
        # pandas takes 0.9 s and 100 MB to import: only who has such a file pays for it.
        columns, rows = _module("parquet").read_parquet(path)
        table = Table(path, columns, rows, typed=True)
    check_columns(path, table.columns)
    return table


def ending(path: Path) -> str:
    """Return the kind of table by the file's name, `.gz` taken off. Raises AudienceError."""
    name = path.name.lower()
    packed = name.endswith(".gz")
    kind = Path(name.removesuffix(".gz")).suffix
    if kind not in KNOWN or (packed and kind in (".xlsx", ".parquet")):
        known = f"{', '.join(KNOWN)}; .gz after csv, tsv, txt, jsonl"
        raise wrong(path, 0, f"an unknown ending {kind or '(none)'}", f"known: {known}")
    return kind


def _kind(path: Path) -> str:
    """Return the kind of table by its name, or a workbook under the name of a text file."""
    kind = ending(path)
    if kind in (".xlsx", ".parquet") or path.suffix.lower() == ".gz":
        return kind
    with reading(path), path.open("rb") as stream:
        head = stream.read(4)
    return ".xlsx" if head in PACKED else kind


def _module(name: str) -> Any:
    """Return a module of this package that few commands need."""
    return importlib.import_module(f"runner.tables.{name}")


def fingerprint(path: Path) -> str:
    """Return SHA-256 of the file's bytes as 64 hex digits, read in pieces. Raises AudienceError."""
    with reading(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """Refuse names that cannot tell one column from another."""
    if not columns:
        raise wrong(path, 1, "has no column names", "write them into the first row")
    if len(columns) > MOST_COLUMNS:
        what = f"has {len(columns):,} columns, and {MOST_COLUMNS:,} can be read"
        raise wrong(path, 1, what, "delete those that the campaign does not use")
    seen: dict[str, int] = {}
    for index, name in enumerate(columns, 1):
        clean = name.strip()
        if not clean:
            raise wrong(path, 1, f"column {index} has no name", "name it or delete the column")
        if clean in seen:
            what = f"columns {seen[clean]} and {index} are both named {clean}"
            raise wrong(path, 1, what, "rename one")
        seen[clean] = index


def _separated(path: Path, encoding: str | None, wanted: Collection[str]) -> Table:
    found = find_encoding(path, encoding)
    shape = survey(path, found, wanted, given=encoding is not None and not found.startswith("utf"))
    return Table(path, shape.columns, lambda: shaped_rows(shape), shape.findings)


def _json_lines(path: Path, encoding: str | None) -> Table:
    found = find_encoding(path, encoding)
    # A first pass for the names: a line may hold a key that all lines above it leave out.
    columns: dict[str, Rows] = {}
    for number, each in json_objects(path, found):
        for name, cell in each.items():
            rows_nested = columns.get(name)
            if rows_nested is None:
                columns[name] = rows_nested = Rows()
                _refuse_more(path, number, columns, name)
            if type(cell) is Nested:
                rows_nested.add(number)
    if not columns:
        raise wrong(path, 0, "is empty", 'write lines such as {"x_user_id": "123"}')
    names = list(columns)
    nested = {at: rows for at, rows in enumerate(columns.values()) if rows.count}

    def rows() -> Iterator[Row]:
        for number, each in json_objects(path, found):
            cells = [each.get(name, "") for name in names]
            if any(cells) or any(map(len, cells)):
                yield number, cells

    return Table(path, names, rows, nested=nested, typed=True)


def _refuse_more(path: Path, row: int, columns: Collection[str], name: str) -> None:
    """Refuse a file whose keys are what differs from person to person."""
    if len(columns) > MOST_COLUMNS:
        what = f"with the lines above it has more than {MOST_COLUMNS:,} different keys"
        raise wrong(path, row, what, "write the same keys into each, one for a column")
    if len(name) > MOST_OF_A_NAME:
        what = f"has a key of more than {MOST_OF_A_NAME:,} characters"
        raise wrong(path, row, what, "a key is a column's name")


def _near(path: Path) -> str:
    try:
        names = [each.name for each in path.parent.iterdir() if each.is_file()]
    except (OSError, ValueError):
        return ""
    near = get_close_matches(path.name, names, 1)
    return f"did you mean {path.parent / near[0]}?" if near else ""
