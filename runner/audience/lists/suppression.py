"""Do-not-contact lists: who is never written to, why and since when.

A list protects everybody who stands in it, or is refused: a row that is not understood is a person
who would be written to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from runner.audience.cells.rounded_ids import Zeros
from runner.audience.columns import ID_COLUMNS, normal_column
from runner.audience.handles import HANDLE_COLUMNS, read_handle
from runner.audience.ids import INVISIBLE, IdRefusal, id_checker, is_numeric, of_any_kind, shown
from runner.audience.lists.list_columns import KNOWN_COLUMNS, LIST_COLUMNS, id_column, is_export
from runner.errors import AudienceError
from runner.findings import Finding, FindingError, Level, Rows
from runner.message.status import MessageStatus, SkipReason
from runner.tables.cell_types import ErrorCell, Uncalculated
from runner.tables.reader import Table, read_table


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a list: the reason, and the time since when (Unix s); None where the list does
    not say."""

    row: int
    reason: str | None = None
    added_at: float | None = None


class ListSource(NamedTuple):
    """A list's file, and the column that was said to hold its ids."""

    path: Path
    id: str | None = None


@dataclass(frozen=True, slots=True)
class PeopleList:
    """A list as it was read: its people by id, and its errors. `handles`: those who stand in it by
    handle. `written`: where it is an export of a campaign, how many of its rows have which
    status."""

    source: ListSource
    people: Mapping[str, ListEntry] = field(default_factory=dict)
    handles: Mapping[str, ListEntry] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    written: Mapping[str, int] = field(default_factory=dict)


WRITTEN_TO = (MessageStatus.SENT, MessageStatus.IN_DOUBT, MessageStatus.SENDING)
"""Messages of these statuses were sent, or may have been."""

SHRUNK = 0.2
"""More than this share of a list gone since the last plan is taken for a mistake until accepted."""

_LEFT_OUT = ("lines_above_header", "lines_below_rows")
"""Findings of a table that leave lines out: in a list they may be people."""


def read_lists(
    sources: Iterable[ListSource],
    id_type: str,
    platform: str,
    prospects_id: str | None = None,
    *,
    by_handle: bool = False,
) -> list[PeopleList]:
    """Read lists as `read_list` does. Raises AudienceError for a file that cannot be read."""
    kind = "username" if by_handle else id_type
    return [
        read_list(each.path, kind, platform, id=each.id, prospects_id=prospects_id)
        for each in sources
    ]


def suppressed_by(lists: Iterable[PeopleList]) -> dict[str, str]:
    """Return every id of the lists, and where it stands and why: `do-not-contact.csv row 7:
    asked`."""
    found: dict[str, str] = {}
    for each in lists:
        file = each.source.path.name
        for id, listed in each.people.items():
            why = f": {listed.reason}" if listed.reason else ""
            found.setdefault(id, f"{file} row {listed.row}{why}")
    return found


def refuse_errors(lists: Iterable[PeopleList]) -> None:
    """Raise FindingError for the first error of lists."""
    for each in lists:
        for finding in each.findings:
            if finding.level is Level.ERROR:
                raise FindingError(finding)


def read_list(
    path: Path,
    id_type: str,
    platform: str,
    *,
    id: str | None = None,
    prospects_id: str | None = None,
    dates: bool = False,
    say: str = "",
) -> PeopleList:
    """Read every id of a list, with what its columns `reason` and (if `dates`) `added_at` or `date`
    say.

    A list is a table, or plain ids, one a line, without a header. Its ids stand in the column `id`,
    else in one that is called as the prospects' (`prospects_id`), else in one of a known name, else
    in its only one. Of a campaign's export the people are those written to. An exported list may
    hold both kinds of ids.

    What protects nobody is an error among the findings. `say`: what to write to name the column.
    Raises AudienceError for a file that cannot be read.
    """
    source = ListSource(path, id)
    table = read_table(path)
    names = [normal_column(name) for name in table.columns]
    say = say or f"suppress: [{{source: {path.name}, id: COLUMN}}]"
    by_handle = id_type == "username"
    id_type = "platform" if by_handle else id_type
    try:
        at, headed = id_column(table, names, id_type, id, prospects_id, say)
    except FindingError as error:
        return PeopleList(source, findings=[error.finding])
    known = id is not None or len(names) > 1 or names[0] in (prospects_id, *KNOWN_COLUMNS)
    handles = [name for name in HANDLE_COLUMNS if name in names and id_type == "platform"]
    of_handles = names[at] in handles or (by_handle and names[at] not in (*ID_COLUMNS, "recipient"))
    beside = None if of_handles or not handles else names.index(handles[0])
    reader = _Reader(source, names, at, id_type, platform, dates, known, of_handles, beside)
    if not headed:
        reader.row(1, table.columns)
    for number, cells in table.rows():
        reader.row(number, cells)
    return reader.done(table, headed)


