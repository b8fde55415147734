"""Excel workbooks: which sheet is read, and its cells as the spreadsheet shows them."""

from __future__ import annotations

import json
import math
import re
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from runner.errors import AudienceError
from runner.findings import Finding, FindingError, Rows
from runner.tables.cell_types import ErrorCell, FormattedNumber, RoundedNumber, Truth, Uncalculated
from runner.tables.excel.number_format import (
    GENERAL,
    is_date,
    plain_moment,
    plain_number,
    serial_of,
    shown_number,
    shown_text,
)
from runner.tables.excel.spreadsheetml import (
    OWN_DATE,
    Book,
    Merge,
    RawCell,
    SheetPart,
    column_letters,
    open_book,
)
from runner.tables.header import SEARCHED, find_header, settle_header
from runner.tables.text_files import Row, reading, wrong

EXCEL_DIGITS = 15
"""Excel keeps 15 significant digits of a number and makes the others 0."""

MOST_UNPACKED = 256 << 20
"""Bytes of a workbook's parts, unpacked. Our own choice: some millions of cells, which
take a minute to read; more is better a text file, or a bomb."""

_OLE = b"\xd0\xcf\x11\xe0"  # the old container: .xls, and any workbook with a password
_PACKAGE = b"PK\x03\x04"


@dataclass(slots=True)
class Sheet:
    """A sheet as a table. `uncalculated`: the rows of each column, by its index, that hold a
    formula whose result was never stored."""

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    uncalculated: dict[int, Rows] = field(default_factory=dict)

    def every(self) -> Iterator[Row]:
        return iter(self.rows)


def read_workbook(path: Path, sheet: str | None, wanted: Collection[str]) -> Sheet:
    """Return the sheet of a workbook that is named, else the first visible one with a header.

    `wanted`: names of columns (as `header_name` gives them) of which a header has one; where none
    is wanted, a second visible sheet with something in it is refused. Raises AudienceError.
    """
    with reading(path), path.open("rb") as stream:
        head = stream.read(2048)
    _check_kind(path, head)
    with reading(path):
        try:
            _check_size(path)
            with zipfile.ZipFile(path) as package:
                book = open_book(path, package)
                chosen = _choose(path, book, sheet, wanted)
                return _Reader(path, book, chosen).read(wanted)
        except (AudienceError, OSError):
            raise
        except Exception:
            # Which one depends on what part of the package is missing or torn.
            what = "is not an Excel workbook, or a damaged one"
            raise wrong(path, 0, what, "save it again as .xlsx or .csv") from None


def _check_kind(path: Path, head: bytes) -> None:
    if head.startswith(_OLE):
        what = "is protected by a password, or an old .xls file"
        raise wrong(path, 0, what, "save it without a password as .xlsx or .csv")
    if head.startswith(_PACKAGE) or not head:
        return
    start = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if re.match(rb"<(!doctype html|html|head|body|table|meta|script)|<\?xml[^>]*>\s*<html", start):
        what = "is a web page, no Excel workbook"
        raise wrong(path, 0, what, "open it in a spreadsheet program and save it as .xlsx")
    if start.startswith(b"<?xml"):
        what = "is an XML file, no Excel workbook"
        raise wrong(path, 0, what, "open it in a spreadsheet program and save it as .xlsx")
    if not re.search(rb"[\x00-\x08\x0e-\x1f]", head) and re.search(rb"[,;\t|\n]", head):
        raise wrong(path, 0, "is a text file, no Excel workbook", "give it the ending .csv")


def _check_size(path: Path) -> None:
    """Refuse what would fill the memory. zipfile reads no more of a part than is written here."""
    with zipfile.ZipFile(path) as package:
        size = sum(part.file_size for part in package.infolist())
    if size > MOST_UNPACKED:
        what = f"unpacks to {size >> 20:,} MiB, more than {MOST_UNPACKED >> 20}"
        raise wrong(path, 0, what, "save it as .csv")


