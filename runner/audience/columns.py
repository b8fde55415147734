"""The columns of a prospects file: their names in one form, and the one that holds the ids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from unicodedata import name as unicode_name
from unicodedata import normalize

from runner.audience.ids import shown
from runner.errors import AudienceError
from runner.findings import Finding
from runner.templating.variable_names import is_name, normal_name

ID_COLUMNS: Mapping[str, str] = {
    "x_user_id": "platform",
    "platform_id": "platform",
    "inbox_id": "inbox",
}
"""Column names that say by themselves what they hold."""

SHOWN_COLUMNS = 50
"""Columns named in one line of a message."""

_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
"""Signs that a header does not show: a person would not know that they are to be written."""


def folded(text: str) -> str:
    """Return a text for comparing: capitals, and the two forms in which accents are stored, are the
    same."""
    if text.isascii():
        return text.lower()
    while (found := normalize("NFC", text.casefold())) != text:
        text = found
    return text


def normal_column(name: str) -> str:
    """Return a header as templates write it: ` First Name ` and `first-name` are `first_name`.

    Signs that no name may have are left out, with one `_` between what they part: `# Employees` is
    `employees`, `Industry/Sector` is `industry_sector`. Before a digit, and before a word that
    means something else in a template, comes `_`: `_1st_name`. A header of signs alone is called as
    Unicode calls them: `%` is `percent_sign`. Only an empty header has no name.
    """
    found = _UNSEEN.sub("", name).strip()
    while (one := normal_name(found.casefold())) != found:
        found = one
    found = re.sub(r"[\s\-]+", "_", found.strip())
    if found and not is_name(found):
        kept = "".join(char if is_name(f"_{char}") else " " for char in found)
        found = "_".join(part for part in re.split(r"[ _]+", kept) if part) or _called(found)
    return found if not found or is_name(found) else f"_{found}"


def _called(signs: str) -> str:
    """Return the names of signs, such as `percent_sign`."""
    names = (unicode_name(char, f"sign {ord(char):x}") for char in signs if char != "_")
    return re.sub(r"[^a-z0-9]+", "_", " ".join(names).lower()) or signs


SHOWN_RENAMED = 2
"""Headers that are told of those of which only capitals and spaces are read otherwise."""


def normal_columns(path: Path, columns: Sequence[str]) -> tuple[list[str], list[Finding]]:
    """Return all headers normalised, and a note that lists those that changed."""
    found: dict[str, str] = {}
    for name in columns:
        normal = normal_column(name)
        if normal in found:
            raise AudienceError(
                f"{path}: row 1: the columns {found[normal]!r} and {name!r} are both read as "
                f"{normal}; rename one"
            )
        found[normal] = name
    changed = [(n, name) for n, name in found.items() if n != normalize("NFC", name)]
    plain = [each for each in changed if each[0] == "_".join(each[1].casefold().split())]
    told = [f"{name!r} as {n}" for n, name in sorted(changed, key=plain.__contains__)]
    odd = len(changed) - len(plain)
    what = f"columns are read as: {_first(told[: odd + SHOWN_RENAMED])}"
    if (more := len(plain) - SHOWN_RENAMED) > 0:
        what += f", and {more} more in small letters with _ for spaces"
    return list(found), [Finding("columns_renamed", what, file=str(path))] if changed else []


def find_id_column(
    path: Path, columns: Sequence[str], wanted: str | None, known: Sequence[str] = (*ID_COLUMNS,)
) -> str:
    """Return the column with the ids: the `wanted` one, or the only one of `known` names."""
    if wanted is not None:
        return existing(path, columns, wanted, "prospects.id")
    present = [name for name in known if name in columns]
    if len(present) == 1:
        return present[0]
    there = columns_there(columns)
    if present:
        what = f"has {listed(present)}; set prospects.id to the one to use"
        raise AudienceError(f"{path}: {what}")
    what = f"no column {', '.join(known)}; set prospects.id to the column with the ids"
    raise AudienceError(f"{path}: {what}; {there}")


def existing(path: Path, columns: Sequence[str], wanted: str, key: str) -> str:
    normal = normal_column(wanted)
    if normal in columns:
        return normal
    near = get_close_matches(normal, columns, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise AudienceError(
        f"{path}: no column {shown(wanted)} ({key}); {hint}{columns_there(columns)}"
    )


def columns_there(columns: Sequence[str]) -> str:
    """Return the columns of a file, for one line of a message."""
    return f"columns there are: {_first([shown(name) for name in columns])}"


def _first(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_COLUMNS
    return ", ".join(names[:SHOWN_COLUMNS]) + (f" and {more:,} more" if more > 0 else "")


def as_written(text: str, columns: Sequence[str]) -> str:
    """Return the places of a template's text that name a column otherwise than a template writes
    it, such as `{{ # Employees }} is written {{ employees }}`; empty for nothing."""
    told = {}
    for inside in re.findall(r"\{\{-?([^{}]*?)-?\}\}", text):
        written = inside.split("|")[0].strip()
        normal = normal_column(written)
        if written != normal and normal in columns:
            told[written] = f"{{{{ {shown(written)} }}}} is written {{{{ {normal} }}}}"
    return ", ".join(told.values())


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
