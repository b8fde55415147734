"""The header of a table: in its first row, or below lines that other programs put above."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

from runner.errors import AudienceError
from runner.findings import Finding

SEARCHED = 20
"""Rows in which a header is looked for."""

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"


def header_name(cell: str) -> str:
    """Return a header's cell as columns are compared: ` X-User ID ` is `x_user_id`."""
    text = unicodedata.normalize("NFC", cell).strip(" \t\r\n\xa0" + _INVISIBLE)
    return re.sub(r"[\s\-]+", "_", text.casefold())


def find_header(rows: Sequence[Sequence[str]], wanted: Collection[str]) -> int:
    """Return the index of the first of `rows` that has one of the `wanted` names (as `header_name`
    gives them) as a cell; 0 where none of the first rows has, or nothing is wanted."""
    for index, cells in enumerate(rows[:SEARCHED] if wanted else ()):
        if any(header_name(cell) in wanted for cell in cells):
            return index
    return 0


def settle_header(
    path: Path, rows: Sequence[tuple[int, Sequence[str]]], wanted: Collection[str]
) -> tuple[int, list[Finding]]:
    """Return the index of the header among a table's first rows, each with its number, and the note
    that lines above it are left out.

    Raises AudienceError where a header seems to stand below rows that may be people's: left out in
    silence, they would get nothing.
    """
    at = find_header([cells for _, cells in rows], wanted)
    if not at:
        return 0, []
    number, header = rows[at]
    names = [header_name(cell) for cell in header if cell.strip()]
    above = rows[:at]
    if len(set(names)) < len(names) or any(_like_id(cell) for _, cells in above for cell in cells):
        raise AudienceError(
            f"{path}: row {number}: the header seems to stand here; "
            f"delete what is above it (row {_span(1, number - 1)})"
        )
    what = f"row {_span(1, number - 1)} above the header is left out"
    if number > 2:
        what = f"rows {_span(1, number - 1)} above the header are left out"
    return at, [Finding("lines_above_header", what, file=str(path))]


def _like_id(cell: str) -> bool:
    """Return whether a cell may be a person's id: digits that are no year and no count."""
    found = cell.strip()
    return found.isdecimal() and len(found) > 6


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