def _choose(path: Path, book: Book, name: str | None, wanted: Collection[str]) -> SheetPart:
    sheets = book.sheets
    if not sheets:
        raise wrong(path, 0, "has no worksheet", "put the people into a worksheet")
    if name is not None:
        for same in (str, lambda text: text.strip().casefold()):
            for each in sheets:
                if same(each.name) == same(name):
                    return each
        names = [each.name for each in sheets]
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        what = f"has no sheet {name} (prospects.sheet)"
        raise wrong(path, 0, what, f"{hint}sheets there are: {', '.join(names)}")
    visible = [each for each in sheets if each.visible] or sheets
    if len(visible) == 1:
        return visible[0]
    starts = [(each, _start(book, each)) for each in visible]
    filled = [(each, start) for each, start in starts if start]
    found = [each for each, start in filled if not wanted or find_header([[], *start], wanted) > 0]
    if len(found) > 1:
        names = [each.name for each in found]
        told = f"{', '.join(names[:-1])} and {names[-1]}"
        plain = names[0] if re.fullmatch(r"\w[\w ]*", names[0]) else json.dumps(names[0])
        instead = f"write prospects: {{source: {path.name}, sheet: {plain}}}"
        if not wanted:
            instead = "keep the one that counts, or save it as .csv"
        raise FindingError(
            Finding("sheet_unclear", f"has the sheets {told}", instead, file=str(path))
        )
    return found[0] if found else filled[0][0] if filled else visible[0]


def _start(book: Book, sheet: SheetPart) -> list[list[str]]:
    """Return the first rows of a sheet that hold something."""
    rows = ([cell.value or "" for cell in row.cells] for row in book.rows(sheet))
    return list(islice((cells for cells in rows if any(cells)), SEARCHED))


def _holds(cell: str) -> bool:
    """Return whether there is something in a cell: FALSE is, and so is a formula without a
    result."""
    return len(cell) > 0 or type(cell) is Uncalculated


