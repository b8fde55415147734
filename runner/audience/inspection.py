"""The inspection of a sheet before its plan: findings that only many rows together can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from runner.audience.cells.empty_cells import MAYBE_NAMES, is_name_column, plain_cell, seen
from runner.audience.cells.formulas import uncalculated
from runner.audience.cells.mojibake import mended, suspect
from runner.audience.cells.nested_cells import nested_findings
from runner.audience.cells.rounded_ids import Zeros, is_digits
from runner.audience.columns import folded
from runner.audience.columns import listed as all_of
from runner.audience.handle_checks import HandleColumn
from runner.audience.ids import is_numeric, shown
from runner.audience.lists.suppression import people_told
from runner.audience.prospects import Audience
from runner.audience.sample_people import SAMPLE_IDS
from runner.findings import SAMPLE_PEOPLE, Finding, Rows
from runner.tables.cell_types import ErrorCell, Truth
from runner.templating.numbers import decimal_of_cells, is_number
from runner.templating.template import Template
from runner.templating.value_filters import NO, YES

CHUNK = 1000
"""Rows looked at together: what nearly all columns do not hold is then seen at once."""
SHORT_ID = 7
"""Digits from which on an id of X is not a number of a row."""
SNOWFLAKE = 16
"""Digits from which on X's ids were not given out one after another."""
SURE_DIGITS = 20
"""Digits below which every number is an id of X."""
SHOWN_VALUES = 5
"""Values of a column that are told where `where` selects none."""
MOST_WORDS = 1000
"""Different cells of a column of yes and no, at most."""


@dataclass(slots=True)
class _Column:
    """The findings of one column, while its cells are read."""

    name: str
    nothing: frozenset[str]
    of_names: bool
    empty: Rows = field(default_factory=Rows)
    empty_words: dict[str, None] = field(default_factory=dict)
    names: Rows = field(default_factory=Rows)
    name_words: dict[str, None] = field(default_factory=dict)
    broken: Rows = field(default_factory=Rows)
    example: tuple[str, str] = ("", "")
    words: Counter[str] | None = None
    plain: bool = True  # every cell is what it says, spaces around it aside


def inspect(
    audience: Audience, templates: Sequence[Template], progress: Callable[[int], None]
) -> list[Finding]:
    """Return findings about the columns that the ids and the templates need. `progress` is told how
    many rows have been read.

    Raises AudienceError where the file breaks off.
    """
    at = audience.columns.index(audience.id_column)
    by_handle = HandleColumn(audience) if audience.by_handle else None
    numeric = by_handle is None and is_numeric(audience.campaign.api.platform, audience.id_type)
    decided = {each.column for template in templates for each in template.conditions}
    watched = [
        (index, _Column(name, words, is_name_column(name)))
        for index, name, words in audience.printed()
    ]
    for _, column in watched:
        column.words = Counter() if column.name in decided else None
    others = [
        (index, _Column(name, frozenset(), False))
        for index, name in enumerate(audience.columns[: len(audience.table.columns)])
        if name not in audience.used
        and (
            index == at
            or name in audience.where
            or name in audience.defaults
            or name in (audience.timezone, audience.sender)
        )
    ]
    zeros, short = Zeros(), _ShortIds()
    real = numeric and not audience.campaign.rehearsal
    made_up: set[str] = set()
    listed = _Listed(audience) if audience.lists else None
    choice = _Choice(audience) if audience.where else None
    rows = audience.table.rows()
    read = 0
    while chunk := list(islice(rows, CHUNK)):
        cells = [each for _, each in chunk]
        raw_ids = [row[at] for row in cells]
        ids = list(map(str.strip, raw_ids))
        digits = numeric and is_digits(ids)
        if listed is not None:
            sure = digits and max(map(len, ids)) < SURE_DIGITS and min(ids) >= "1"
            listed.add(ids if sure and not audience.table.typed else listed.checked(raw_ids))
        if numeric:
            zeros.add_all([number for number, _ in chunk], ids, digits=digits)
            short.add(ids)
        if by_handle is not None:
            by_handle.add(chunk, at)
        if real:
            made_up |= SAMPLE_IDS.intersection(ids)
        if choice is not None and not choice.taken:
            choice.add(cells)
        for index, column in watched:
            _look(audience, column, chunk, [row[index] for row in cells])
        for index, column in others:
            raw = [row[index] for row in cells]
            unseen = any(map(_is_unseen, _odd_cells(raw, "".join(raw))))
            column.plain = column.plain and not unseen
        read += len(chunk)
        progress(read)
    file = str(audience.table.path)
    audience.ids_rounded[:] = [zeros.rounded()]
    audience.plain[:] = [all(column.plain for _, column in watched + others)]
    findings = people_told(audience.lists, listed.found) if listed is not None else []
    rounded = audience.rounded()
    if rounded is not None and not rounded.alone:
        told = "export them again as text"
        findings.append(Finding("ids_rounded", str(rounded), told, file, column=audience.id_column))
    if short.look_like_rows():
        what = f"the ids look like row numbers: {', '.join(short.first)}"
        told = f"X's ids are longer; name their column in prospects.id (now {audience.id_column})"
        findings.append(Finding("ids_look_like_rows", what, told, file, column=audience.id_column))
    if by_handle is not None:
        findings += by_handle.findings()
    if made_up:
        what = f"{len(made_up)} of the sample's people, who are made up"
        told = "name a sheet of your own; --sandbox rehearses with these"
        findings.append(Finding(SAMPLE_PEOPLE, what, told, file, column=audience.id_column))
    for _, column in watched:
        findings += _told(file, column)
    needs = frozenset[str]().union(*(template.needs for template in templates))
    for template in templates:
        findings += _truth(template, {column.name: column for _, column in watched})
    findings += uncalculated(audience, needs)
    findings += nested_findings(audience, needs)
    return [*findings, *(choice.findings() if choice is not None else [])]