class _Reader:
    """Reads the rows of one list."""

    def __init__(
        self,
        source: ListSource,
        names: Sequence[str],
        at: int,
        id_type: str,
        platform: str,
        dates: bool,
        known: bool,
        of_handles: bool,
        handles_at: int | None,
    ) -> None:
        self._of_handles, self._handles_at = of_handles, handles_at
        self._platform = platform
        self._handles: dict[str, ListEntry] = {}
        self._known = known  # its header says what it is, even without a row
        self._source, self._names, self._at = source, list(names), at
        self._check = id_checker(platform, id_type)
        self._listed = tuple(names) == LIST_COLUMNS  # an exported list
        self._export = is_export(names)
        self._reason = self._place("reason") if not self._export else None
        self._added = self._place("added_at", "date") if dates else []
        self._others = [
            names.index(name)
            for name, kind in ID_COLUMNS.items()
            if kind != id_type and name in names and names.index(name) != at
        ]
        self._zeros = Zeros() if is_numeric(platform, id_type) else None
        self._people: dict[str, ListEntry] = {}
        self._bad = Rows()
        self._why = ""
        self._written: dict[str, int] = {}

    def _place(self, *names: str) -> list[int]:
        return [self._names.index(name) for name in names if name in self._names]

    def row(self, number: int, cells: Sequence[str]) -> None:
        """Take the person of a row."""
        cell = cells[self._at]
        if self._export:
            status = cells[self._names.index("status")].strip()
            if status not in list(MessageStatus):
                self._refuse(number, f"{shown(status) or 'nothing'} is not a status of an export")
                return
            self._written[status] = self._written.get(status, 0) + 1
            if status not in WRITTEN_TO:
                return
        handle = ""
        checked = self._check(cell)
        if self._of_handles or (self._handles_at is not None and not _holds(cell)):
            cell = cell if self._handles_at is None else cells[self._handles_at]
            read = read_handle(cell, self._platform)
            if not isinstance(read, IdRefusal):
                handle = read.handle
                checked = read.id
                if cell.strip() == handle and handle.isdigit():  # or an id: protect both
                    as_id = self._check(cell)
                    checked = as_id if isinstance(as_id, str) else ""
            elif read.reason is not SkipReason.NO_ID:
                checked = read
        if self._listed and isinstance(checked, IdRefusal):
            checked = of_any_kind(cell, checked)
        if isinstance(checked, IdRefusal):
            if checked.reason is SkipReason.ERASED:
                return  # nobody is to be known by it
            if checked.reason is SkipReason.NO_ID and not any(map(_holds, cells)):
                return
            self._refuse(number, self._detail(cell, cells, checked))
            return
        if self._zeros is not None and checked:
            self._zeros.add(number, checked)
        reason = at = ""
        if self._reason:
            reason = next((_plain(cells[each]) for each in self._reason if cells[each]), "")
        if self._added:
            at = next((cells[each] for each in self._added if cells[each].strip()), "")
        listed = ListEntry(
            number,
            reason if reason or self._listed else None,
            _moment(self._source.path, number, at) if at else None,
        )
        if checked:
            self._people.setdefault(checked, listed)
        if handle:
            self._handles.setdefault(handle, listed)

    def _refuse(self, row: int, why: str) -> None:
        self._bad.add(row)
        self._why = self._why or why

    def _detail(self, cell: str, cells: Sequence[str], refused: IdRefusal) -> str:
        """Return the reason why a row with something in it yields no id."""
        if isinstance(cell, Uncalculated):
            return "holds a formula that was never calculated; open the file, and save it again"
        if isinstance(cell, ErrorCell) or re.fullmatch(r"#[A-Z/0]+[A-Z][!?]?", cell.strip()):
            return f"{shown(cell)} is a spreadsheet's error; write the id instead"
        if refused.reason is SkipReason.NO_ID:
            other = next((self._names[each] for each in self._others if _holds(cells[each])), "")
            if other:
                return f"has only {other}, an id of the other kind; add {self._names[self._at]}"
            beside = next((each for each in cells if _holds(each)), "")
            told = "a formula" if isinstance(beside, Uncalculated) else shown(beside.strip())
            return f"has no id beside {told}; write it, or delete the row"
        found = cell.strip()
        if len(re.findall(r"\d+", found)) > 1 and re.fullmatch(r"[\d\s,;|/]+", found):
            return f"{shown(found)} are several ids; write one a line"
        if re.fullmatch(r"\+\s*\d+", found):
            return f"{shown(found)} begins with +; remove it"
        if re.match(r"\d+\s*\W", found) and not re.match(r"\d+[.,]\d", found):
            return f"{shown(found)} is more than an id; put the rest into a column of its own"
        return refused.detail

    def done(self, table: Table, headed: bool) -> PeopleList:
        """Return the list, once every row was read."""
        file, names = str(self._source.path), self._names

        def error(code: str, what: str, instead: str = "", row: int = 0) -> Finding:
            return Finding(code, what, instead, file=file, row=row)

        found = [each for each in table.findings if each.level is Level.ERROR]
        found += [
            error("list_bad_id", each.what, "delete them, or give each an id")
            for each in table.findings
            if each.code in _LEFT_OUT
        ]
        if self._bad.count == 1:
            found.append(error("list_bad_id", self._why, row=self._bad.first[0]))
        elif self._bad.count:
            what = f"{self._bad} have something in them but no id; the first: {self._why}"
            found.append(error("list_bad_id", what))
        rounded = self._zeros.rounded() if self._zeros is not None else None
        if rounded is not None:
            instead = "export the list again, with the ids as text"
            if rounded.alone:
                what = f"the id ends in zeros: {rounded.program} has rounded it"
                found.append(error("list_bad_id", what, instead, rounded.rows.first[0]))
            else:
                what = f"{rounded} ({rounded.rows})"
                column = names[self._at] if headed else ""
                found.append(Finding("ids_rounded", what, instead, file=file, column=column))
        if not self._people and not self._handles and not found:
            if self._export and self._written:
                what = "nobody in this export was written to"
                found.append(error("list_nobody", what, "remove it from the lists"))
            elif not (headed and self._known):
                instead = "write one id a line, or a column with ids"
                found.append(error("list_nobody", "nobody is found in it", instead))
        return PeopleList(self._source, self._people, self._handles, found, self._written)


