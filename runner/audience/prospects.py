"""The people of a campaign: one Prospect, or one reason, for every row of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from runner.audience.cells.empty_cells import empty_words, plain_cell, seen
from runner.audience.cells.rounded_ids import LONG, Rounded, rounded
from runner.audience.columns import (
    ID_COLUMNS,
    SHOWN_COLUMNS,
    columns_there,
    existing,
    find_id_column,
    folded,
    listed,
    normal_column,
    normal_columns,
)
from runner.audience.duplicates import first_rows
from runner.audience.handles import HANDLE_COLUMNS, CellHandle, handle_checker, read_handle
from runner.audience.ids import IdRefusal, id_checker, is_numeric, shown
from runner.audience.lists.listed_handles import handles_resolved, without_erased
from runner.audience.lists.suppression import ListSource, PeopleList, read_lists, suppressed_by
from runner.errors import AudienceError
from runner.findings import Finding
from runner.message.erased import NOBODY, ErasedPeople
from runner.message.handle import KeptHandle
from runner.message.prospect import Prospect, Recipient, RowSkip
from runner.message.status import SkipReason
from runner.tables.cell_types import ErrorCell, Truth
from runner.tables.reader import Table, read_table
from runner.templating.literals import PlaceholderNames
from runner.zones import find_zone

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign


@dataclass(frozen=True, slots=True)
class Audience:
    """A prospects file that is understood; `rows` reads it, in file order, as often as asked.

    `columns`: normalised names, those that `defaults` add included. `findings`: of the prospects
    file, as far as it was read to open it; those of the lists are theirs.
    `suppressed`: id to where it stands, such as `do-not-contact.csv row 7`, in one of `lists`.
    `used`: the columns that the template needs: words for nothing are empty in these, and signs of
    HTML are read. `ids_rounded`, `plain`: what reading all of it has shown, where that was done:
    rounded ids, and whether every cell is as it is written.
    `by_handle`: the id column has handles, whose ids are those of `handles` (by `one_handle`), but
    for those of people who are `gone`: erased.
    """

    campaign: Campaign
    table: Table
    columns: list[str]
    id_column: str
    id_type: str
    findings: list[Finding]
    suppressed: Mapping[str, str]
    lists: Sequence[PeopleList] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    timezone: str | None = None
    sender: str | None = None
    used: frozenset[str] = frozenset()
    ids_rounded: list[Rounded | None] = field(default_factory=list, compare=False)
    plain: list[bool] = field(default_factory=list, compare=False)
    by_handle: bool = False
    handles: Mapping[str, KeptHandle] = field(default_factory=dict, compare=False)
    gone: ErasedPeople = field(default=NOBODY, compare=False)

    @property
    def resolve(self) -> str:
        """Return the command that resolves its handles."""
        return f"run-campaign handles {self.campaign.path}"

    @property
    def has_handles(self) -> bool:
        """Return whether its sheet or one of its lists has people by their handles."""
        return self.by_handle or any(each.handles for each in self.lists)

    def checker(self) -> Callable[[str], str | IdRefusal]:
        """Return the function that turns a cell of the id column into an id, or says why not."""
        platform = self.campaign.api.platform
        if self.by_handle:
            return handle_checker(platform, self.handles, self.resolve)
        return id_checker(platform, self.id_type)

    def with_handles(self, kept: Mapping[str, KeptHandle]) -> Audience:
        """Return it with the ids that are kept for handles now, in its lists too."""
        platform = self.campaign.api.platform
        lists = [handles_resolved(each, platform, kept, self.resolve) for each in self.lists]
        return replace(self, handles=kept, lists=lists, suppressed=suppressed_by(lists))

    def without_erased(self, gone: ErasedPeople) -> Audience:
        """Return it without the handles of erased people in its lists, and with none of theirs left
        to resolve."""
        platform = self.campaign.api.platform
        lists = [without_erased(each, platform, gone) for each in self.lists]
        return replace(self, lists=lists, gone=gone)

    def rows(self) -> Iterator[Prospect | RowSkip]:
        """Yield every row that is not blank, once. Raises AudienceError where the file breaks off.

        Of several reasons the first of this order is told: no_id, bad_id, not_selected,
        unknown_handle, duplicate, suppressed, bad_timezone. Only selected rows count as the first
        of a duplicate: with `where`, a person's other row is still written to. Memory grows by the
        ids alone.
        """
        platform, id_type, names = self.campaign.api.platform, self.id_type, self.columns
        id_column = self.id_column
        at = names.index(id_column)
        added = [""] * (len(names) - len(self.table.columns))
        fill = [(names.index(name), text) for name, text in self.defaults.items()]
        where = [(names.index(name), values) for name, values in self.where.items()]
        zone = names.index(self.timezone) if self.timezone else None
        zones = {"": ""}
        check, by_handle = self.checker(), self.by_handle
        numeric = is_numeric(platform, id_type)
        first_row = first_rows(numeric=numeric)
        suppressed = self.suppressed
        used = [(index, words) for index, _, words in self.printed()]
        nothing = frozenset().union(*(words for _, words in used))

        careful = self.plain != [True]
        has_kinds = self.table.typed

        for number, raw in self.table.rows():
            cells = list(map(str.strip, raw))
            if careful:
                whole = "".join(cells)
                if not whole.isascii() or not whole.isprintable():
                    cells = [c if c.isascii() and c.isprintable() else seen(c) for c in cells]
                if has_kinds:
                    for index, _ in used:
                        if type(raw[index]) is ErrorCell:
                            cells[index] = ""
                if "&" in whole:
                    for index, _ in used:
                        cells[index] = plain_cell(cells[index])
                if not nothing.isdisjoint(cells):
                    for index, words in used:
                        if cells[index] in words:
                            cells[index] = ""
            if added:
                cells += added
            for index, text in fill:
                if not cells[index]:
                    cells[index] = text
            columns = dict(zip(names, cells, strict=True))
            if has_kinds:
                for index, _ in used:
                    # A template decides by it; an empty one was said to be nothing.
                    if type(raw[index]) is Truth and cells[index]:
                        columns[names[index]] = raw[index]
            found = check(raw[at])
            if isinstance(found, IdRefusal):
                refused = found
                if where and found.reason is SkipReason.UNKNOWN_HANDLE:
                    detail = _not_selected(names, cells, where)
                    if detail:
                        refused = IdRefusal(SkipReason.NOT_SELECTED, detail)
                yield RowSkip(number, refused.reason, refused.detail, columns)
                continue
            columns[id_column] = found if not by_handle else _written(raw[at], platform)
            recipient = Recipient(platform, id_type, found)
            if where:
                detail = _not_selected(names, cells, where)
                if detail:
                    yield RowSkip(number, SkipReason.NOT_SELECTED, detail, columns, recipient)
                    continue
            earlier = first_row(found, number)
            if earlier != number:
                detail = f"same id as row {earlier}" + (f": {found}" if by_handle else "")
                yield RowSkip(number, SkipReason.DUPLICATE, detail, columns, recipient)
                continue
            if numeric and found.endswith("000") and len(found) >= LONG and not by_handle:
                program = self.rounded()
                if program is not None and program.alone and program.rows.first == [number]:
                    detail = f"{found} ends in zeros: {program.program} has rounded it"
                    detail += "; take it from its source again, as text"
                    yield RowSkip(number, SkipReason.BAD_ID, detail, columns)
                    continue
            if found in suppressed:
                reason, detail = SkipReason.SUPPRESSED, f"is in {suppressed[found]}"
                yield RowSkip(number, reason, detail, columns, recipient)
                continue
            there = "" if zone is None else cells[zone]
            if there not in zones:
                try:
                    zones[there] = find_zone(there)
                except ValueError as error:
                    detail = f"{self.timezone} {shown(there)} {error}"
                    yield RowSkip(number, SkipReason.BAD_TIMEZONE, detail, columns, recipient)
                    continue
            yield Prospect(number, recipient, columns, zones[there])

    def rounded(self) -> Rounded | None:
        """Return whether a program has rounded ids of X; reads the file for it, once."""
        if not self.ids_rounded:
            at = self.columns.index(self.id_column)
            ids = ((number, cells[at].strip()) for number, cells in self.table.rows())
            self.ids_rounded.append(rounded(ids))
        return self.ids_rounded[0]

    def selects(self, raw: Sequence[str]) -> bool:
        """Return whether `prospects.where` takes a row of the file."""
        return all(
            folded(self.chosen_by(name, raw)) in values for name, values in self.where.items()
        )

    def chosen_by(self, name: str, raw: Sequence[str]) -> str:
        """Return the cell of a row for a column of `prospects.where`."""
        at = self.columns.index(name)
        cell = seen(raw[at].strip()) if at < len(raw) else ""
        return cell or self.defaults.get(name, "")

    def printed(self) -> list[tuple[int, str, frozenset[str]]]:
        """Return the columns of the file that the template needs: place, name, and what is nothing
        there."""
        said = self.campaign.prospects.empty
        return [
            (index, name, empty_words(name, said))
            for index, name in enumerate(self.columns[: len(self.table.columns)])
            if name in self.used and name != self.id_column
        ]


def read_audience(
    campaign: Campaign,
    used: Iterable[str] = (),
    handles: Mapping[str, KeptHandle] = MappingProxyType({}),
) -> Audience:
    """Open the prospects file and the do-not-contact lists, and settle what each column means.
    `used`: the columns that the template needs; `handles`: those whose ids are known.

    Raises AudienceError for a file that cannot be read, and for a column that the campaign names
    and the file does not have. Rows are read later, by `Audience.rows`.
    """
    wanted = campaign.prospects
    by_handle = wanted.id_type == "username"
    known = HANDLE_COLUMNS if by_handle else (*ID_COLUMNS,)
    ids = known if wanted.id is None else {normal_column(wanted.id)}
    table = read_table(wanted.source, wanted.encoding, sheet=wanted.sheet, wanted=ids)
    columns, findings = normal_columns(table.path, table.columns)
    id_column = find_id_column(table.path, columns, wanted.id, known)
    id_type = "platform" if by_handle else wanted.id_type or ID_COLUMNS.get(id_column, "platform")
    sources = [ListSource(each.source, each.id) for each in campaign.suppress.lists]
    lists = read_lists(sources, id_type, campaign.api.platform, id_column, by_handle=by_handle)
    defaults: dict[str, str] = {}
    for name, text in wanted.defaults.items():
        normal = normal_column(name)
        if normal == id_column:
            raise AudienceError(f"prospects.defaults: {name} is the id column; remove it")
        if normal in defaults:
            raise AudienceError(f"prospects.defaults: {normal} is set twice; keep one")
        defaults[normal] = text.strip()
        if normal not in columns:
            columns.append(normal)
    where: dict[str, frozenset[str]] = {}
    for name, values in wanted.where.items():
        normal = existing(table.path, columns, name, f"prospects.where.{name}")
        where[normal] = frozenset(folded(value.strip()) for value in values)
    timezone = wanted.timezone and existing(
        table.path, columns, wanted.timezone, "prospects.timezone"
    )
    sender = wanted.sender and existing(table.path, columns, wanted.sender, "prospects.sender")
    audience = Audience(
        campaign,
        table,
        columns,
        id_column,
        id_type,
        [*table.findings, *findings],
        suppressed_by(lists),
        lists,
        defaults,
        where,
        timezone,
        sender,
        frozenset(used),
        by_handle=by_handle,
    )
    return audience.with_handles(handles)


def _written(cell: str, platform: str) -> str:
    """Return the handle of a cell that has been read, as templates print it; or its id."""
    read = read_handle(cell, platform)
    assert isinstance(read, CellHandle)
    return read.handle or read.id


def missing_columns(needs: Iterable[str], audience: Audience) -> None:
    """Check that a template's columns are there. Raises AudienceError naming the missing."""
    missing = sorted(set(needs) - set(audience.columns))
    if not missing:
        return
    told, more = [], missing[SHOWN_COLUMNS:]
    for name in missing[:SHOWN_COLUMNS]:
        spelt = PlaceholderNames(audience.columns).of(name)
        near = [spelt] if spelt else get_close_matches(name, audience.columns, 1)
        told.append(f"{name} (did you mean {near[0]}?)" if near else name)
    told += [f"{len(more):,} more"] if more else []
    raise AudienceError(
        f"{audience.table.path}: the template needs {listed(told)}; "
        f"{columns_there(audience.columns)}"
    )


def _not_selected(
    names: Sequence[str],
    cells: Sequence[str],
    where: Sequence[tuple[int, frozenset[str]]],
) -> str:
    for index, values in where:
        if folded(cells[index]) not in values:
            return f"{names[index]} is {shown(cells[index]) or 'empty'}, not one of prospects.where"
    return ""
