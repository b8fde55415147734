"""Reads and writes tables: csv, tsv, txt, jsonl, json (each also .gz), xlsx and parquet.

Everything is text. What a spreadsheet has already rounded is a `RoundedNumber`.
"""

from runner.tables.cells import (
    ErrorCell,
    FormattedNumber,
    Nested,
    RoundedNumber,
    Truth,
    Uncalculated,
)
from runner.tables.reading import Table, fingerprint, read_table
from runner.tables.writing import replacing, write_table

__all__ = [
    "ErrorCell",
    "FormattedNumber",
    "Nested",
    "RoundedNumber",
    "Table",
    "Truth",
    "Uncalculated",
    "fingerprint",
    "read_table",
    "replacing",
    "write_table",
]
