"""A workbook of one sheet, written a row at a time.

By hand, since an export may have a million rows: XlsxWriter takes ten times as long for each, and
openpyxl thirty times. Every text is an inline string (ECMA-376 part 1, 18.3.1.53), so that no
program takes one for a number, a formula or an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import chain, islice
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from runner.errors import RunnerError

EXCEL_ROWS = 1_048_576
EXCEL_CHARACTERS = 32_767
"""Most rows of a sheet and characters of a cell, by Excel's own specification."""
EXCEL_DIGITS = 10**15
"""Numbers of which Excel loses digits; one is written as text."""
MOST_BYTES = (1 << 31) - 1_000
"""Of the sheet. A zip file needs extensions for more, and Excel does not take all of these."""
BATCH = 500
"""Rows that are compressed together."""
WIDTHS_BY = 200
"""Rows by which the widths of the columns are chosen."""
NARROWEST, WIDEST = 8, 60
"""Characters of a column; the filter's arrow takes two."""
COMPRESSION = 1
"""The quickest: of rows that are much alike, more would save a tenth."""

_FROZEN = (
    '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2"'
    ' activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
)
"""The header stays in sight (ECMA-376 part 1, 18.3.1.66)."""
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FORMATS = "http://schemas.openxmlformats.org"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_SHEET = "xl/worksheets/sheet1.xml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_FORMATS}/package/2006/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/{_SHEET}" ContentType="{_TYPES}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_FORMATS}/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_FORMATS}/officeDocument/2006/relationships/officeDocument"'
    ' Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_FORMATS}/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_FORMATS}/officeDocument/2006/relationships/worksheet"'
    ' Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_FORMATS}/spreadsheetml/2006/main"'
    f' xmlns:r="{_FORMATS}/officeDocument/2006/relationships">'
    '<sheets><sheet name="results" sheetId="1" r:id="rId1"/></sheets></workbook>',
}


def write_workbook(
    target: Path, path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | int | None]]
) -> None:
    """Write a workbook to `target`. `path`: what its errors call it. Raises RunnerError for more
    than a workbook holds."""
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=COMPRESSION) as book:
        for part, text in _PARTS.items():
            book.writestr(part, _XML + text)
        rows = iter(rows)
        written, last = 0, 0
        with book.open(_SHEET, "w") as sheet:
            sampled = list(islice(rows, WIDTHS_BY))
            lines = _lines(path, columns, chain(sampled, rows))
            head = f'<worksheet xmlns="{_FORMATS}/spreadsheetml/2006/main">{_FROZEN}'
            sheet.write(f"{_XML}{head}{_widths(columns, sampled)}<sheetData>".encode())
            while some := list(islice(lines, BATCH)):
                batch = "".join(some).encode()
                written, last = written + len(batch), last + len(some)
                if written > MOST_BYTES:
                    raise RunnerError(f"{path}: larger than Excel opens; write .csv instead")
                sheet.write(batch)
            whole = f"A1:{_letters(max(0, len(columns) - 1))}{last}"
            sheet.write(
                f'</sheetData><autoFilter ref="{whole}"/><ignoredErrors><ignoredError'
                f' sqref="{whole}" numberStoredAsText="1"/></ignoredErrors></worksheet>'.encode()
            )


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> str:
    """Return the widths of the columns, by the longest line of their first cells."""
    found = []
    for number, cells in enumerate(zip(columns, *rows, strict=True), 1):
        texts = ("" if cell is None else str(cell) for cell in cells)
        longest = max(max(map(len, text.split("\n"))) for text in texts)
        width = min(max(longest + 2, NARROWEST), WIDEST)
        found.append(f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>')
    return f"<cols>{''.join(found)}</cols>" if found else ""


def _lines(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | int | None]]
) -> Iterator[str]:
    """Yield the rows as XML, that of the names first."""
    letters = [_letters(index) for index in range(len(columns))]
    yield _line(letters, 1, columns)
    for number, row in enumerate(rows, 2):
        if number > EXCEL_ROWS:
            raise RunnerError(f"{path}: Excel holds {EXCEL_ROWS:,} rows; write .csv instead")
        yield _line(letters, number, row)


def _line(letters: Sequence[str], number: int, row: Sequence[str | int | None]) -> str:
    whole = "".join([cell for cell in row if isinstance(cell, str)])
    plain = whole.isprintable() and not any(sign in whole for sign in "&<>")
    plain = plain and len(whole) <= EXCEL_CHARACTERS
    cells = [
        f'<c r="{letter}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        if plain and type(cell) is str and cell[0] != " " != cell[-1]  # nearly every cell
        else _cell(f"{letter}{number}", cell)
        for letter, cell in zip(letters, row, strict=True)
        if cell is not None and cell != ""
    ]
    return f'<row r="{number}">{"".join(cells)}</row>'


def _cell(place: str, cell: str | int) -> str:
    if isinstance(cell, int):
        if abs(cell) < EXCEL_DIGITS:
            return f'<c r="{place}"><v>{cell}</v></c>'
        cell = str(cell)
    text = escape(_NOT_XML.sub("\ufffd", cell)[:EXCEL_CHARACTERS], quote=False)
    space = ' xml:space="preserve"' if text != text.strip() else ""
    return f'<c r="{place}" t="inlineStr"><is><t{space}>{text}</t></is></c>'


def _letters(index: int) -> str:
    """Return the name of a column: A, B … Z, AA."""
    name = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        name = chr(ord("A") + letter) + name
    return name