def decimal_sign(audience: Audience, column: str) -> str:
    """Return the sign before the decimals of a column's cells, `.` or `,`; empty where they do not
    show it. Reads the file."""
    if column not in audience.columns[: len(audience.table.columns)]:
        return ""
    at = audience.columns.index(column)
    return decimal_of_cells(cells[at] for _, cells in audience.table.rows())


@dataclass(slots=True)
class _ShortIds:
    """Counts ids that look like the numbers of rows."""

    of: int = 0
    short: int = 0
    consecutive: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, ids: Sequence[str]) -> None:
        if min(map(len, ids)) >= SNOWFLAKE:
            self.of += len(ids)
            return
        lengths = Counter(map(len, ids))
        lengths.pop(0, None)
        self.of += lengths.total()
        if not lengths or min(lengths) >= SNOWFLAKE:
            return
        plain = [id for id in ids if id.isascii() and id.isdigit() and len(id) < SNOWFLAKE]
        self.short += sum(len(id) < SHORT_ID for id in plain)
        self.consecutive += sum(int(b) == int(a) + 1 for a, b in pairwise(plain))
        self.first += plain[: max(0, 3 - len(self.first))]

    def look_like_rows(self) -> bool:
        """Accept a few short ids: X's first people have them."""
        if self.of < 2:
            return False
        in_a_row = self.consecutive >= (self.of - 1) / 2
        return in_a_row or (self.of >= 3 and self.short > self.of / 2)


class _Listed:
    """Finds the people of the sheet who stand in a do-not-contact list."""

    def __init__(self, audience: Audience) -> None:
        self.found: set[str] = set()
        self._suppressed = audience.suppressed
        self._check = audience.checker()

    def checked(self, cells: Iterable[str]) -> Iterator[str]:
        """Return the ids of cells as they stand in the sheet; not needed where each is what it
        says."""
        return (id for id in map(self._check, cells) if isinstance(id, str))

    def add(self, ids: Iterable[str]) -> None:
        """Look for some ids."""
        self.found.update(filter(self._suppressed.__contains__, ids))


class _Choice:
    """Sees whether `prospects.where` takes any row."""

    def __init__(self, audience: Audience) -> None:
        self.taken = False
        self._audience = audience
        self._any = False
        self._matched: set[str] = set()
        self._there: dict[str, dict[str, None]] = {name: {} for name in audience.where}

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        """Look at rows until one is taken."""
        audience = self._audience
        for raw in rows:
            self._any = self.taken = True
            for name, values in audience.where.items():
                cell = audience.chosen_by(name, raw)
                if folded(cell) in values:
                    self._matched.add(name)
                    continue
                self.taken = False
                there = self._there[name]
                if len(there) <= SHOWN_VALUES:
                    there[shown(cell) or "(empty)"] = None
            if self.taken:
                return

    def findings(self) -> list[Finding]:
        """Return an error if no row of a sheet that has some is taken."""
        if self.taken or not self._any:
            return []
        file = str(self._audience.table.path)
        for name, there in self._there.items():
            if name not in self._matched:
                told = ", ".join([*there][:SHOWN_VALUES])
                told += " …" if len(there) > SHOWN_VALUES else ""
                what = f"prospects.where selects nobody; there are: {told}"
                return [Finding("nobody_selected", what, "write one of these", file, column=name)]
        names = all_of(list(self._audience.where))
        what = f"prospects.where selects nobody: no row has all of {names}"
        return [Finding("nobody_selected", what, "ask for less", file)]


