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

from runner.tables.text import RoundedNumber, Row, reading, wrong

Opened = tuple[list[str], Callable[[], Iterator[Row]]]

EXCEL_DIGITS = 15
"""Excel keeps 15 significant digits of a number and makes the others 0."""
FLOAT_EXACT = 2**53
"""Above it a 64-bit float cannot tell neighbouring whole numbers apart."""

_OLE = b"\xd0\xcf\x11\xe0"  # the old container: .xls, and any workbook with a password


def read_xlsx(path: Path) -> Opened:
    """The first sheet of a workbook. Raises AudienceError."""
    with reading(path), path.open("rb") as stream:
        head = stream.read(4)
    if head == _OLE:
        what = "is protected by a password, or an old .xls file"
        raise wrong(path, 0, what, "save it without a password as .xlsx or .csv")
    try:
        with reading(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations that nobody asked for
            frame = pd.read_excel(
                path,
                sheet_name=0,
                header=None,
                dtype=object,
                keep_default_na=False,
                na_values=[],
                engine="openpyxl",
            )
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError):
        # What openpyxl raises depends on which part of the package is missing or torn.
        raise _torn(path) from None
    except SyntaxError:  # xml.etree's ParseError
        raise _torn(path) from None
    sheet: list[list[Any]] = frame.to_numpy(dtype=object).tolist()
    if not sheet:
        raise wrong(path, 0, "its first sheet is empty", "write the column names into row 1")
    columns = [_excel_text(cell).strip() for cell in sheet[0]]
    while columns and not columns[-1]:
        columns.pop()

    def rows() -> Iterator[Row]:
        for number, cells in enumerate(sheet[1:], 2):
            texts = [_excel_text(cell) for cell in cells]
            if any(texts[len(columns) :]):
                column = len(columns) + 1
                what = f"has something in column {column}, which has no name"
                raise wrong(path, number, what, "name it in row 1 or delete it")
            if any(texts):
                yield number, texts[: len(columns)]

    return columns, rows


def _torn(path: Path) -> Exception:
    return wrong(
        path, 0, "is no Excel workbook, or a damaged one", "save it again as .xlsx or .csv"
    )


def _excel_text(cell: Any) -> str:
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
            columns = [str(name) for name in parquet.read_schema(path).names]
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
        return cell
    if isinstance(cell, bool) or not isinstance(cell, float):
        if isinstance(cell, bytes):
            try:
                return cell.decode()
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
