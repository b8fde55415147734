"""Rows that a lone quote has made part of one cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from runner.findings import Finding, FindingError
from runner.tables.text_files import wrong

_MANY_DIGITS = 15
_ID = re.compile(r"@?[A-Za-z0-9_.-]+")


def refuse_swallowed_rows(
    path: Path,
    number: int,
    columns: Sequence[str],
    cells: Sequence[str],
    raw: Sequence[str],
    separator: str,
    id_at: int | None,
) -> None:
    """Raise FindingError where lines inside of a record are rows themselves.

    `raw`: the record's lines. A line is a row where an id stands in the ids' place, such as the
    record's own. Notes and addresses of several lines have no such cell.
    """
    found = 0
    for line in raw[1:]:
        try:
            fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:
            fields = line.split(separator)
        found += _is_row(fields, cells, len(columns), id_at, line, separator)
    if not found:
        return
    at = next((i for i, cell in enumerate(cells) if "\n" in cell or "\r" in cell), 0)
    lines = "a line that looks like a row" if found == 1 else f"{found} lines that look like rows"
    column = columns[at] if at < len(columns) and number > 1 else f"{at + 1}"
    raise FindingError(
        Finding(
            "cell_has_rows",
            f"holds {lines}",
            "close the quote before them",
            str(path),
            row=number,
            column=column.split("\n")[0],
        )
    )


def _is_row(
    fields: Sequence[str],
    own: Sequence[str],
    count: int,
    id_at: int | None,
    line: str,
    separator: str,
) -> bool:
    if len(fields) < 2:
        return False
    places = range(len(fields)) if id_at is None else [id_at]
    for at in places:
        if at >= len(fields):
            continue
        cell = fields[at].strip().strip("\"'")
        if cell.isdecimal() and len(cell) >= _MANY_DIGITS:
            return True
        if len(fields) != count or at >= len(own):
            continue
        mine = own[at].strip()
        if cell.isdecimal() and mine.isdecimal() and abs(len(cell) - len(mine)) <= 3:
            return True
        if id_at is None or mine.isdecimal() or not _ID.fullmatch(mine):
            continue
        # Ids of letters: prose has a space after its commas, a row has none.
        if _ID.fullmatch(cell) and f"{separator} " not in line:
            return True
    return False


def refuse_halved_quotes(path: Path, number: int, cells: Sequence[str]) -> None:
    """Raise AudienceError where curly quotes open in one cell and close in a later one."""
    opened = False
    for cell in cells:
        text = cell.strip()
        if opened and text.endswith(("”", "“")) and not text.startswith(("“", "„")):
            what = "has a text in curly quotes that is divided by a separator"
            raise wrong(path, number, what, 'write straight quotes (") around it')
        if text.startswith(("“", "„")):
            opened = not re.search("[”“]", text[1:])