def _look(
    audience: Audience, column: _Column, chunk: Sequence[tuple[int, list[str]]], raw: list[str]
) -> None:
    whole = "".join(raw)
    kinds: set[type] = set(map(type, raw)) if audience.table.typed else {str}
    if ErrorCell in kinds:
        for (number, row), cell in zip(chunk, raw, strict=True):
            if type(cell) is ErrorCell and cell not in column.nothing and audience.selects(row):
                _add(column.empty, column.empty_words, number, cell)
    odd = _odd_cells(raw, whole)
    column.plain = column.plain and kinds == {str} and not any(map(_is_unseen, odd))
    suspicious = suspect("\n".join(odd))
    looked_for = column.nothing | MAYBE_NAMES if column.of_names else column.nothing
    if (
        "&" not in whole
        and not suspicious
        and column.words is None
        and looked_for.isdisjoint(map(str.strip, raw))
    ):
        return  # nearly always
    column.plain = column.plain and "&" not in whole
    for (number, row), given in zip(chunk, raw, strict=True):
        cell = plain_cell(given.strip())
        column.plain = column.plain and cell not in column.nothing
        if cell in looked_for and audience.selects(row):
            if cell in column.nothing:
                _add(column.empty, column.empty_words, number, cell)
            else:
                _add(column.names, column.name_words, number, cell)
        elif suspicious and suspect(cell) and audience.selects(row):
            was = mended(cell)
            if was is not None:
                column.example = column.example if column.broken.count else (cell, was)
                column.broken.add(number)
        if (
            column.words is not None
            and cell
            and cell not in column.nothing
            and type(given) is not Truth
            and len(column.words) <= MOST_WORDS
        ):
            column.words[cell.casefold()] += 1


def _odd_cells(raw: Iterable[str], whole: str) -> set[str]:
    """Return the cells with other signs than those of ASCII. `whole`: all of them together."""
    if whole.isascii() and whole.isprintable():
        return set()
    return {cell for cell in raw if not (cell.isascii() and cell.isprintable())}


def _is_unseen(cell: str) -> bool:
    """Return whether a cell has signs of which none is seen."""
    return not seen(cell) and cell.strip() != ""


def _add(rows: Rows, words: dict[str, None], number: int, word: str) -> None:
    rows.add(number)
    words[shown(word)] = None


def _listed(words: Iterable[str]) -> str:
    first = list(islice(words, 4))
    return ", ".join(first[:3]) + (" or the like" if len(first) > 3 else "")


def _told(file: str, column: _Column) -> list[Finding]:
    found = []

    def add(code: str, what: str, instead: str = "") -> None:
        found.append(Finding(code, what, instead, file, column=column.name))

    if rows := column.empty.count:
        say, count = ("says", "it counts") if rows == 1 else ("say", "they count")
        add("empty_words", f"{column.empty} {say} {_listed(column.empty_words)}; {count} as empty")
    if rows := column.names.count:
        are, told = ("is", "is that") if rows == 1 else ("are", "are these")
        name = "someone's name?" if rows == 1 else "names?"
        add(
            "names_like_nothing",
            f"{column.names} {are} {_listed(column.name_words)}; {told} {name}",
        )
    if column.broken.count:
        cell, was = column.example
        one = column.broken.count == 1
        row = "" if one else f"; row {column.broken.first[0]}"
        like = (
            f"which looks like {shown(was)} read in a wrong encoding"
            if was
            else "where a letter is lost"
        )
        start = f"{column.broken} is" if one else f"{column.broken} are broken{row} is"
        add(
            "mojibake", f"{start} {shown(cell)}, {like}", "" if one else "correct them in the sheet"
        )
    return found


def _truth(template: Template, columns: Mapping[str, _Column]) -> list[Finding]:
    """Return where a template takes the word no, or 0, for yes."""
    found = []
    for name, line in template.conditions:
        words = columns[name].words if name in columns else None
        if not words:
            continue
        no = [word for word in words if word in NO]
        said = sum(words[word] for word in words if word in NO or word in YES)
        if no == ["f"] and not words.keys() & (YES - {"f"}):
            no = []
        if no and said > words.total() / 2:
            test, wrong = "yes", no[0]
        elif "0" in words and all(map(is_number, words)):
            test, wrong = "number", "0"
        else:
            continue
        what = f"{{% if {name} %}} is true for {wrong.upper() if wrong == 'false' else wrong} too"
        instead = f"write {{% if {name} | {test} %}}"
        found.append(Finding("truth_of_text", what, instead, *template.place(line)))
    return list(dict.fromkeys(found))
