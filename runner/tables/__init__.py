"""Reads and writes tables: csv, tsv, txt, jsonl (each also .gz), xlsx and parquet.

Everything is text. What a spreadsheet has already rounded is a `RoundedNumber`.
"""

from runner.tables.reading import Table, fingerprint, read_table
from runner.tables.text import RoundedNumber
from runner.tables.writing import replacing, write_table

__all__ = ["RoundedNumber", "Table", "fingerprint", "read_table", "replacing", "write_table"]