def _holds(cell: str) -> bool:
    """Return whether there is something to see in a cell, or a formula."""
    return isinstance(cell, Uncalculated) or bool(cell.strip().strip(INVISIBLE).strip())


def _plain(cell: str) -> str:
    """Return a text without the quote that keeps a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def _moment(path: Path, row: int, cell: str) -> float:
    """Return a date, or a date and time, in Unix seconds; UTC unless it names its zone."""
    try:
        moment = datetime.fromisoformat(cell.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise AudienceError(
            f"{path}: row {row}: {shown(cell)} is not a date", "write dates such as 2026-11-03"
        ) from None


def people_told(lists: Sequence[PeopleList], ids: Iterable[str]) -> list[Finding]:
    """Return the number of people each list protects, and how many of them are among `ids`, those
    of the sheet that stand in any list."""
    seen = set(ids)
    found = []
    for each in lists:
        if any(one.level is Level.ERROR for one in each.findings):
            continue  # it protects nobody yet
        count = len(each.people)
        there = sum(id in each.people for id in seen)
        people = "1 person" if count == 1 else f"{count:,} people"
        if each.written:
            people += f" written to, of the {sum(each.written.values()):,} rows of an export"
        what = f"{people}, {there:,} of them in the sheet"
        found.append(Finding("list_people", what, file=str(each.source.path)))
    return found


def shrunk(path: Path, before: int, now: int) -> list[Finding]:
    """Return a question where a list has lost too many of its people since the last plan."""
    if before - now <= before * SHRUNK:
        return []
    people = "1 person" if now == 1 else f"{now:,} people"
    what = f"{people}, {before:,} at the last plan"
    instead = "put them back, or accept that they may be written to"
    return [Finding("list_shrank", what, instead, file=str(path))]
