"""The columns of do-not-contact lists: which of them has the ids."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.audience.columns import ID_COLUMNS, columns_there, normal_column
from runner.audience.handles import HANDLE_COLUMNS
from runner.audience.ids import INVISIBLE, shown
from runner.findings import Finding, FindingError
from runner.tables.reader import Table

LIST_COLUMNS = ("recipient", "reason", "added_at")
"""The columns of an exported list."""

EXPORT_COLUMNS = ("row", "recipient", "status", "reason")
"""The first columns of a campaign's export."""

KNOWN_COLUMNS = (*ID_COLUMNS, "recipient")
"""Column names that say by themselves that they hold ids."""


def id_column(
    table: Table,
    names: Sequence[str],
    id_type: str,
    id: str | None,
    prospects_id: str | None,
    say: str,
) -> tuple[int, bool]:
    """Return the place of the column with the ids, and whether the first line is a header. `id`:
    the column that was named, if any. Raises FindingError."""
    file, there = str(table.path), columns_there(table.columns)

    def refuse(what: str) -> FindingError:
        return FindingError(Finding("list_no_id_column", what, f"write {say}", file=file))

    def at(name: str) -> tuple[int, bool]:
        if names.count(name) > 1:
            raise refuse(f"has several columns {name}; {there}")
        return names.index(name), True

    if id is not None:
        if normal_column(id) not in names:
            raise refuse(f"has no column {shown(id)}; {there}")
        return at(normal_column(id))
    if is_export(names):
        return at("recipient")
    if prospects_id is not None and prospects_id in names:
        return at(prospects_id)
    known = [name for name in ID_COLUMNS if name in names]
    ours = [name for name in known if ID_COLUMNS[name] == id_type]
    if len(ours) > 1:
        raise refuse(f"which of {' and '.join(ours)} has the ids?")
    if ours:
        return at(ours[0])
    if "recipient" in names:
        return at("recipient")
    if id_type == "platform" and (of_handles := [n for n in HANDLE_COLUMNS if n in names]):
        return at(of_handles[0])
    if known:
        add = next(name for name, kind in ID_COLUMNS.items() if kind == id_type)
        what = f"has {known[0]}, but this campaign writes by {id_type} ids; add a column {add}"
        raise FindingError(Finding("list_no_id_column", what, file=file))
    headed = table.path.name.lower().removesuffix(".gz").endswith(".jsonl") or not any(
        _is_data(name) for name in table.columns
    )
    if len(names) == 1:
        # A header such as `email` could be an Inbox id by its letters alone; ids have digits.
        short = re.fullmatch(r"[0-9a-z]+", table.columns[0].strip()) and id_type == "inbox"
        return 0, headed and not (short and re.search(r"\d", table.columns[0]))
    if not headed:
        first = ", ".join(map(shown, table.columns))
        raise refuse(f"its first line is not a header ({first}); add one, and")
    raise refuse(f"which column has the ids? {there}")


def is_export(names: Sequence[str]) -> bool:
    """Return whether a table with these columns is a campaign's export."""
    return tuple(names[: len(EXPORT_COLUMNS)]) == EXPORT_COLUMNS


def _is_data(header: str) -> bool:
    """Return whether a cell of the first line is what stands in rows, and no column's name: it
    begins with digits, has many, or is an address or a username."""
    found = header.strip().strip(INVISIBLE).strip()
    if re.match(r"\W*\d+([^\w]|$)|\W*\d+[eE]\+?\d", found) or re.search(r"\d{5}", found):
        return True
    # An Inbox id has digits; a cuid2 of 24 characters without any comes up once in 2,400.
    letters = re.fullmatch(r"[0-9a-z]{20,64}", found)
    return bool(letters) or found.startswith("@") or "://" in found
