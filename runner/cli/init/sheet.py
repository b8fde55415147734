"""The sheet of a new campaign: which file, and which of its columns mean what."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import click

from runner.audience.columns import ID_COLUMNS, normal_column, normal_columns
from runner.audience.handles import CellHandle, read_handle
from runner.audience.ids import IdRefusal, id_checker
from runner.cli.init.questions import again, needed, tell
from runner.errors import UsageError
from runner.findings import FindingError
from runner.formats import safe, short
from runner.project.new_campaign import DEFAULT_PLATFORM
from runner.tables.reader import read_table

ROWS_SHOWN = 3
ROWS_TRIED = 200
"""Rows of a sheet whose ids are looked at before they are all read."""

HEADERS = {*ID_COLUMNS, "first_name", "last_name", "name", "email", "email_address", "url"}
"""Columns by which the header is found below the lines that some programs put above it."""

INBOX_ID = re.compile(r"(?=.*[a-z])[0-9a-z]{20,64}")

X_COLUMN = re.compile(r"twitter|handle|username|(^|_)x(_|$)")
PROFILE_COLUMN = re.compile(r"linkedin|profile|url")

FIRST_NAMES = ("first_name", "firstname", "given_name", "vorname", "prenom", "name", "full_name")


@dataclass(frozen=True, slots=True)
class SheetHead:
    """A sheet that was read as far as its first rows."""

    path: Path
    columns: list[str]
    first: list[list[str]]
    encoding: str
    sheet: str


def ask_people(
    path: Path | None,
    encoding: str,
    worksheet: str,
    id_column: str | None,
    platform: str,
    asks: bool,
) -> tuple[SheetHead, str, str]:
    """Return the sheet, its column of ids, and their kind: empty where the column's name says it.
    Raises RunnerError for what cannot be used."""
    sheet = again(asks, path, lambda said: ask_sheet(said, asks, encoding, worksheet))
    if asks:
        show_sheet(sheet)
    likely = likely_ids(sheet, platform) or likely_handles(sheet, platform)
    if asks and not likely:
        click.echo("  no column looks as if it held ids, @handles or addresses of profiles")

    def choose(said: str | None) -> tuple[str, str]:
        question = "which column holds the ids or @handles (number or name)"
        name = pick_column(sheet, said or needed(asks, question, "--id", likely))
        return name, id_kind(sheet, name, platform)

    chosen, kind = again(asks, id_column or (None if asks else likely or None), choose)
    if open_sheet(sheet.path, sheet.encoding, sheet.sheet, chosen).columns != sheet.columns:
        raise UsageError(f"{sheet.path}: the header is unclear", "delete the lines above it")
    return sheet, chosen, kind if kind != "platform" and chosen not in ID_COLUMNS else ""


def ask_first_name(sheet: SheetHead, said: str | None, asks: bool) -> str:
    """Return the column with the first names; empty for none. Raises UsageError for one that is not
    there."""
    likely = next((name for name in FIRST_NAMES if name in sheet.columns), "")

    def choose(named: str | None) -> str:
        question = "which column holds the first names (- for none)"
        answer = named or needed(asks, question, "--first-name", likely or "-")
        return "" if answer == "-" else pick_column(sheet, answer)

    return again(asks, said or (None if asks else likely or "-"), choose)


def open_sheet(path: Path, encoding: str, sheet: str, id_column: str = "") -> SheetHead:
    """Read a sheet's columns and first rows. Raises RunnerError for one that cannot be read."""
    wanted = {id_column} if id_column else HEADERS
    table = read_table(path, encoding or None, sheet=sheet or None, wanted=wanted)
    columns, _ = normal_columns(table.path, table.columns)
    first = [list(cells) for _, cells in islice(table.rows(), ROWS_TRIED)]
    if not first:
        raise UsageError(f"{path}: has no rows below its header")
    return SheetHead(path, columns, first, encoding, sheet)


def ask_sheet(said: Path | None, asks: bool, encoding: str, worksheet: str) -> SheetHead:
    """Return the sheet that was said, or is asked for, and with it what it takes to read it."""
    path = said or Path(needed(asks, "the sheet (a path)", "--sheet")).expanduser()
    while True:
        try:
            return open_sheet(path, encoding, worksheet)
        except FindingError as error:
            code = error.finding.code
            if not asks or code not in ("sheet_unclear", "encoding_unclear"):
                raise
            tell(f"  {error}")
            if code == "sheet_unclear":
                worksheet = needed(asks, "which of its sheets", "--worksheet")
            else:
                encoding = needed(asks, "which encoding reads right", "--encoding", "cp1252")


