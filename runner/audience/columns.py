"""What the columns of a prospects file are called, and which of them holds the ids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from runner.audience.ids import INVISIBLE, shown
from runner.errors import AudienceError
from runner.findings import Finding

ID_COLUMNS: Mapping[str, str] = {
    "x_user_id": "platform",
    "platform_id": "platform",
    "inbox_id": "inbox",
}
"""Column names that say by themselves what they hold."""


def normal_column(name: str) -> str:
    """A header as templates write it: ` First Name ` and `first-name` are `first_name`."""
    return re.sub(r"[\s\-]+", "_", name.strip(" \t\r\n\xa0" + INVISIBLE).casefold())


def normal_columns(path: Path, columns: Sequence[str]) -> tuple[list[str], list[Finding]]:
    """All headers normalised, and a note that lists those that changed."""
    found: dict[str, str] = {}
    for name in columns:
        normal = normal_column(name)
        if normal in found:
            raise AudienceError(
                f"{path}: row 1: the columns {found[normal]!r} and {name!r} are both read as "
                f"{normal}; rename one"
            )
        found[normal] = name
    changed = [f"{name!r} as {normal}" for normal, name in found.items() if normal != name]
    what = f"columns are read as: {', '.join(changed)}"
    return list(found), [Finding("columns_renamed", what, file=str(path))] if changed else []


def find_id_column(path: Path, columns: Sequence[str], wanted: str | None) -> str:
    if wanted is not None:
        return existing(path, columns, wanted, "prospects.id")
    present = [name for name in ID_COLUMNS if name in columns]
    if len(present) == 1:
        return present[0]
    there = f"columns there are: {', '.join(columns)}"
    if present:
        what = f"has {listed(present)}; set prospects.id to the one to use"
        raise AudienceError(f"{path}: {what}")
    what = f"no column {', '.join(ID_COLUMNS)}; set prospects.id to the column with the ids"
    raise AudienceError(f"{path}: {what}; {there}")


def existing(path: Path, columns: Sequence[str], wanted: str, key: str) -> str:
    normal = normal_column(wanted)
    if normal in columns:
        return normal
    near = get_close_matches(normal, columns, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise AudienceError(
        f"{path}: no column {shown(wanted)} ({key}); {hint}columns there are: {', '.join(columns)}"
    )


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
