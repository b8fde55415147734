"""The separator of a file of separated values."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from runner.tables.header import SEARCHED, find_header, header_name
from runner.tables.text_files import LongError, NulError, text_lines

_TOLD = re.compile(r'"?sep=(.)"?\s*')


def find_separator(path: Path, encoding: str, wanted: Collection[str]) -> tuple[str, bool]:
    """Return the separator, and whether Excel's own `sep=;` line stands above all: the one that
    finds a wanted header, else the one that divides the rows most evenly, else the most frequent in
    the first line."""
    sample: list[str] = []
    try:
        for line in islice(text_lines(path, encoding), 2 * SEARCHED):
            sample.append(line)
    except (UnicodeError, LookupError, NulError, LongError):
        pass  # the rows that are read next tell where
    told = _TOLD.fullmatch(sample[0]) if sample else None
    if told:
        return told[1], True
    preferred = "\t;,|" if ".tsv" in path.name.lower() else ",;\t|"
    return max(preferred, key=lambda each: _evidence(sample, each, wanted)), False


def _evidence(sample: Sequence[str], separator: str, wanted: Collection[str]) -> tuple[float, ...]:
    reader = csv.reader(sample, delimiter=separator, skipinitialspace=True)
    try:
        rows = [cells for cells in reader if any(cells)]
    except csv.Error:
        rows = []
    if not rows:
        return (0.0, 0.0, 0.0)
    at = find_header(rows, wanted)
    names = [header_name(cell) for cell in rows[at]]
    count = len(rows[at])
    alike = sum(len(cells) == count for cells in rows[at + 1 :]) / max(len(rows) - at - 1, 1)
    return (
        float(any(name in wanted for name in names)),
        float(count > 1) + (alike > 0.5 if count > 1 else 0),
        count,
    )
