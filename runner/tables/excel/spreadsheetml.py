"""The parts of an .xlsx file (ECMA-376): its sheets, formats, shared texts, and rows of cells.

Read here rather than through openpyxl, which makes one of `_x000D_` (a line break) and
`_x005F_x000D_` (that very text), and shows neither what is hidden nor what is merged when it reads
a row at a time.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from runner.tables.excel.number_format import BUILT_IN, GENERAL, OWN_DATES

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
OWN_DATE = ""
"""Stands for a format of dates that each computer shows in its own way."""

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_HALF = re.compile("[\ud800-\udfff]")


class Torn(Exception):
    """A part of the file that is missing or holds what it cannot."""


class SheetPart(NamedTuple):
    """A worksheet's name, whether a person sees it, and its part in the package."""

    name: str
    visible: bool
    part: str


class RawCell(NamedTuple):
    """A cell as it is stored. `column` counts from 0; `value` is None without one; `kind` as in
    ST_CellType, with shared and inline texts as `text`."""

    column: int
    kind: str
    value: str | None
    format: str
    formula: bool


class RawRow(NamedTuple):
    """A row that holds cells, with its number as it is shown."""

    number: int
    hidden: bool
    cells: list[RawCell]


class Merge(NamedTuple):
    """A merged cell: rows as they are shown, columns from 0 on, ends included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@dataclass(slots=True)
class Book:
    """A workbook's sheets, and what all of them share. `stale`: the program that wrote it leaves
    it to the next one to calculate its formulas."""

    package: zipfile.ZipFile
    sheets: list[SheetPart] = field(default_factory=list)
    base_1904: bool = False
    stale: bool = False
    formats: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)  # of the sheet whose rows were read last

    def rows(self, sheet: SheetPart) -> Iterator[RawRow]:
        """Yield the rows of a sheet that hold cells. After the last, `merges` are this sheet's."""
        self.merges = []
        number = 0
        with self._open(sheet.part) as stream:
            data: Element | None = None
            for event, element in ElementTree.iterparse(stream, ("start", "end")):
                tag = _local(element.tag)
                if event == "start":
                    data = element if tag == "sheetData" else data
                elif tag == "row":
                    number = int(element.get("r") or number + 1)
                    if not 1 <= number <= MOST_ROWS:
                        raise Torn
                    hidden = _is_true(element.get("hidden")) or element.get("ht") == "0"
                    cells = list(self._cells(element))
                    if cells:
                        yield RawRow(number, hidden, cells)
                    element.clear()
                    if data is not None:
                        data.clear()
                elif tag == "mergeCell":
                    self.merges.append(_merge(element.get("ref", "")))

    def _cells(self, row: Element) -> Iterator[RawCell]:
        column = -1
        for cell in row:
            if _local(cell.tag) != "c":
                continue
            place = cell.get("r")
            column = _column(place) if place else column + 1
            if column >= MOST_COLUMNS:
                raise Torn
            kind = cell.get("t", "n")
            value: str | None = None
            formula = False
            for part in cell:
                name = _local(part.tag)
                if name == "v":
                    value = part.text or ""
                elif name == "f":
                    formula = True
                elif name == "is":
                    value = _rich(part)
            if value is None and not formula:
                continue
            if kind == "s":
                if value is None or not 0 <= int(value) < len(self.texts):
                    raise Torn
                value = self.texts[int(value)]
            elif kind in ("str", "inlineStr") and value is not None:
                value = unescaped(value)
            kind = "text" if kind in ("s", "inlineStr") else kind
            style = int(cell.get("s", 0))
            known = self.formats[style] if 0 <= style < len(self.formats) else GENERAL
            yield RawCell(column, kind, value, known, formula)

    def _open(self, part: str) -> IO[bytes]:
        try:
            return self.package.open(part)
        except KeyError:
            raise Torn from None


