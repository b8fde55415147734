"""Sheets and do-not-contact lists as other programs write them: each person gets exactly the text
that the sheet shows, or the run refuses with a reason; who is on a list gets nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import openpyxl

from runner.campaign.loader import load_campaign
from runner.errors import RunnerError
from runner.message.plan import Entry
from runner.planning.draft import make_draft
from runner.planning.planner import plan_messages, render_with
from runner.run.preparation.review import review
from tests.fuzz.values import one_line

TEXT = "Hi {{ first_name | default('there') }}{% if company %} of {{ company }}{% endif %}!"
HEADER = ("x_user_id", "first_name", "company", "note")
NAMES = (
    *("Ada", "Björn", "Zoë", "Łukasz", "太郎", "Иван", "O'Brien", "Anne-Marie", "İpek", "محمد"),
    *("J#", "{Ada}", 'Ada "Bee" Cee', "Smith, Jo", "Ada; Bela", "R&D", "5", "Nan Goldin", "=Ada"),
)
COMPANIES = ("Acme", "Northwind, Inc.", "R&D Ltd", "Fabrikam; Sons", "100", "Ådal AB", "#1 Tools")
NOTES = ("", "met at a fair", 'likes 5" pipes', "one, two; three", "#later", "{x}")
NOTHING = (
    "",
    " ",
    "NULL",
    "null",
    "nan",
    "NaN",
    "N/A",
    "n/a",
    "undefined",
    "\\N",
    "#N/A",
    "\u200b",
)


@dataclass(frozen=True)
class Person:
    """Somebody whom a person at the keyboard means: what their row shows."""

    id: str
    name: str
    company: str
    note: str
    is_listed: bool

    @property
    def cells(self) -> list[str]:
        return [self.id, self.name, self.company, self.note]

    @property
    def text(self) -> str:
        name = "there" if self.name in NOTHING else self.name
        return f"Hi {name}{'' if self.company in NOTHING else f' of {self.company}'}!"


@dataclass(frozen=True)
class Sheet:
    """A file. `must_go`: nothing about it is doubtful, so that everybody has to get their text."""

    name: str
    data: bytes
    must_go: bool = True


def case(luck: Random, folder: Path) -> str:
    """One campaign, planned without a ledger."""
    people = _people(luck)
    sheet = luck.choice(SHEETS)(luck, people)
    dnc = luck.choice(LISTS)(luck, [one for one in people if one.is_listed])
    for file in (sheet, dnc):
        (folder / file.name).write_bytes(file.data)
    path = folder / "people.yaml"
    path.write_text(
        f"senders: [df6jbw4h36qm5d9iu2sgn7kx]\nprospects: {sheet.name}\nsuppress: {dnc.name}\n"
        f"message: {json.dumps(TEXT)}\n",
        encoding="utf-8",
    )
    must_go = sheet.must_go and dnc.must_go
    try:
        sent = _planned(path)
    except _Refused:
        if must_go:
            raise
        return "refused"
    meant = {one.id: one.text for one in people if not one.is_listed}
    for id, text in sent.items():
        assert meant.get(id) == text, f"{id} would get {text!r}, meant: {meant.get(id)!r}"
    assert not must_go or sent == meant, f"left out: {meant.keys() - sent.keys()}"
    return "all" if sent == meant else "some"


class _Refused(Exception):
    """Nothing is sent, for a reason that is told."""


def _planned(path: Path) -> dict[str, str]:
    """Whom a run would write to, and what."""
    campaign = load_campaign(path)
    try:
        draft = make_draft(campaign, None)
        found = review(draft, None, 0.0)
        if found.open:
            raise _Refused("; ".join(one_told(str(each)) for each in found.open))
        chunks = plan_messages(
            draft.audience.rows(),
            render_with(draft.texts),
            campaign.senders,
            lambda _: {},
            draft.suppressed,
        )
        entries = [entry for chunk in chunks for entry in chunk if isinstance(entry, Entry)]
    except RunnerError as error:
        raise _Refused(one_told(str(error))) from None
    return {
        entry.planned.recipient.id: entry.planned.text
        for entry in entries
        if entry.planned.skip is None
    }


def one_told(told: str) -> str:
    one_line(told)
    return told


def _people(luck: Random) -> list[Person]:
    ids = luck.sample(range(10**18, 2 * 10**18), luck.randrange(6, 14))
    if luck.random() < 0.2:  # one that ends in zeros by chance
        ids[0] = ids[0] // 10 * 10
    return [
        Person(
            str(id),
            luck.choice(NAMES) if luck.random() < 0.85 else luck.choice(NOTHING),
            luck.choice(COMPANIES) if luck.random() < 0.7 else luck.choice(NOTHING),
            luck.choice(NOTES),
            luck.random() < 0.25,
        )
        for id in ids
        if id % 1000  # four zeros are taken for lost digits, chance or not
    ]


def _written(rows: Sequence[Sequence[str]], **how: Any) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, **({"lineterminator": "\r\n"} | how)).writerows(rows)
    return out.getvalue()


def _rows(people: Sequence[Person]) -> list[list[str]]:
    return [list(HEADER), *(one.cells for one in people)]


def _text_table(luck: Random, people: Sequence[Person]) -> Sheet:
    """As most programs write one."""
    text = _written(
        _rows(people),
        delimiter=(separator := luck.choice(",;\t|")),
        quoting=luck.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)),
        lineterminator=luck.choice(("\n", "\r\n", "\r")),
    )
    if luck.random() < 0.2 and separator == ";":
        text = "sep=;\r\n" + text
    return Sheet("p.csv", text.encode(luck.choice(("utf-8", "utf-8-sig", "utf-16"))))


def _short_rows(luck: Random, people: Sequence[Person]) -> Sheet:
    """As Excel leaves off the empty last cells of some rows."""
    rows = _rows(people)
    for row in rows[1:]:
        while row[-1] == "":
            row.pop()
    return Sheet("p.csv", _written(rows).encode(), must_go=False)


def _guarded_digits(luck: Random, people: Sequence[Person]) -> Sheet:
    """Ids as `="…"`, so that Excel leaves their digits alone."""
    rows = _rows(people)
    for row in rows[1:]:
        row[0] = f'="{row[0]}"'
    return Sheet("p.csv", _written(rows).encode())


def _space_before_quotes(luck: Random, people: Sequence[Person]) -> Sheet:
    """A space after each separator, and then a quote."""
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in _rows(people)]
    return Sheet("p.csv", "\n".join(", ".join(row) for row in quoted).encode())


def _joined(luck: Random, people: Sequence[Person]) -> Sheet:
    """Two exports in one file: the header stands again among the rows."""
    rows = _rows(people)
    rows.insert(luck.randrange(2, len(rows)), list(HEADER))
    return Sheet("p.csv", _written(rows).encode())


def _joined_otherwise(luck: Random, people: Sequence[Person]) -> Sheet:
    """Two exports in one file, the second with its columns in another order."""
    rows = _rows(people)
    at = luck.randrange(2, len(rows))
    turned = [[row[0], row[2], row[1], row[3]] for row in [list(HEADER), *rows[at:]]]
    return Sheet("p.csv", _written([*rows[:at], *turned]).encode(), must_go=False)


def _preamble(luck: Random, people: Sequence[Person]) -> Sheet:
    """Lines above the header, as LinkedIn and reports have them."""
    above = luck.choice(
        (
            'Notes:\r\n"When exporting your data, you may notice gaps."\r\n\r\n',
            "\r\n",
            "Leads\r\n\r\n",
        )
    )
    return Sheet("p.csv", (above + _written(_rows(people))).encode(), must_go=False)


def _footer(luck: Random, people: Sequence[Person]) -> Sheet:
    """Lines below the rows, as Salesforce has them."""
    below = '\r\n\r\n"Leads of spring"\r\n"Copyright (c) 2000-2026 salesforce.com, inc."\r\n'
    return Sheet("p.csv", (_written(_rows(people)) + below).encode(), must_go=False)


def _lone_quote(luck: Random, people: Sequence[Person]) -> Sheet:
    """A quote that nobody has closed, and another some rows later."""
    lines = [",".join(row) for row in _rows(people) if not any(set(',"') & set(c) for c in row)]
    for at in sorted({luck.randrange(len(lines)), luck.randrange(len(lines))} - {0}):
        cells = lines[at].split(",")
        cells[luck.choice((1, 2, 3))] = '"' + luck.choice(("Al", "Bo"))
        lines[at] = ",".join(cells)
    return Sheet("p.csv", "\n".join(lines).encode(), must_go=False)


def _rounded(luck: Random, people: Sequence[Person]) -> Sheet:
    """Ids as a spreadsheet, JavaScript or pandas leaves them that took them for numbers."""
    rounded = luck.choice(
        (
            lambda id: id[:15] + "0" * (len(id) - 15),
            lambda id: f"{float(id):.16e}",
            lambda id: f"{float(id):.5E}",
            lambda id: f"{int(float(f'{float(id):.16e}'))}"[:17] + "0" * (len(id) - 17),
        )
    )
    rows = _rows(people)
    for row in rows[1:]:
        row[0] = rounded(row[0])
    return Sheet("p.csv", _written(rows).encode(), must_go=False)


def _old_encoding(luck: Random, people: Sequence[Person]) -> Sheet:
    """A code page that the campaign does not name; now and then in one line of many."""
    codec = luck.choice(("cp1252", "cp1250", "cp1251", "shift_jis", "mac_roman", "cp850"))
    lines = _written(_rows(people)).splitlines(keepends=True)
    mixed = luck.random() < 0.3
    data = b"".join(
        line.encode("utf-8" if mixed and number % 3 else codec, "ignore")
        for number, line in enumerate(lines)
        if _fits(line, codec)
    )
    return Sheet("p.csv", data, must_go=False)


def _fits(line: str, codec: str) -> bool:
    try:
        return line.encode(codec).decode(codec) == line
    except UnicodeError:
        return False


def _json(luck: Random, people: Sequence[Person]) -> Sheet:
    """JSON lines or an array, with lists in a column that nothing uses."""
    rows = [
        dict(zip(HEADER, one.cells, strict=True)) | {"tags": ["a"], "at": {"b": 1}}
        for one in people
    ]
    if luck.random() < 0.5:
        return Sheet("p.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return Sheet("p.json", json.dumps(rows, ensure_ascii=False, indent=1).encode())


def _workbook(luck: Random, people: Sequence[Person]) -> Sheet:
    """A workbook with ids as text, and now and then a hidden worksheet before it."""
    book = openpyxl.Workbook()
    _fill(book.active, _rows(people))
    if luck.random() < 0.4:
        old = book.create_sheet("Old", 0)
        _fill(old, [list(HEADER), ["1456123362161725774", "Dana", "Old", ""]])
        old.sheet_state = luck.choice(("hidden", "veryHidden"))
    if luck.random() < 0.4:
        book.create_sheet("Notes")
    return _saved("p.xlsx", book)


def _doubtful_workbook(luck: Random, people: Sequence[Person]) -> Sheet:
    """A second worksheet with people, hidden rows, ids as numbers, a title above the header."""
    book = openpyxl.Workbook()
    sheet = book.active
    rows: list[list[Any]] = [list(row) for row in _rows(people)]
    other: list[list[str]] = [list(HEADER), ["1456123362161725774", "Dana", "Old", ""]]
    match luck.randrange(4):
        case 0:
            _fill(sheet, rows)
            _fill(book.create_sheet("Other", luck.randrange(2)), other)
        case 1:
            _fill(sheet, [*rows, other[1]])
            sheet.row_dimensions[len(rows) + 1].hidden = True
        case 2:
            _fill(sheet, [[int(row[0][:15] + "000"), *row[1:]] for row in rows[1:]])
            sheet.insert_rows(1)
            for column, name in enumerate(HEADER, 1):
                sheet.cell(1, column, name)
        case _:
            _fill(sheet, [["Leads of spring"], [], *rows])
    return _saved("p.xlsx", book, must_go=False)


def _fill(sheet: Any, rows: Sequence[Sequence[Any]]) -> None:
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            cell = sheet.cell(number, column)
            if value == "#N/A":
                cell.value, cell.data_type = value, "e"
            elif isinstance(value, str):
                cell.value, cell.data_type = value, "s"  # no formula, whatever it begins with
            else:
                cell.value = value


def _saved(name: str, book: Any, *, must_go: bool = True) -> Sheet:
    out = io.BytesIO()
    book.save(out)
    return Sheet(name, out.getvalue(), must_go)


def _list(luck: Random, people: Sequence[Person]) -> Sheet:
    """Ids one a line, with or without a header, or a table whose id column has a known name."""
    ids = [one.id for one in people]
    name = luck.choice(("x_user_id", "X User ID", "platform_id", "recipient"))
    match luck.randrange(4):
        case 0:
            text = "".join(f"{id}\n" for id in ids)
        case 1:
            text = "".join(f"{id}\r\n" for id in [HEADER[0], *ids])
        case 2:
            text = _written([["record", name, "name"], *(["77", id, "B"] for id in ids)])
        case _:
            text = _written([["id", "name", "x_user_id"], *(["77", "B", id] for id in ids)])
    return Sheet("dnc.csv", text.encode(luck.choice(("utf-8", "utf-8-sig"))), bool(text))


def _odd_list(luck: Random, people: Sequence[Person]) -> Sheet:
    """A list whose ids no row of a sheet has in that form, or that hides its people."""
    ids = [one.id for one in people]
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    match luck.randrange(8):
        case 0:
            lines = [f"'{id}" for id in ids]
        case 1:
            lines = [f"+{id}" for id in ids]
        case 2:
            lines = [f"{id} # asked by mail" for id in ids]
        case 3:
            lines = [id.translate(wide) for id in ids]
        case 4:
            lines = ["x_user_id", *(id[:15] + "0" * (len(id) - 15) for id in ids)]
        case 5:
            lines = ["name,record,mail", *(f"B,{id},b@example.com" for id in ids)]
        case 6:
            lines = ["; ".join(ids)]
        case _:
            lines = [f"https://x.com/i/user/{id}" for id in ids]
    return Sheet("dnc.csv", "\n".join(lines).encode(), must_go=False)


def _list_workbook(luck: Random, people: Sequence[Person]) -> Sheet:
    """A workbook; now and then its people stand on a second worksheet, or behind a formula."""
    book = openpyxl.Workbook()
    rows = [["x_user_id", "name"], *([one.id, "B"] for one in people)]
    match luck.randrange(3):
        case 0:
            _fill(book.active, rows)
            return _saved("dnc.xlsx", book)
        case 1:
            _fill(book.active, [["x_user_id", "name"]])
            _fill(book.create_sheet("More"), rows)
        case _:
            _fill(book.active, rows)
            for row in range(2, len(rows) + 1):
                book.active.cell(row, 1).value = f'="{rows[row - 1][0]}"'
    return _saved("dnc.xlsx", book, must_go=False)


Make = Callable[[Random, Sequence[Person]], Sheet]
SHEETS: Sequence[Make] = (
    *(_text_table, _text_table, _short_rows, _guarded_digits, _space_before_quotes, _joined),
    *(_joined_otherwise, _preamble, _footer, _lone_quote, _rounded, _old_encoding, _json),
    *(_workbook, _doubtful_workbook),
)
LISTS: Sequence[Make] = (_list, _list, _list, _odd_list, _list_workbook)
