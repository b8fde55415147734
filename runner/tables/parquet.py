"""Parquet files, through pyarrow."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd

from runner.installation import install_command
from runner.tables.cell_types import RoundedNumber, Truth
from runner.tables.excel.number_format import plain_number
from runner.tables.text_files import Row, reading, wrong

Opened = tuple[list[str], Callable[[], Iterator[Row]]]

FLOAT_EXACT = 2**53
"""Above it a 64-bit float cannot tell neighbouring whole numbers apart."""


def read_parquet(path: Path) -> Opened:
    """Return a parquet file, streamed. Raises AudienceError, also when pyarrow is not there."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    except ImportError:
        what = "parquet files need pyarrow, which is not installed"
        raise wrong(path, 0, what, install_command("parquet")) from None
    try:
        with reading(path):
            columns = [str(name).replace("\0", "") for name in parquet.read_schema(path).names]
    except arrow.ArrowException:
        raise wrong(path, 0, "is not a parquet file, or a damaged one", "make it again") from None

    def rows() -> Iterator[Row]:
        # Not through pandas: it makes floats of whole numbers as soon as one cell is empty.
        number = 1
        try:
            with reading(path), parquet.ParquetFile(path) as opened:
                for batch in opened.iter_batches(batch_size=8192):
                    for cells in zip(*(each.to_pylist() for each in batch.columns), strict=True):
                        number += 1
                        texts = [_parquet_text(path, number, cell) for cell in cells]
                        if any(map(len, texts)):  # FALSE is something
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
                raise wrong(path, row, "holds bytes that are not text", "store text") from None
        if isinstance(cell, list | dict):
            raise wrong(path, row, "holds a list", "only text and numbers can be columns")
        return _plain_text(cell)
    if not math.isfinite(cell):
        return ""
    if cell != int(cell):
        return plain_number(cell)
    text = str(int(cell))
    return RoundedNumber(text) if abs(cell) > FLOAT_EXACT else text


def _plain_text(cell: Any) -> str:
    if cell is None or cell is pd.NaT:
        return ""
    if isinstance(cell, bool):
        return Truth(cell)
    if isinstance(cell, datetime):
        bare = cell.time() == time() and cell.tzinfo is None
        return cell.date().isoformat() if bare else cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