class _Reader:
    """Reads one sheet."""

    def __init__(self, path: Path, book: Book, sheet: SheetPart) -> None:
        self._path = path
        self._book = book
        self._name = sheet.name
        self._rows: list[Row] = []
        self._hidden: set[int] = set()
        self._unknown: dict[int, dict[str, tuple[str, int]]] = {}  # column, format: shown, row
        self._merged: dict[int, list[Merge]] = {}
        for row in book.rows(sheet):
            texts: list[str] = []
            for cell in row.cells:
                texts += [""] * (cell.column + 1 - len(texts))
                texts[cell.column] = self._text(row.number, cell)
            while texts and not _holds(texts[-1]):
                texts.pop()
            if texts:
                self._rows.append((row.number, texts))
                if row.hidden:
                    self._hidden.add(row.number)
        self._rows.sort(key=lambda row: row[0])
        self._merges = [each for each in book.merges if each[:2] != each[2:]]

    def read(self, wanted: Collection[str]) -> Sheet:
        path = self._path
        if not self._rows:
            what = f"its sheet {self._name} is empty"
            raise wrong(path, 0, what, "write the column names into row 1")
        for merge in self._merges:
            self._fill(merge, merge.first_row, merge.first_column)
        at, findings = settle_header(path, self._rows[:SEARCHED], wanted)
        at = self._below_merged(at, wanted)
        number, header = self._rows[at]
        below = self._rows[at + 1 :]
        for merge in self._merges:
            self._fill(merge, number + 1, merge.last_column)
        kept = self._kept_columns(number, header, below)
        columns = [header[index].strip() for index in kept]
        sheet = Sheet(columns)
        for row, cells in below:
            cells.extend([""] * (kept[-1] + 1 - len(cells)))
            texts = cells if len(kept) == len(cells) else [cells[index] for index in kept]
            sheet.rows.append((row, texts))
            for index, cell in enumerate(texts):
                if type(cell) is Uncalculated:
                    sheet.uncalculated.setdefault(index, Rows()).add(row)
        last = below[-1][0] if below else number
        span = f"{column_letters(kept[0])}{number}:{column_letters(kept[-1])}{last}"
        self._tell(sheet, "sheet_read", f"sheet {self._name}, {span}")
        sheet.findings += findings
        self._tell_hidden(sheet, [row for row, _ in below if row in self._hidden])
        for index, name in zip(kept, columns, strict=True):
            self._tell_column(sheet, number, index, name)
        return sheet

    def _text(self, row: int, cell: RawCell) -> str:
        kind, value = cell.kind, cell.value
        if kind == "e":
            return ErrorCell(value or "#N/A")
        if cell.formula and (
            value is None
            or (not value and (kind != "str" or self._book.stale))
            # A library's own first value, for a spreadsheet to calculate when it opens the file.
            or (self._book.stale and kind == "n" and value == "0")
        ):
            return Uncalculated()
        if not value:
            return ""
        if kind == "b":
            return Truth(value in ("1", "true"))
        if kind in ("text", "str"):
            return value if cell.format == GENERAL else shown_text(cell.format, value)
        base = self._book.base_1904
        if kind == "d":
            try:
                moment = datetime.fromisoformat(value).replace(tzinfo=None)
            except ValueError:
                return value
            number = serial_of(moment, base)
            if cell.format == GENERAL:
                return plain_moment(number, base)
        else:
            number = float(value)
        return self._number(row, cell, number)

    def _number(self, row: int, cell: RawCell, number: float) -> str:
        if not math.isfinite(number):
            return ""
        code, base = cell.format, self._book.base_1904
        plain = plain_number(number)
        shown = plain if code == GENERAL else shown_number(code, number, base) if code else None
        moment = code == OWN_DATE or (code != GENERAL and is_date(code))
        if shown is None:
            shown = plain_moment(number, base) if moment else plain
            told = self._unknown.setdefault(cell.column, {})
            told.setdefault(code, (shown, row))
        if abs(number) >= 10**EXCEL_DIGITS:
            return RoundedNumber(shown)
        return shown if shown == plain or moment else FormattedNumber(shown, plain)

    # Merged cells

    def _fill(self, merge: Merge, first_row: int, last_column: int) -> None:
        """Give the cells that a merged one covers its text, in rows that hold something."""
        numbers = [row for row, _ in self._rows]
        top = bisect_left(numbers, merge.first_row)
        if top == len(numbers) or numbers[top] != merge.first_row:
            return
        cells = self._rows[top][1]
        text = cells[merge.first_column] if merge.first_column < len(cells) else ""
        if not _holds(text):
            return
        last = min(last_column, max(len(each) for _, each in self._rows) - 1)
        begin = bisect_left(numbers, max(first_row, merge.first_row))
        for row, cells in self._rows[begin : bisect_right(numbers, merge.last_row)]:
            cells.extend([""] * (last + 1 - len(cells)))
            for column in range(merge.first_column, last + 1):
                if (row, column) != merge[:2] and not _holds(cells[column]):
                    cells[column] = text
            told = self._merged.setdefault(merge.first_column, [])
            if merge not in told:
                told.append(merge)

    def _below_merged(self, at: int, wanted: Collection[str]) -> int:
        """Return the index of the last row of a header whose id column is merged over several."""
        number, header = self._rows[at]
        for merge in self._merges:
            ids = header[merge.first_column : merge.first_column + 1]
            if merge.first_row <= number < merge.last_row and find_header([[], ids], wanted):
                return bisect_right([row for row, _ in self._rows], merge.last_row) - 1
        return at

    # Columns

    def _kept_columns(self, number: int, header: Sequence[str], below: Sequence[Row]) -> list[int]:
        """Return the columns with a name. One without and with nothing in it is left out."""
        named = [index for index, name in enumerate(header) if name.strip()]
        if not named:
            raise wrong(self._path, number, "has no column names", "write them into this row")
        known = set(named)
        for row, cells in below:
            for index, cell in enumerate(cells):
                if index not in known and _holds(cell):
                    what = f"has something in column {index + 1}, which has no name"
                    instead = f"name it in row {number} or delete it"
                    if len(named) == 1 and sum(map(_holds, cells)) > 1:
                        instead += f"; if row {row} is the header, delete the rows above it"
                    raise wrong(self._path, row, what, instead)
        return named

    # What is told

    def _tell(
        self, sheet: Sheet, code: str, what: str, instead: str = "", column: str = ""
    ) -> None:
        sheet.findings.append(Finding(code, what, instead, file=str(self._path), column=column))

    def _tell_hidden(self, sheet: Sheet, hidden: Sequence[int]) -> None:
        rows = Rows()
        for row in hidden:
            rows.add(row)
        if rows.count:
            verb = "is" if rows.count == 1 else "are"
            what = f"sheet {self._name}: {rows} {verb} hidden or filtered out"
            them = "it" if rows.count == 1 else "them"
            self._tell(sheet, "hidden_rows", what, f"delete {them}, or show {them}")

    def _tell_column(self, sheet: Sheet, header: int, index: int, name: str) -> None:
        merges = [each for each in self._merged.get(index, []) if each.last_row > header]
        if merges:
            first = merges[0]
            over = f"rows {max(first.first_row, header + 1)} to {first.last_row}"
            if first.first_row == first.last_row:
                last = column_letters(first.last_column)
                over = f"{column_letters(index)}{first.first_row}:{last}{first.last_row}"
            what = f"a cell is merged over {over}; it counts for each of them"
            if len(merges) > 1:
                what = f"{len(merges):,} cells are merged, the first over {over}; "
                what += "each counts for all that it covers"
            self._tell(sheet, "cells_merged", what, column=name)
        for code, (shown, row) in self._unknown.get(index, {}).items():
            if row > header:
                what = f"the format {code} is not known here; {shown} is printed"
                if code == OWN_DATE:
                    what = f"each computer shows these dates in its own way; {shown} is printed"
                self._tell(sheet, "format_unknown", what, column=name)
