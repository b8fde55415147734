"""Do-not-contact lists: each protects the people whom a person sees in it, or is refused."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from runner.audience.lists.suppression import PeopleList, people_told, read_list, shrunk
from runner.errors import AudienceError

ADA, BELA, CLEO = "1566123362161725441", "1566123362161725552", "1566123362161725663"
EXPORT = "row,recipient,status,reason,sender,twitter_id"


def read(folder: Path, text: str, name: str = "dnc.csv", **how: str) -> PeopleList:
    (folder / name).write_text(text, encoding="utf-8")
    return read_list(folder / name, how.pop("id_type", "platform"), "twitter", **how)  # type: ignore[arg-type]


def codes(found: PeopleList) -> list[str]:
    return [each.code for each in found.findings]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (f"Record ID,twitter_id\n5101,{BELA}\n", {"id": "Twitter ID"}),
        (f"Record ID,twitter_id\n5101,{BELA}\n", {"prospects_id": "twitter_id"}),
        (f"Record ID,x_user_id\n5101,{BELA}\n", {}),
        (f"Record ID,recipient\n5101,{BELA}\n", {}),
        (f"who\n{BELA}\n", {}),
        (f"{BELA}\n", {}),
        (f"x_user_id,status\n{BELA},subscribed\n", {}),
        (f"x_user_id,name\n{BELA},\n,\n \u200b,\n", {}),
        (f"{EXPORT}\n2,{BELA},sent,,a,{BELA}\n3,{CLEO},queued,,a,{CLEO}\n", {}),
        (f"{EXPORT}\n2,{BELA},in_doubt,,a,{BELA}\n3,,skipped,no_id,,\n", {"prospects_id": "x"}),
    ],
)
def test_the_column_with_the_ids(tmp_path: Path, text: str, how: dict[str, str]) -> None:
    found = read(tmp_path, text, **how)
    assert not found.findings
    assert set(found.people) == {BELA}


@pytest.mark.parametrize(
    "text",
    [
        f"Record ID,twitter_id\n5101,{BELA}\n",
        f"index,twitter\n0,{BELA}\n",
        f"{BELA},Bela\n{ADA},Ada\n",
        f"x_user_id,platform_id\n{BELA},{ADA}\n",
        "inbox_id,name\nab1,Bela\n",
    ],
)
def test_a_column_is_never_taken_in_silence(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert codes(found) == ["list_no_id_column"]
    assert not found.people


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("'101", "begins with an apostrophe"),
        ("+101", "begins with +"),
        ("101 # asked", "is more than an id"),
        ("https://x.com/i/user/101", "is an address"),
        ("１０１", "is not in the digits 0 to 9"),
        ("#N/A", "is a spreadsheet's error"),
        ("@bela", "is a username"),
        ("101 102", "are several ids"),
        ("1.56612E+18", "Excel has rounded"),
        ("1566123362161720000", "has rounded"),
        ("", "has no id beside Bela"),
    ],
)
def test_a_row_that_yields_no_id_is_told(tmp_path: Path, cell: str, why: str) -> None:
    found = read(tmp_path, f"x_user_id,name\n{ADA},Ada\n{cell},Bela\n")
    assert codes(found) == ["list_bad_id"]
    assert found.findings[0].row == 3
    assert why in str(found.findings[0])


@pytest.mark.parametrize(
    "first", ["'101", "+101", "101 # asked", "１０１", "101.0", "1.5E+18", "@ada"]
)
def test_a_first_line_with_an_id_is_no_header(tmp_path: Path, first: str) -> None:
    found = read(tmp_path, f"{first}\n{BELA}\n")
    assert codes(found) == ["list_bad_id"]
    assert found.findings[0].row == 1


def test_only_an_id_of_the_other_kind(tmp_path: Path) -> None:
    found = read(tmp_path, f"inbox_id,x_user_id\nab1,{BELA}\nab2,\n")
    assert "row 3: has only inbox_id, an id of the other kind" in str(found.findings[0])


def test_many_rows_with_a_fault_are_one_finding(tmp_path: Path) -> None:
    found = read(tmp_path, "x_user_id\n" + "@ada\n" * 12)
    assert [str(each).split(": ", 1)[1] for each in found.findings] == [
        "12 rows (2, 3, 4 …) have something in them but no id; the first: @ada is a username; the "
        "API needs the numeric id"
    ]


def test_rounded_ids_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, "x_user_id\n" + "".join(f"15661233621617{n}0000\n" for n in range(4)))
    assert codes(found) == ["ids_rounded"]


def test_a_list_of_nobody(tmp_path: Path) -> None:
    assert codes(read(tmp_path, "nothing here\n")) == ["list_nobody"]
    assert codes(read(tmp_path, f"{EXPORT}\n2,{BELA},queued,,a,\n")) == ["list_nobody"]
    assert codes(read(tmp_path, "x_user_id\n")) == []  # a list that is empty yet
    assert codes(read(tmp_path, "sent\n", prospects_id="sent")) == []


def test_a_workbook_whose_second_sheet_has_people_is_refused(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["x_user_id"])
    book.active.append([ADA])
    book.create_sheet("more").append([BELA])
    book.save(tmp_path / "dnc.xlsx")
    with pytest.raises(AudienceError, match="has the sheets"):
        read_list(tmp_path / "dnc.xlsx", "platform", "twitter")


def test_hidden_rows_of_a_list_are_people(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["x_user_id"], [ADA], [BELA]):
        book.active.append(row)
    book.active.row_dimensions[3].hidden = True
    book.save(tmp_path / "dnc.xlsx")
    found = read_list(tmp_path / "dnc.xlsx", "platform", "twitter")
    assert not found.findings
    assert set(found.people) == {ADA, BELA}


def test_what_a_list_protects(tmp_path: Path) -> None:
    found = read(tmp_path, f"x_user_id\n{ADA}\n{BELA}\n")
    told = [str(each) for each in people_told([found], [BELA])]
    assert told == [f"{tmp_path / 'dnc.csv'}: 2 people, 1 of them in the sheet"]


def test_a_list_that_has_shrunk() -> None:
    assert not shrunk(Path("dnc.csv"), 10, 8)
    assert not shrunk(Path("dnc.csv"), 0, 0)
    assert [each.code for each in shrunk(Path("dnc.csv"), 10, 7)] == ["list_shrank"]
    assert [each.code for each in shrunk(Path("dnc.csv"), 1, 0)] == ["list_shrank"]


ID = st.integers(10**17, 2 * 10**18).map(str)
GARBAGE = st.one_of(
    st.just(""),
    st.text("abc XYZé'+#@/.,0123456789١", max_size=12),
    st.sampled_from(["Bela", "5101", "#N/A", "asked by phone", "n/a", "0"]),
)
NAMES = st.sampled_from(
    ["x_user_id", "Record ID", "twitter_id", "name", "Twitter ID", "recipient", "inbox_id", "phone"]
)


def _seen(names: list[str], row: list[str]) -> set[str]:
    """Whom a person sees in a row: any of these."""
    named = {
        str(int(cell))
        for name, cell in zip(names, map(str.strip, row), strict=False)
        if name in ("x_user_id", "recipient") and cell.isascii() and cell.isdigit() and int(cell)
    }
    return named or {each.strip() for each in row if len(each.strip()) >= 18}


def test_a_long_number_beside_an_id_is_nobody(tmp_path: Path) -> None:
    """Such as the number of a post, or of a record."""
    found = read(tmp_path, "x_user_id,Record ID\n783214,100000000000000001\n")
    assert not found.findings
    assert set(found.people) == {"783214"}


@given(
    names=st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold),
    data=st.data(),
    headed=st.booleans(),
)
def test_any_table_protects_whom_a_person_sees_or_is_refused(
    names: list[str], data: st.DataObject, headed: bool
) -> None:
    """A person sees the id in the column that is called so; elsewhere, wherever 18 digits stand."""
    cell = st.one_of(ID, GARBAGE)
    rows = data.draw(st.lists(st.lists(cell, min_size=len(names), max_size=len(names)), max_size=5))
    at = data.draw(st.integers(0, len(names) - 1))
    for row in rows:
        if data.draw(st.booleans()):
            row[at] = data.draw(ID)
    seen = [_seen(names if headed else [], row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dnc.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([names, *rows] if headed else rows)
        try:
            found = read_list(path, "platform", "twitter")
        except AudienceError:
            return
    if found.findings:
        return
    for row, people in zip(rows, seen, strict=True):
        if any(each.strip() for each in row):
            assert people & found.people.keys() or not people


def test_a_list_of_one_rounded_id_of_18_digits(tmp_path: Path) -> None:
    assert codes(read(tmp_path, "x_user_id\n156612336216172000\n")) == ["list_bad_id"]
