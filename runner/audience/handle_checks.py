"""Checks of a column of handles: those without an id, numbers that may be ids, and names of other
people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from unicodedata import combining, normalize

from runner.audience.handles import CellHandle, read_handle
from runner.audience.ids import shown
from runner.audience.prospects import Audience
from runner.findings import Finding, Rows
from runner.message.handle import HandleAnswer, one_handle

NAME_COLUMNS = (("full_name",), ("name",), ("first_name", "last_name"), ("first_name",))
"""Columns of a person's name, the fullest first."""

_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(slots=True)
class HandleColumn:
    """The findings of a column of handles, while its cells are read."""

    audience: Audience
    open: Rows = field(default_factory=Rows)
    unknown: Rows = field(default_factory=Rows)
    differs: Rows = field(default_factory=Rows)
    ids: int = 0
    numbers: Rows = field(default_factory=Rows)
    number: str = ""
    other: str = ""
    _names: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        columns = self.audience.columns[: len(self.audience.table.columns)]
        self._names = [
            [columns.index(name) for name in names]
            for names in NAME_COLUMNS
            if all(name in columns for name in names)
        ]

    def add(self, chunk: Sequence[tuple[int, Sequence[str]]], at: int) -> None:
        """Take some rows."""
        audience, platform = self.audience, self.audience.campaign.api.platform
        for number, row in chunk:
            read = read_handle(row[at], platform)
            if not isinstance(read, CellHandle) or not audience.selects(row):
                continue
            if read.id:
                self.ids += 1
                continue
            if audience.gone and audience.gone.has_handle(platform, read.handle):
                continue  # nobody asks for it any more
            if row[at].strip() == read.handle and read.handle.isdigit():
                self.number = self.number or read.handle
                self.numbers.add(number)
            kept = audience.handles.get(one_handle(read.handle))
            if kept is None:
                self.open.add(number)
            elif kept.answer is not HandleAnswer.FOUND:
                self.unknown.add(number)
            elif one_handle(kept.name) == kept.handle:
                continue  # it is called as its handle is
            elif are_other_names(name := self._name_of(row), f"{kept.name} {kept.shown}"):
                is_called = f"@{shown(kept.shown)} is {shown(kept.name)}"
                self.other = self.other or f"{is_called}, the sheet says {shown(name)}"
                self.differs.add(number)

    def _name_of(self, row: Sequence[str]) -> str:
        for places in self._names:
            if name := " ".join(filter(None, (row[place].strip() for place in places))):
                return name
        return ""

    def findings(self) -> list[Finding]:
        """Return what a person should know of them."""
        found = []
        file, column = str(self.audience.table.path), self.audience.id_column

        def add(code: str, what: str, instead: str) -> None:
            found.append(Finding(code, what, instead, file, column=column))

        resolve = self.audience.resolve
        if self.open.count:
            are = "is" if self.open.count == 1 else "are"
            add("handles_unresolved", f"{self.open} {are} not resolved", f"run {resolve}")
        if self.unknown.count:
            have = "has a handle" if self.unknown.count == 1 else "have handles"
            told = f"{self.unknown} {have} of nobody known"
            add("handles_unresolved", told, "why: --dry-run")
        if self.numbers.count and self.ids:
            one = self.numbers.count == 1
            told = f"{self.numbers} {'is' if one else 'are numbers, such as'} {self.number}"
            told += ", which may be a handle or an id"
            add("handle_or_id", told, f"write @{self.number} for the handle")
        if self.differs.count:
            same = "is that the same person?" if self.differs.count == 1 else "are they the same?"
            add("handle_name_differs", f"{self.differs}: {self.other}", same)
        return found


def are_other_names(name: str, account: str) -> bool:
    """Return whether a person's name has nothing in common with what an account is called. No name,
    and one in another script, cannot be compared."""
    words, called = _words(name), _words(account)
    if not words or not called:
        return False
    whole = "".join(called)
    return not any(word in whole for word in words)


def _words(name: str) -> list[str]:
    """Return the words of a name in Latin letters, without case and accents."""
    plain = "".join(c for c in normalize("NFKD", name.casefold()) if not combining(c))
    return [word for word in _WORD.findall(plain) if word.isascii()]