def show_sheet(sheet: SheetHead) -> None:
    """Show a sheet's columns, as a text names them, each with its first cells."""
    click.echo(f"{safe(str(sheet.path))}: {len(sheet.columns)} columns, with the first rows:")
    wide = min(30, max(map(len, sheet.columns)))
    count = len(str(len(sheet.columns)))
    width = shutil.get_terminal_size().columns
    for at, name in enumerate(sheet.columns):
        cells = ", ".join(short(row[at], 24) or "–" for row in sheet.first[:ROWS_SHOWN])
        told = f"  {at + 1:>{count}}  {safe(name).ljust(wide)}  {cells}"
        click.echo(told if len(told) <= width else told[: width - 1] + "…")


def pick_column(sheet: SheetHead, said: str) -> str:
    """Return the column that is meant, by its number or name. Raises UsageError for none."""
    name = normal_column(said)
    if name in sheet.columns:
        return name
    if said.isdecimal() and 1 <= int(said) <= len(sheet.columns):
        return sheet.columns[int(said) - 1]
    raise UsageError(f"{said} is not a column", f"columns are: {', '.join(sheet.columns)}")


def likely_ids(sheet: SheetHead, platform: str) -> str:
    """Return the column that most likely holds the ids; empty for none."""
    known = [name for name in ID_COLUMNS if name in sheet.columns]
    if len(known) == 1:
        return known[0]
    check = id_checker(platform, "platform")
    long = [
        name
        for at, name in enumerate(sheet.columns)
        if platform == DEFAULT_PLATFORM
        and re.search(r"id|twitter|(^|_)x(_|$)", name)
        and not re.search(r"record|contact|company|deal|owner|account|phone", name)
        and any(isinstance(check(row[at]), str) for row in sheet.first)
    ]
    return long[0] if long else ""


def likely_handles(sheet: SheetHead, platform: str) -> str:
    """Return the column that most likely holds the handles or profiles of people; empty for
    none."""
    named = X_COLUMN if platform == DEFAULT_PLATFORM else PROFILE_COLUMN
    for at, name in enumerate(sheet.columns):
        if named.search(name) and _are_handles(name, [row[at] for row in sheet.first], platform):
            return name
    return ""


def _are_handles(name: str, cells: Sequence[str], platform: str) -> bool:
    """Return whether most cells with something in them are handles. A word alone is one only by the
    name of its column, and only of X: a first name may be the handle of a stranger."""
    there = [cell.strip() for cell in cells if cell.strip()]
    words = platform == DEFAULT_PLATFORM and X_COLUMN.search(name) is not None
    marked = [cell for cell in there if words or cell.startswith("@") or "/" in cell]
    read = (read_handle(cell, platform) for cell in marked)
    found = [one for one in read if isinstance(one, CellHandle) and one.handle]
    return 2 * len(found) > len(there)


def id_kind(sheet: SheetHead, column: str, platform: str) -> str:
    """Return what kind of ids a column holds, `platform`, `inbox` or `username`, and tell how many
    of the first rows have none. Raises UsageError where none of them has an id."""
    at = sheet.columns.index(column)
    cells = [row[at] for row in sheet.first]
    kind = ID_COLUMNS.get(column, "platform")
    if column not in ID_COLUMNS and any(INBOX_ID.fullmatch(cell.strip()) for cell in cells):
        kind = "inbox"
    check: Callable[[str], object] = id_checker(platform, kind)
    as_ids = sum(isinstance(check(cell), str) for cell in cells)
    numeric = platform == DEFAULT_PLATFORM and 2 * as_ids > len(cells)
    if column not in ID_COLUMNS and kind == "platform" and not numeric:
        kind = "username" if _are_handles(column, cells, platform) else kind
    if kind == "username":
        check = partial(read_handle, platform=platform)
    checked = map(check, cells)
    refused = [one for one in checked if isinstance(one, IdRefusal)]
    if len(refused) == len(cells):
        raise UsageError(f"column {column} has no ids: {refused[0].detail}")
    if refused:
        what = "handle" if kind == "username" else "id"
        rows = f"{len(refused)} of the first {len(cells)} rows have no usable {what}"
        tell(f"  {rows}, such as: {refused[0].detail}")
    if platform != DEFAULT_PLATFORM and kind == "platform":
        tell(
            f"  what the ids of {platform} look like is not published, and an address is hardly "
            "one: see that `run-campaign test` reaches you"
        )
    return kind
