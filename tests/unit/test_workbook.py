"""Workbooks: which sheet is read, and each cell as the spreadsheet shows it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.audience.ids import IdRefusal, id_checker
from runner.errors import AudienceError
from runner.findings import FindingError
from runner.message.status import SkipReason
from runner.tables.cell_types import ErrorCell, FormattedNumber, RoundedNumber, Truth, Uncalculated
from runner.tables.excel.spreadsheetml import unescaped
from runner.tables.reader import Table, read_table

IDS = ("x_user_id", "platform_id", "inbox_id")
HEADER = ["x_user_id", "name"]
ADA = ["1566123362161725441", "Ada"]
BELA = ["1566123362161725552", "Bela"]
CLEO = ["1566123362161725663", "Cleo"]


def made(folder: Path, *rows: list[Any], change: Callable[[Any], None] | None = None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change:
        change(book)
    path = folder / "a.xlsx"
    book.save(path)
    return path


def opened(path: Path, sheet: str | None = None) -> Table:
    return read_table(path, sheet=sheet, wanted=IDS)


def told(table: Table) -> dict[str, str]:
    return {each.code: str(each).replace(str(table.path), "F") for each in table.findings}


def names(table: Table) -> list[str]:
    at = table.columns.index("name")
    return [cells[at] for _, cells in table.rows()]


def edited(path: Path, part: str, old: str, new: str) -> Path:
    """The workbook with one of its parts changed."""
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    assert old.encode() in parts[part], parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w") as package:
        for name, data in parts.items():
            package.writestr(name, data)
    return path


# Sheets -----------------------------------------------------------------------------------------


def second(name: str, *rows: list[Any], state: str = "visible") -> Callable[[Any], None]:
    def change(book: Any) -> None:
        book.active.title = "People"
        sheet = book.create_sheet(name, 0)
        sheet.sheet_state = state
        for row in rows:
            sheet.append(row)

    return change


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_not_read(tmp_path: Path, state: str) -> None:
    table = opened(made(tmp_path, HEADER, ADA, change=second("Old", HEADER, BELA, state=state)))
    assert names(table) == ["Ada"]
    assert told(table) == {"sheet_read": "F: sheet People, A1:B2"}


def test_several_sheets_with_a_header_are_refused_until_one_is_named(tmp_path: Path) -> None:
    path = made(tmp_path, HEADER, ADA, change=second("Old", HEADER, BELA))
    with pytest.raises(FindingError, match=r"has the sheets Old and People; write prospects") as it:
        opened(path)
    assert it.value.finding.code == "sheet_unclear"
    assert names(opened(path, "People")) == ["Ada"]
    assert names(opened(path, "old ")) == ["Bela"]
    with pytest.raises(AudienceError, match=r"no sheet Poeple .*; did you mean People\? sheets"):
        opened(path, "Poeple")


def test_a_sheet_without_the_id_column_is_no_second_table(tmp_path: Path) -> None:
    path = made(tmp_path, HEADER, ADA, change=second("Notes", ["what this is"]))
    assert names(opened(path)) == ["Ada"]
    with pytest.raises(FindingError, match="Notes and People; keep the one that counts"):
        read_table(path)


def test_a_sheet_of_a_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x_user_id\n1\n")
    with pytest.raises(AudienceError, match="is not a workbook and has no sheets; remove"):
        opened(tmp_path / "a.csv", "People")


def test_a_workbook_under_another_name_is_read(tmp_path: Path) -> None:
    path = made(tmp_path, HEADER, ADA).rename(tmp_path / "a.csv")
    assert names(opened(path)) == ["Ada"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"<!DOCTYPE html><table><tr><td>x_user_id", "is a web page, no Excel workbook"),
        (b"\xef\xbb\xbf\n<HTML xmlns:x='y'>", "is a web page, no Excel workbook"),
        (b"<?xml version='1.0'?><Workbook/>", "is an XML file, no Excel workbook"),
        (b"x_user_id,name\n1,Ada\n", "is a text file, no Excel workbook; give it the ending .csv"),
        (b"\xd0\xcf\x11\xe0", "is protected by a password, or an old .xls file"),
        (b"PK\x03\x04", "is not an Excel workbook, or a damaged one"),
    ],
)
def test_what_is_no_workbook_is_called_what_it_is(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(AudienceError, match=what):
        opened(tmp_path / "a.xlsx")


# Rows and columns -------------------------------------------------------------------------------


def test_hidden_rows_are_a_question(tmp_path: Path) -> None:
    def hide(book: Any) -> None:
        for row in (1, 3, 4, 9):  # the header's and an empty one are nobody
            book.active.row_dimensions[row].hidden = True

    table = opened(made(tmp_path, HEADER, ADA, BELA, CLEO, change=hide))
    assert told(table)["hidden_rows"] == (
        "F: sheet Sheet: rows 3 and 4 are hidden or filtered out; delete them, or show them"
    )
    assert names(table) == ["Ada", "Bela", "Cleo"]


def test_a_merged_cell_counts_for_all_that_it_covers(tmp_path: Path) -> None:
    def merge(book: Any) -> None:
        book.active.merge_cells("C2:C3")
        book.active.merge_cells("C4:D9")

    rows: list[list[Any]] = [[*ADA, "Northwind"], [*BELA, None], [*CLEO, "Contoso"]]
    table = opened(made(tmp_path, [*HEADER, "company", "town"], *rows, change=merge))
    found = [cells[2:] for _, cells in table.rows()]
    assert found == [["Northwind", ""], ["Northwind", ""], ["Contoso", "Contoso"]]
    assert told(table)["cells_merged"] == (
        "F: column company: 2 cells are merged, the first over rows 2 to 3; "
        "each counts for all that it covers"
    )


def test_a_title_above_the_header(tmp_path: Path) -> None:
    def merge(book: Any) -> None:
        book.active.merge_cells("A1:C1")

    table = opened(made(tmp_path, ["Spring"], [], HEADER, ADA, change=merge))
    assert list(table.rows()) == [(4, ADA)]
    assert told(table) == {
        "sheet_read": "F: sheet Sheet, A3:B4",
        "lines_above_header": "F: rows 1 to 2 above the header are left out",
    }


def test_a_header_of_two_rows_with_a_merged_id(tmp_path: Path) -> None:
    def merge(book: Any) -> None:
        book.active.merge_cells("A1:A2")
        book.active.merge_cells("B1:C1")

    upper, lower = ["x_user_id", "Person", None], [None, "name", "town"]
    table = opened(made(tmp_path, upper, lower, [*ADA, "Ulm"], change=merge))
    assert table.columns == ["x_user_id", "name", "town"]
    assert list(table.rows()) == [(3, [*ADA, "Ulm"])]


def test_a_column_without_a_name_and_with_nothing_in_it_is_left_out(tmp_path: Path) -> None:
    table = opened(made(tmp_path, [None, "x_user_id", None, "name"], [None, ADA[0], None, "Ada"]))
    assert (table.columns, list(table.rows())) == (HEADER, [(2, ADA)])
    assert told(table)["sheet_read"] == "F: sheet Sheet, B1:D2"


# Cells ------------------------------------------------------------------------------------------


def shown(tmp_path: Path, value: Any, code: str = "General") -> str:
    def change(book: Any) -> None:
        book.active["B2"].number_format = code

    table = opened(made(tmp_path, HEADER, [ADA[0], value], change=change))
    return next(table.rows())[1][1]


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (0.15000000000000002, "0%", "15%"),
        (59.970000000000006, "General", "59.97"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (2134, "00000", "02134"),
        (date(2026, 3, 5), "d mmmm yyyy", "5 March 2026"),
        (time(9, 30), "h:mm AM/PM", "9:30 AM"),
        ("Ada", "@", "Ada"),
        (5, "@", "5"),
    ],
)
def test_a_cell_is_what_it_shows(tmp_path: Path, value: Any, code: str, text: str) -> None:
    assert shown(tmp_path, value, code) == text


def test_formats_that_are_not_known_are_told(tmp_path: Path) -> None:
    def change(book: Any) -> None:
        book.active["C2"].number_format = "# ?/?"
        book.active["D2"].number_format = "mm-dd-yy"

    row = [*ADA, 1.5, date(2026, 3, 5)]
    table = opened(made(tmp_path, [*HEADER, "size", "day"], row, change=change))
    assert next(table.rows())[1][2:] == ["1.5", "2026-03-05"]
    assert [str(each).partition(": ")[2] for each in table.findings[1:]] == [
        "column size: the format # ?/? is not known here; 1.5 is printed",
        "column day: each computer shows these dates in its own way; 2026-03-05 is printed",
    ]


def test_cells_that_are_more_than_text(tmp_path: Path) -> None:
    assert isinstance(shown(tmp_path, True), Truth)
    assert not shown(tmp_path, False)
    assert isinstance(shown(tmp_path, "#N/A"), ErrorCell)
    assert isinstance(shown(tmp_path, "=A1"), Uncalculated)
    assert isinstance(shown(tmp_path, 1234567890123456789), RoundedNumber)
    price = shown(tmp_path, 1234.5, "#,##0.00")
    assert isinstance(price, FormattedNumber)
    assert (price, price.plain) == ("1,234.50", "1234.5")


@pytest.mark.parametrize(
    ("cell", "stale", "kind"),
    [
        ("<f>A1</f><v></v>", False, Uncalculated),
        ("<f>A1</f><v>5</v>", True, str),
        ("<f>A1</f><v>0</v>", False, str),
        ("<f>A1</f><v>0</v>", True, Uncalculated),
    ],
)
def test_a_formula_without_a_result(
    tmp_path: Path, cell: str, stale: bool, kind: type[str]
) -> None:
    path = edited(
        made(tmp_path, HEADER, [ADA[0], "=A1"]), "xl/worksheets/sheet1.xml", "<f>A1</f><v />", cell
    )
    if not stale:
        edited(path, "xl/workbook.xml", 'fullCalcOnLoad="1"', "")
    table = opened(path)
    assert type(next(table.rows())[1][1]) is kind
    assert {at: str(rows) for at, rows in table.uncalculated.items()} == (
        {1: "row 2"} if kind is Uncalculated else {}
    )


def test_an_empty_text_of_a_formula_is_its_result(tmp_path: Path) -> None:
    path = made(tmp_path, HEADER, [ADA[0], "=A1"])
    edited(path, "xl/workbook.xml", 'fullCalcOnLoad="1"', "")
    cell = '<c r="B2" t="str"><f>A1</f><v></v></c>'
    edited(path, "xl/worksheets/sheet1.xml", '<c r="B2"><f>A1</f><v /></c>', cell)
    assert opened(path).uncalculated == {}


def test_an_id_that_a_formula_did_not_give_is_called_so() -> None:
    for id_type in ("platform", "inbox"):
        check = id_checker("twitter", id_type)
        for cell, what in ((Uncalculated(), "never calculated"), (ErrorCell("#N/A"), "#N/A")):
            refused = check(cell)
            assert isinstance(refused, IdRefusal)
            assert refused.reason is SkipReason.BAD_ID
            assert what in refused.detail


def test_an_id_is_the_number_and_not_its_format() -> None:
    check = id_checker("twitter", "platform")
    assert check(FormattedNumber("1,234,567", "1234567")) == "1234567"
    assert check(FormattedNumber("0001234567", "1234567")) == "1234567"
    assert isinstance(check(FormattedNumber("5", "4.6")), IdRefusal)
    assert id_checker("other", "platform")(FormattedNumber("00123", "123")) == "00123"
    assert id_checker("other", "platform")(FormattedNumber("1,234", "1234")) == "1234"


def test_rich_text_without_its_reading_aid(tmp_path: Path) -> None:
    path = made(tmp_path, HEADER, [ADA[0], "太郎"])
    rich = "<r><t>太</t></r><r><t>郎</t></r><rPh sb='0' eb='2'><t>タロウ</t></rPh>"
    inline = 't="inlineStr"><is><t>太郎</t></is>'
    part = "xl/worksheets/sheet1.xml"
    edited(path, part, inline, f't="inlineStr"><is>{rich}</is>')
    assert names(opened(path)) == ["太郎"]
    edited(path, part, f't="inlineStr"><is>{rich}</is>', 't="s"><v>1</v>')
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("xl/sharedStrings.xml", f"<sst><si><t>x</t></si><si>{rich}</si></sst>")
    assert names(opened(path)) == ["太郎"]


# Escapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("a_x000D_\nb", "a\nb"),
        ("Bela_x000D_", "Bela\n"),
        ("_x005F_x000D_", "_x000D_"),
        ("_x005f_x005F_", "_x005F_"),
        ("_xD83D__xDE00_", "😀"),
        ("a_x0000_b", "ab"),
        ("_xZZZZ_ _x12_", "_xZZZZ_ _x12_"),
    ],
)
def test_escapes_are_undone(stored: str, text: str) -> None:
    assert unescaped(stored) == text


@given(st.text(st.sampled_from("_x005FDdaé\n0"), max_size=20) | st.text(max_size=20))
def test_what_a_spreadsheet_escapes_comes_back(text: str) -> None:
    stored = "".join(
        f"_x{ord(char):04X}_" if char == "_" or (ord(char) < 32 and char != "\n") else char
        for char in text
    )
    plain = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" not in text:
        assert unescaped(stored) == plain
