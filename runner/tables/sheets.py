"""Tables that are not text: Excel workbooks through pandas, parquet through pyarrow."""

from __future__ import annotations

import importlib
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd

from runner.errors import AudienceError
from runner.tables.cells import RoundedNumber
from runner.tables.text import Row, reading, wrong

Opened = tuple[list[str], Callable[[], Iterator[Row]]]

EXCEL_DIGITS = 15
"""Excel keeps 15 significant digits of a number and makes the others 0."""
EXCEL_ROWS = 1_048_576
FLOAT_EXACT = 2**53
"""Above it a 64-bit float cannot tell neighbouring whole numbers apart."""

MOST_UNPACKED = 256 << 20
"""Bytes of a workbook's parts, unpacked. Our own choice: some millions of cells, which
take a minute to read; more is better a text file, or a bomb."""

_OLE = b"\xd0\xcf\x11\xe0"  # the old container: .xls, and any workbook with a password


def read_xlsx(path: Path) -> Opened:
    """The first sheet of a workbook. Raises AudienceError."""
    with reading(path), path.open("rb") as stream:
        head = stream.read(4)
    if head == _OLE:
        what = "is protected by a password, or an old .xls file"
        raise wrong(path, 0, what, "save it without a password as .xlsx or .csv")
    rows = _workbook_rows(path)
    number, header = next(rows, (0, []))
    if not header:
        raise wrong(path, 0, "its first sheet is empty", "write the column names into row 1")
    columns = [name.strip() for name in header] if number == 1 else [""]
    width = len(columns)
    sheet: list[Row] = []
    for number, cells in rows:
        if len(cells) > width:
            what = f"has something in column {width + 1}, which has no name"
            raise wrong(path, number, what, "name it in row 1 or delete it")
        sheet.append((number, cells + [""] * (width - len(cells))))
    return columns, lambda: iter(sheet)


def _workbook_rows(path: Path) -> Iterator[Row]:
    """The rows of the first sheet that hold something, each to its last cell that does.

    Not as a frame: a stray cell in the sheet's far corner makes it 17,000,000,000 cells.
    """
    with reading(path):
        try:
            _check_size(path)
            with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
                warnings.simplefilter("ignore")  # of styles and validations nobody asked for
                sheet = book.book.worksheets[0]
                sheet.reset_dimensions()  # what the file says of its size may be wrong
                for number, cells in enumerate(sheet.iter_rows(max_row=EXCEL_ROWS), 1):
                    texts = [_excel_text(cell) for cell in cells]
                    while texts and not texts[-1]:
                        texts.pop()
                    if texts:
                        yield number, texts
        except (AudienceError, OSError):
            raise
        except Exception:
            # What openpyxl raises depends on which part of the package is missing or torn.
            raise _torn(path) from None


def _check_size(path: Path) -> None:
    """Refuses what would fill the memory. zipfile reads no more of a part than is written here."""
    with zipfile.ZipFile(path) as package:
        size = sum(part.file_size for part in package.infolist())
    if size > MOST_UNPACKED:
        what = f"unpacks to {size >> 20:,} MiB, more than {MOST_UNPACKED >> 20}"
        raise wrong(path, 0, what, "save it as .csv")


def _torn(path: Path) -> Exception:
    return wrong(
        path, 0, "is no Excel workbook, or a damaged one", "save it again as .xlsx or .csv"
    )


def _excel_text(found: Any) -> str:
    cell = found.value
    if cell is None or found.data_type == "e":  # an error such as #N/A
        return ""
    if isinstance(cell, str):
        return cell.replace("\0", "")
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return _plain_text(cell)
    if isinstance(cell, float) and not math.isfinite(cell):
        return ""
    whole = int(cell) if cell == int(cell) else None
    text = str(whole) if whole is not None else repr(cell)
    return RoundedNumber(text) if abs(cell) >= 10**EXCEL_DIGITS else text


def read_parquet(path: Path) -> Opened:
    """A parquet file, streamed. Raises AudienceError, also when pyarrow is not there."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    except ImportError:
        what = "parquet files need pyarrow, which is not installed"
        raise wrong(path, 0, what, "pip install 'run-campaign[parquet]'") from None
    try:
        with reading(path):
            columns = [str(name).replace("\0", "") for name in parquet.read_schema(path).names]
    except arrow.ArrowException:
        raise wrong(path, 0, "is no parquet file, or a damaged one", "make it again") from None

    def rows() -> Iterator[Row]:
        # Not through pandas: it makes floats of whole numbers as soon as one cell is empty.
        number = 1
        try:
            with reading(path), parquet.ParquetFile(path) as opened:
                for batch in opened.iter_batches(batch_size=8192):
                    for cells in zip(*(each.to_pylist() for each in batch.columns), strict=True):
                        number += 1
                        texts = [_parquet_text(path, number, cell) for cell in cells]
                        if any(texts):
                            yield number, texts
        except arrow.ArrowException:
            raise wrong(path, number, "the parquet file is damaged here", "make it again") from None

    return columns, rows


def _parquet_text(path: Path, row: int, cell: Any) -> str:
    if isinstance(cell, str):
        return cell.replace("\0", "")
    if isinstance(cell, bool) or not isinstance(cell, float):
        if isinstance(cell, bytes):
            try:
                return cell.decode().replace("\0", "")
            except UnicodeDecodeError:
                raise wrong(path, row, "holds bytes that are no text", "store text") from None
        if isinstance(cell, list | dict):
            raise wrong(path, row, "holds a list", "only text and numbers can be columns")
        return _plain_text(cell)
    if not math.isfinite(cell):
        return ""
    text = str(int(cell)) if cell == int(cell) else repr(cell)
    return RoundedNumber(text) if abs(cell) > FLOAT_EXACT else text


def _plain_text(cell: Any) -> str:
    if cell is None or cell is pd.NaT:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, datetime):
        bare = cell.time() == time() and cell.tzinfo is None
        return cell.date().isoformat() if bare else cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
