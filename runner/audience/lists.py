"""Lists of people who are never written to: what stands in them, why and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner.audience.columns import ID_COLUMNS, normal_column
from runner.audience.ids import Refused, id_checker, of_any_kind, shown
from runner.errors import AudienceError
from runner.message import SkipReason
from runner.tables import Table, read_table


@dataclass(frozen=True, slots=True)
class Listed:
    """Why and since when (Unix s) somebody is on a list; None where the list does not say."""

    row: int
    reason: str | None = None
    added_at: float | None = None


def read_suppressed(paths: Iterable[Path], id_type: str, platform: str) -> dict[str, str]:
    """Every id of the lists, and where it stands and why: `do-not-contact.csv row 7: asked`. Raises
    AudienceError as `read_list` does."""
    found: dict[str, str] = {}
    for path in paths:
        for id, listed in read_list(path, id_type, platform).items():
            why = f": {listed.reason}" if listed.reason else ""
            found.setdefault(id, f"{path.name} row {listed.row}{why}")
    return found


LIST_COLUMNS = ("recipient", "reason", "added_at")
"""The columns of an exported list."""


def read_list(path: Path, id_type: str, platform: str, *, dates: bool = False) -> dict[str, Listed]:
    """Every id of a list, with what its columns `reason` and (if `dates`) `added_at` or `date` say.

    A list is any table with a known id column, or else with its ids in the first column; or plain
    ids, one a line, without a header. Raises AudienceError for a missing file, a list of the other
    kind of ids, and a cell that is no id: whoever stands there asked not to be written to. An
    exported list may hold both kinds.
    """
    found: dict[str, Listed] = {}
    check = id_checker(platform, id_type)
    table = read_table(path)
    columns = [normal_column(name) for name in table.columns]
    exported = tuple(columns) == LIST_COLUMNS
    for number, id, cells in _listed_rows(table, columns, id_type, check):
        checked = check(id)
        if exported and isinstance(checked, Refused):
            checked = of_any_kind(id, checked)
        if isinstance(checked, str):
            row = dict(zip(columns, cells, strict=False))
            at = row.get("added_at") or row.get("date") if dates else None
            reason = _plain(row.get("reason", ""))
            listed = Listed(
                number,
                reason if reason or exported else None,
                _moment(path, number, at) if at else None,
            )
            found.setdefault(checked, listed)
        elif checked.reason is not SkipReason.NO_ID:
            raise AudienceError(f"{path}: row {number}: {checked.detail}")
    return found


def _plain(cell: str) -> str:
    """A text without the quote that keeps a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def _moment(path: Path, row: int, cell: str) -> float:
    """A date, or a date and time, in Unix seconds; UTC unless it names its zone."""
    try:
        moment = datetime.fromisoformat(cell.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise AudienceError(
            f"{path}: row {row}: {shown(cell)} is no date", "write dates such as 2026-11-03"
        ) from None


def _listed_rows(
    table: Table, columns: list[str], id_type: str, check: Callable[[str], str | Refused]
) -> Iterator[tuple[int, str, list[str]]]:
    path = table.path
    known = [name for name in ID_COLUMNS if name in columns]
    ours = [name for name in known if ID_COLUMNS[name] == id_type]
    if known and not ours:
        raise AudienceError(
            f"{path}: has {known[0]}, but this campaign writes by {id_type} ids; "
            f"add a column {next(n for n, kind in ID_COLUMNS.items() if kind == id_type)}"
        )
    if not ours and _looks_like_id(table.columns[0], check):
        yield 1, table.columns[0], []
    at = columns.index(ours[0]) if ours else 0
    for number, cells in table.rows():
        yield number, cells[at], list(cells)


def _looks_like_id(header: str, check: Callable[[str], str | Refused]) -> bool:
    """A header such as `id` or `email` could be an Inbox id by its letters alone; ids have digits.

    (A cuid2 of 24 characters without any digit comes up once in 2,400.)
    """
    checked = check(header)
    return isinstance(checked, str) and (any(map(str.isdigit, checked)) or len(checked) >= 20)