def open_book(path: Path, package: zipfile.ZipFile) -> Book:
    """Return the parts that the sheets of a workbook share. Raises Torn, and what zipfile and
    ElementTree do."""
    names = {name.replace("\\", "/").lstrip("/").casefold(): name for name in package.namelist()}

    def part(name: str) -> Element | None:
        stored = names.get(name.casefold())
        return ElementTree.fromstring(package.read(stored)) if stored else None

    main = "xl/workbook.xml"
    for kind, target in _relations(part("_rels/.rels"), "").values():
        main = target if kind == "officeDocument" else main
    workbook = part(main)
    if workbook is None:
        raise Torn
    folder, name = posixpath.split(main)
    relations = _relations(part(f"{folder}/_rels/{name}.rels"), folder)
    book = Book(package)
    for element in workbook.iter():
        tag = _local(element.tag)
        if tag == "sheet":
            id = next((value for key, value in element.items() if _local(key) == "id"), "")
            kind, target = relations.get(id, ("", ""))
            stored = names.get(target.casefold())
            if kind == "worksheet" and stored:
                visible = element.get("state", "visible") == "visible"
                book.sheets.append(SheetPart(element.get("name", ""), visible, stored))
        elif tag == "workbookPr":
            book.base_1904 = _is_true(element.get("date1904"))
        elif tag == "calcPr":
            book.stale = _is_true(element.get("fullCalcOnLoad"))
    shared = dict(relations.values())
    styles = part(shared.get("styles", f"{folder}/styles.xml"))
    book.formats = _formats(styles) if styles is not None else []
    texts = names.get(shared.get("sharedStrings", f"{folder}/sharedStrings.xml").casefold())
    if texts:
        with package.open(texts) as stream:
            book.texts = list(_shared(stream))
    return book


def unescaped(text: str) -> str:
    """Return a text with `_xHHHH_` undone, as the file format has characters that XML cannot hold,
    and with every kind of line break as one."""
    if "_x" in text:
        text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        if _HALF.search(text):  # two halves are one character; one alone is none
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "")


def _shared(stream: IO[bytes]) -> Iterator[str]:
    root: Element | None = None
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        if event == "start":
            root = element if root is None else root
        elif _local(element.tag) == "si":
            yield unescaped(_rich(element))
            if root is not None:
                root.clear()


def _rich(element: Element) -> str:
    """Return a text of one or many styles, without the reading aid (`rPh`) beside it."""
    found = []
    for part in element:
        tag = _local(part.tag)
        if tag == "t":
            found.append(part.text or "")
        elif tag == "r":
            found += [each.text or "" for each in part if _local(each.tag) == "t"]
    return "".join(found)


def _formats(styles: Element) -> list[str]:
    """Return the number format of each cell style."""
    codes = dict(BUILT_IN) | dict.fromkeys(OWN_DATES, OWN_DATE)
    found = []
    for part in styles:
        tag = _local(part.tag)
        if tag == "numFmts":
            for each in part:
                codes[int(each.get("numFmtId", 0))] = each.get("formatCode") or GENERAL
        elif tag == "cellXfs":
            found = [int(each.get("numFmtId", 0)) for each in part if _local(each.tag) == "xf"]
    return [codes.get(id, GENERAL) for id in found]


def _relations(element: Element | None, folder: str) -> dict[str, tuple[str, str]]:
    """Return id: (kind, part) of what a part names."""
    found = {}
    for each in () if element is None else element:
        target = each.get("Target", "").replace("\\", "/")
        whole = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
        kind = each.get("Type", "").rpartition("/")[2]
        found[each.get("Id", "")] = kind, posixpath.normpath(whole)
    return found


def _local(tag: str) -> str:
    """Return a name without its namespace: strict files have another."""
    return tag.rpartition("}")[2]


def _is_true(value: str | None) -> bool:
    return value in ("1", "true", "on")


def _column(place: str) -> int:
    """Return the number of a cell's column: 2 for `C7`."""
    number = 0
    for letter in place:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    if not 1 <= number <= MOST_COLUMNS:
        raise Torn
    return number - 1


def _merge(ref: str) -> Merge:
    match = re.fullmatch(r"\$?([A-Z]+)\$?([0-9]+)(?::\$?([A-Z]+)\$?([0-9]+))?", ref)
    if not match:
        raise Torn
    last_column, last_row = match[3] or match[1], match[4] or match[2]
    return Merge(int(match[2]), _column(match[1]), int(last_row), _column(last_column))


def column_letters(column: int) -> str:
    """Return the letters of a column that counts from 0."""
    text, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text
