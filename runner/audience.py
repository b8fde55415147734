"""The people of a campaign: one Prospect, or one reason why not, for every row of the file."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from runner.campaign import Campaign
from runner.errors import AudienceError
from runner.message import Prospect, Recipient, RowSkip, SkipReason
from runner.tables import RoundedNumber, Table, read_table

ID_COLUMNS: Mapping[str, str] = {
    "x_user_id": "platform",
    "platform_id": "platform",
    "inbox_id": "inbox",
}
"""Column names that say by themselves what they hold."""

MAX_PLATFORM_ID = 2**64
"""X's user ids are unsigned 64-bit numbers."""
MAX_TEXT_ID = 256
MAX_INBOX_ID = 64

_INBOX_ID = re.compile(r"[0-9a-z]+")
_EXCEL = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+")
_FRACTION = re.compile(r"[0-9]+[.,][0-9]*")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"

_ROUNDED = "Excel has rounded this id; format the column as text and paste the ids again"


@dataclass(frozen=True, slots=True)
class Audience:
    """A prospects file that is understood; `rows` reads it, in file order, as often as asked.

    `columns`: normalised names, those that `defaults` add included. `warnings`: for people.
    `suppressed`: id to where it stands, such as `do-not-contact.csv row 7`.
    """

    campaign: Campaign
    table: Table
    columns: list[str]
    id_column: str
    id_type: str
    warnings: list[str]
    suppressed: Mapping[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    timezone: str | None = None

    def rows(self) -> Iterator[Prospect | RowSkip]:
        """Every row that is not blank, once. Raises AudienceError where the file breaks off.

        Of several reasons the first of this order is told: no_id, bad_id, not_selected,
        duplicate, suppressed, bad_timezone. Only selected rows count as the first of a
        duplicate: with `where`, a person's other row is still written to. Memory grows by the
        ids alone.
        """
        platform, id_type, names = self.campaign.api.platform, self.id_type, self.columns
        at = names.index(self.id_column)
        added = [""] * (len(names) - len(self.table.columns))
        fill = [(names.index(name), text) for name, text in self.defaults.items()]
        where = [(names.index(name), values) for name, values in self.where.items()]
        zone = names.index(self.timezone) if self.timezone else None
        zones = zoneinfo.available_timezones() if self.timezone else set()
        check = id_checker(platform, id_type)
        # As numbers where they are: a number takes half the memory of its text, and 0123 is 123.
        key: Callable[[str], int | str] = int if _numeric(platform, id_type) else str
        first: dict[int | str, int] = {}
        suppressed = self.suppressed

        for number, raw in self.table.rows():
            cells = list(map(str.strip, raw))
            if added:
                cells += added
            for index, text in fill:
                if not cells[index]:
                    cells[index] = text
            columns = dict(zip(names, cells, strict=True))
            found = check(raw[at])
            if isinstance(found, Refused):
                yield RowSkip(number, found.reason, found.detail, columns)
                continue
            columns[self.id_column] = found
            recipient = Recipient(platform, id_type, found)
            if where:
                detail = _not_selected(names, cells, where)
                if detail:
                    yield RowSkip(number, SkipReason.NOT_SELECTED, detail, columns, recipient)
                    continue
            earlier = first.setdefault(key(found), number)
            if earlier != number:
                detail = f"same id as row {earlier}"
                yield RowSkip(number, SkipReason.DUPLICATE, detail, columns, recipient)
                continue
            if found in suppressed:
                reason, detail = SkipReason.SUPPRESSED, f"is in {suppressed[found]}"
                yield RowSkip(number, reason, detail, columns, recipient)
                continue
            if zone is not None and cells[zone] and cells[zone] not in zones:
                detail = f"{self.timezone} {_shown(cells[zone])} is no IANA zone"
                yield RowSkip(number, SkipReason.BAD_TIMEZONE, detail, columns, recipient)
                continue
            yield Prospect(number, recipient, columns, "" if zone is None else cells[zone])


def read_audience(campaign: Campaign) -> Audience:
    """Opens the prospects file and the suppression lists, and settles what each column means.

    Raises AudienceError for a file that cannot be read, and for a column that the campaign names
    and the file does not have. Rows are read later, by `Audience.rows`.
    """
    wanted = campaign.prospects
    table = read_table(wanted.source, wanted.encoding)
    columns, warnings = normal_columns(table.path, table.columns)
    id_column = _id_column(table.path, columns, wanted.id)
    id_type = wanted.id_type or ID_COLUMNS.get(id_column, "platform")
    suppressed = read_suppressed(campaign.suppress, id_type, campaign.api.platform)
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
        normal = _existing(table.path, columns, name, f"prospects.where.{name}")
        where[normal] = frozenset(value.strip().casefold() for value in values)
    timezone = wanted.timezone and _existing(
        table.path, columns, wanted.timezone, "prospects.timezone"
    )
    return Audience(
        campaign,
        table,
        columns,
        id_column,
        id_type,
        warnings,
        suppressed,
        defaults,
        where,
        timezone,
    )


def missing_columns(needs: Iterable[str], audience: Audience) -> None:
    """Checks that a template's columns are there. Raises AudienceError naming the missing."""
    missing = sorted(set(needs) - set(audience.columns))
    if not missing:
        return
    told = []
    for name in missing:
        near = get_close_matches(name, audience.columns, 1)
        told.append(f"{name} (did you mean {near[0]}?)" if near else name)
    raise AudienceError(
        f"{audience.table.path}: the template needs {_listed(told)}; "
        f"columns there are: {', '.join(audience.columns)}"
    )


# Columns ----------------------------------------------------------------------------------------


def normal_column(name: str) -> str:
    """A header as templates write it: ` First Name ` and `first-name` are `first_name`."""
    return re.sub(r"[\s\-]+", "_", name.strip(" \t\r\n\xa0" + _INVISIBLE).casefold())


def normal_columns(path: Path, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """All headers normalised, and a warning that lists those that changed."""
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
    warnings = [f"{path}: columns are read as: {', '.join(changed)}"] if changed else []
    return list(found), warnings


def _id_column(path: Path, columns: Sequence[str], wanted: str | None) -> str:
    if wanted is not None:
        return _existing(path, columns, wanted, "prospects.id")
    present = [name for name in ID_COLUMNS if name in columns]
    if len(present) == 1:
        return present[0]
    there = f"columns there are: {', '.join(columns)}"
    if present:
        what = f"has {_listed(present)}; set prospects.id to the one to use"
        raise AudienceError(f"{path}: {what}")
    what = f"no column {', '.join(ID_COLUMNS)}; set prospects.id to the column with the ids"
    raise AudienceError(f"{path}: {what}; {there}")


def _existing(path: Path, columns: Sequence[str], wanted: str, key: str) -> str:
    normal = normal_column(wanted)
    if normal in columns:
        return normal
    near = get_close_matches(normal, columns, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise AudienceError(
        f"{path}: no column {_shown(wanted)} ({key}); {hint}columns there are: {', '.join(columns)}"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _not_selected(
    names: Sequence[str],
    cells: Sequence[str],
    where: Sequence[tuple[int, frozenset[str]]],
) -> str:
    for index, values in where:
        if cells[index].casefold() not in values:
            return (
                f"{names[index]} is {_shown(cells[index]) or 'empty'}, not one of prospects.where"
            )
    return ""


# Ids --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a cell is no id."""

    reason: SkipReason
    detail: str


def id_checker(platform: str, id_type: str) -> Callable[[str], str | Refused]:
    """The function that turns a cell into an id, outer spaces off, or says why it is none.

    X (`twitter`): digits, below 2**64. Inbox ids: small letters and digits, 64 at most. Other
    platforms: up to 256 printable characters without spaces.
    """
    if id_type == "inbox":
        return _inbox_id
    return _x_id if platform == "twitter" else _platform_id


def _numeric(platform: str, id_type: str) -> bool:
    return id_type == "platform" and platform == "twitter"


def _x_id(cell: str) -> str | Refused:
    found = cell.strip()
    if found.isascii() and found.isdigit() and len(found) < 20 and type(cell) is not RoundedNumber:
        return found if found[0] != "0" else str(int(found))  # nearly every row
    return _odd_x_id(cell)


def _odd_x_id(cell: str) -> str | Refused:
    found = _clean(cell)
    refused = _never_an_id(cell, found)
    if refused:
        return refused
    digits = found.lstrip("0") or "0"  # 007 and 7 are one person
    if found.isascii() and found.isdigit() and len(digits) <= 20 and int(digits) < MAX_PLATFORM_ID:
        return digits
    shown = _shown(found)
    if found.startswith("'") and found[1:].isdigit():
        detail = f"{shown} begins with an apostrophe; remove it"
    elif _FRACTION.fullmatch(found):
        detail = f"{shown} is a number with a fraction; format the column as text"
    elif found.isdigit() and found.isascii():
        detail = f"{shown} is too long; X's ids have 19 digits at most"
    elif found.isdecimal():
        detail = f"{shown} is not in the digits 0 to 9"
    elif found.startswith("@") or re.fullmatch(r"[A-Za-z0-9_]*[A-Za-z_][A-Za-z0-9_]*", found):
        detail = f"{shown} is a username; the API needs the numeric id"
    elif "://" in found or "/" in found:
        detail = f"{shown} is an address; the API needs the numeric id"
    else:
        detail = f"{shown} is no id; X's ids are digits only"
    return Refused(SkipReason.BAD_ID, detail)


def _inbox_id(cell: str) -> str | Refused:
    found = _clean(cell)
    refused = _never_an_id(cell, found)
    if refused:
        return refused
    if len(found) <= MAX_INBOX_ID and _INBOX_ID.fullmatch(found):
        return found
    detail = f"{_shown(found)} is no Inbox id; they are small letters and digits only"
    return Refused(SkipReason.BAD_ID, detail)


def _platform_id(cell: str) -> str | Refused:
    found = _clean(cell)
    refused = _never_an_id(cell, found)
    if refused:
        return refused
    if len(found) <= MAX_TEXT_ID and found.isprintable() and not re.search(r"\s", found):
        return found
    detail = f"{_shown(found)} is no id: spaces, control characters or more than {MAX_TEXT_ID} long"
    return Refused(SkipReason.BAD_ID, detail)


def _clean(cell: str) -> str:
    return cell.strip().strip(_INVISIBLE).strip()


def _never_an_id(cell: str, found: str) -> Refused | None:
    """What no kind of id can be: nothing at all, or a number that a spreadsheet has rounded."""
    if not found:
        return Refused(SkipReason.NO_ID, "the id is empty; fill it in or delete the row")
    if type(cell) is RoundedNumber or _EXCEL.fullmatch(found):
        return Refused(SkipReason.BAD_ID, f"{_shown(found)}: {_ROUNDED}")
    return None


def _shown(text: str) -> str:
    """A cell, fit for one line of a message."""
    text = text if len(text) <= 60 else text[:59] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# Suppression lists ------------------------------------------------------------------------------


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
            checked = _of_any_kind(id, checked)
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


def _of_any_kind(id: str, refused: Refused) -> str | Refused:
    """An id of either kind that is beyond doubt one: Inbox ids have 20 characters and more."""
    for check in (_x_id, _inbox_id):
        checked = check(id)
        if isinstance(checked, str) and (check is _x_id or len(checked) >= 20):
            return checked
    return refused


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
            f"{path}: row {row}: {_shown(cell)} is no date", "write dates such as 2026-11-03"
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
