"""The audience: every row is a prospect or says why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from unicodedata import normalize

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.audience.columns import normal_column
from runner.audience.ids import IdRefusal, id_checker
from runner.audience.lists.list_columns import LIST_COLUMNS
from runner.audience.lists.suppression import (
    ListEntry,
    ListSource,
    read_list,
    read_lists,
    refuse_errors,
    suppressed_by,
)
from runner.audience.prospects import Audience, missing_columns, read_audience
from runner.campaign.loader import load_campaign
from runner.clock import iso
from runner.errors import AudienceError
from runner.message.prospect import Prospect, Recipient, RowSkip
from runner.message.status import SkipReason
from runner.tables.cell_types import RoundedNumber
from runner.tables.writer import write_table
from runner.templating.template import load_template

SAMPLES = Path(__file__).parents[2]


def read_suppressed(paths: list[Path], id_type: str, platform: str) -> dict[str, str]:
    """Who stands in lists, and where. Raises AudienceError for what protects nobody."""
    lists = read_lists([ListSource(path) for path in paths], id_type, platform)
    refuse_errors(lists)
    return suppressed_by(lists)


def audience(
    folder: Path, rows: str, prospects: str = "", rest: str = "", name: str = "people.csv"
) -> Audience:
    """The audience of a file with these rows; `prospects` and `rest` are YAML."""
    (folder / name).write_text(rows)
    path = folder / "c.yaml"
    source = f"{{source: {name}{', ' if prospects else ''}{prospects}}}"
    path.write_text(f"senders: [a1]\nprospects: {source}\nmessage: x\n{rest}\n")
    return read_audience(load_campaign(path))


def told(found: Audience) -> list[tuple[int, str, str]]:
    """(row, id or reason, detail) of every row."""
    return [
        (row.row, row.reason.value, row.detail)
        if isinstance(row, RowSkip)
        else (row.row, row.recipient.id, "")
        for row in found.rows()
    ]


def test_rows_become_prospects(tmp_path: Path) -> None:
    found = audience(tmp_path, "X_User_ID, First Name ,e-mail\n 71 , Ann ,a@b\n")
    assert found.columns == ["x_user_id", "first_name", "e_mail"]
    assert (found.id_column, found.id_type) == ("x_user_id", "platform")
    assert [str(each) for each in found.findings] == [
        f"{tmp_path / 'people.csv'}: columns are read as: 'e-mail' as e_mail, "
        "'X_User_ID' as x_user_id, 'First Name ' as first_name"
    ]
    (row,) = found.rows()
    assert row == Prospect(
        2,
        Recipient("twitter", "platform", "71"),
        {"x_user_id": "71", "first_name": "Ann", "e_mail": "a@b"},
    )
    assert list(found.rows()) == [row]


@pytest.mark.parametrize(
    ("cell", "reason", "detail"),
    [
        ("", "no_id", "the id is empty"),
        ("  ", "no_id", "the id is empty"),
        ("1.23E+18", "bad_id", "1.23E+18: Excel has rounded this id; format the column as text"),
        ("1,23e18", "bad_id", "1,23e18: Excel has rounded this id"),
        ("123.0", "bad_id", "123.0 is a number with a fraction; format the column as text"),
        ("@ada", "bad_id", "@ada is a username; the API needs the numeric id"),
        ("ada_l", "bad_id", "ada_l is a username; the API needs the numeric id"),
        ("https://x.com/ada", "bad_id", "https://x.com/ada is an address"),
        ("'123", "bad_id", "'123 begins with an apostrophe; remove it"),
        ("١٢٣", "bad_id", "١٢٣ is not in the digits 0 to 9"),
        ("²", "bad_id", "² is not an id"),
        ("12 34", "bad_id", "12 34 is not an id; X's ids are digits only"),
        ("-5", "bad_id", "-5 is not an id"),
        ("1" * 21, "bad_id", "1" * 21 + " is too long"),
        ("18446744073709551616", "bad_id", "18446744073709551616 is too long"),
    ],
)
def test_a_cell_that_is_no_x_id(cell: str, reason: str, detail: str) -> None:
    found = id_checker("twitter", "platform")(cell)
    assert isinstance(found, IdRefusal)
    assert found.reason == reason
    assert found.detail.startswith(detail)


@pytest.mark.parametrize(
    ("platform", "id_type", "cell", "result"),
    [
        ("twitter", "platform", " 71\t", "71"),
        ("twitter", "platform", "\u200b71\ufeff", "71"),
        ("twitter", "platform", "\xa071", "71"),
        ("twitter", "platform", "007", "7"),
        ("twitter", "platform", "00" + "9" * 19, "9" * 19),
        ("twitter", "platform", "9" * 19, "9" * 19),
        ("twitter", "platform", "18446744073709551615", "18446744073709551615"),
        ("twitter", "inbox", " ab12 ", "ab12"),
        ("twitter", "inbox", "AB12", None),
        ("twitter", "inbox", "a" * 65, None),
        ("twitter", "inbox", "1e5", None),
        ("linkedin", "platform", "urn:li:ACoAA-x_1", "urn:li:ACoAA-x_1"),
        ("linkedin", "platform", "a b", None),
        ("linkedin", "platform", "a" * 257, None),
        ("linkedin", "platform", RoundedNumber("123"), None),
    ],
)
def test_ids_by_kind(platform: str, id_type: str, cell: str, result: str | None) -> None:
    found = id_checker(platform, id_type)(cell)
    assert found == result if result is not None else isinstance(found, IdRefusal)


def test_a_rounded_cell_of_a_workbook_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["x_user_id"])
    book.active.append([1234567890123456789])
    book.active.append(["1234567890123456789"])
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "c.yaml").write_text("senders: [a1]\nprospects: a.xlsx\nmessage: x\n")
    first, second = read_audience(load_campaign(tmp_path / "c.yaml")).rows()
    assert isinstance(first, RowSkip)
    assert "Excel has rounded this id" in first.detail
    assert isinstance(second, Prospect)


def test_the_first_of_duplicates_wins(tmp_path: Path) -> None:
    found = audience(tmp_path, "x_user_id\n5\n6\n5\n 5 \n05\n")
    assert told(found) == [
        (2, "5", ""),
        (3, "6", ""),
        (4, "duplicate", "same id as row 2"),
        (5, "duplicate", "same id as row 2"),
        (6, "duplicate", "same id as row 2"),
    ]
    skips = [row for row in found.rows() if isinstance(row, RowSkip)]
    assert skips[0].recipient == Recipient("twitter", "platform", "5")


def test_where_selects_and_a_later_selected_row_is_written_to(tmp_path: Path) -> None:
    rows = "x_user_id,event\n5,b\n5, A \n6,a\n6,b\n7,\n"
    found = audience(tmp_path, rows, "where: {Event: a}")
    assert told(found) == [
        (2, "not_selected", "event is b, not one of prospects.where"),
        (3, "5", ""),
        (4, "6", ""),
        (5, "not_selected", "event is b, not one of prospects.where"),
        (6, "not_selected", "event is empty, not one of prospects.where"),
    ]


def test_defaults_fill_empty_cells_and_add_columns(tmp_path: Path) -> None:
    rows = "x_user_id,name\n5,\n6,Ann\n"
    found = audience(tmp_path, rows, "defaults: {name: there, Sign Off: Bye}")
    assert found.columns == ["x_user_id", "name", "sign_off"]
    assert [row.columns["name"] for row in found.rows()] == ["there", "Ann"]
    assert {row.columns["sign_off"] for row in found.rows()} == {"Bye"}


def test_time_zones(tmp_path: Path) -> None:
    rows = "x_user_id,tz\n5,Europe/London\n6,\n7,London\n"
    found = audience(tmp_path, rows, "timezone: tz")
    assert told(found) == [
        (2, "5", ""),
        (3, "6", ""),
        (4, "bad_timezone", "tz London is not an IANA time zone; did you mean Europe/London?"),
    ]
    zones = [row.zone for row in found.rows() if isinstance(row, Prospect)]
    assert zones == ["Europe/London", ""]


def test_suppressed_rows_say_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "no.csv").write_text("name,x_user_id\nAnn,5\n,\nBob, 6 \n")
    (tmp_path / "plain.txt").write_text("7\n8\n")
    rows = "x_user_id\n5\n6\n7\n8\n9\n5\n"
    found = audience(tmp_path, rows, rest="suppress: [no.csv, plain.txt]")
    assert told(found) == [
        (2, "suppressed", "is in no.csv row 2"),
        (3, "suppressed", "is in no.csv row 4"),
        (4, "suppressed", "is in plain.txt row 1"),
        (5, "suppressed", "is in plain.txt row 2"),
        (6, "9", ""),
        (7, "duplicate", "same id as row 2"),
    ]
    assert all(row.recipient for row in found.rows())


@pytest.mark.parametrize(
    ("name", "text", "id_type", "result"),
    [
        ("a.txt", "1\n2\n", "platform", {"1": "a.txt row 1", "2": "a.txt row 2"}),
        ("a.csv", "recipient,why\n1,asked\n", "platform", {"1": "a.csv row 2"}),
        ("a.txt", "email\nab1\n", "inbox", {"ab1": "a.txt row 2"}),
        ("a.txt", "ab1\nab2\n", "inbox", {"ab1": "a.txt row 1", "ab2": "a.txt row 2"}),
        ("a.csv", "inbox_id,x_user_id\nab1,5\n", "inbox", {"ab1": "a.csv row 2"}),
        ("a.csv", "inbox_id,x_user_id\nab1,5\n", "platform", {"5": "a.csv row 2"}),
        ("a.jsonl", '{"platform_id": 5}\n', "platform", {"5": "a.jsonl row 1"}),
    ],
)
def test_suppression_lists(
    tmp_path: Path, name: str, text: str, id_type: str, result: dict[str, str]
) -> None:
    (tmp_path / name).write_text(text)
    assert read_suppressed([tmp_path / name], id_type, "twitter") == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x_user_id\n5\n1.2E+18\n", "row 3: 1.2E[+]18: Excel has rounded this id"),
        ("x_user_id\n@ada\n", "row 2: @ada is a username"),
        ("inbox_id\nab1\n", "has inbox_id, but this campaign writes by platform ids"),
    ],
)
def test_a_suppression_list_that_cannot_be_trusted(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "no.csv").write_text(text)
    with pytest.raises(AudienceError, match=message):
        read_suppressed([tmp_path / "no.csv"], "platform", "twitter")


def test_a_missing_suppression_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match=r"no\.csv: no such file"):
        audience(tmp_path, "x_user_id\n5\n", rest="suppress: no.csv")


@pytest.mark.parametrize(
    ("rows", "prospects", "column", "id_type"),
    [
        ("platform_id\n5\n", "", "platform_id", "platform"),
        ("inbox_id\nab1\n", "", "inbox_id", "inbox"),
        ("Handle No,x_user_id\n5,6\n", "id: Handle No", "handle_no", "platform"),
        ("who\nab1\n", "id: who, id_type: inbox", "who", "inbox"),
    ],
)
def test_the_id_column(
    tmp_path: Path, rows: str, prospects: str, column: str, id_type: str
) -> None:
    found = audience(tmp_path, rows, prospects)
    assert (found.id_column, found.id_type) == (column, id_type)
    assert isinstance(next(found.rows()), Prospect)


@pytest.mark.parametrize(
    ("rows", "prospects", "message"),
    [
        ("x_user_id,inbox_id\n5,a\n", "", "has x_user_id and inbox_id; set prospects.id"),
        ("name\nAnn\n", "", "no column x_user_id, platform_id, inbox_id; set prospects.id .*name"),
        ("x_user_id\n5\n", "id: x_user", "no column x_user .prospects.id.; did you mean x_user_id"),
        ("x_user_id\n5\n", "where: {cuntry: x}", "no column cuntry .prospects.where.cuntry."),
        ("x_user_id\n5\n", "timezone: tz", "no column tz .prospects.timezone."),
        ("x_user_id\n5\n", "defaults: {x_user_id: a}", "x_user_id is the id column"),
        ("x_user_id,b\n5,\n", "defaults: {b: x, B: y}", "b is set twice"),
        ("x_user_id,A b,a-b\n5,,\n", "", "'A b' and 'a-b' are both read as a_b; rename one"),
    ],
)
def test_columns_that_cannot_be_settled(
    tmp_path: Path, rows: str, prospects: str, message: str
) -> None:
    with pytest.raises(AudienceError, match=message):
        audience(tmp_path, rows, prospects)


def test_a_file_that_breaks_off_is_told_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match="row 3: has 1 fields"):
        audience(tmp_path, "x_user_id,a\n5,x\n6\n")


def test_missing_columns(tmp_path: Path) -> None:
    found = audience(tmp_path, "x_user_id,first_name\n5,\n")
    missing_columns({"first_name"}, found)
    with pytest.raises(AudienceError) as caught:
        missing_columns({"frist_name", "zzz"}, found)
    assert str(caught.value) == (
        f"{tmp_path / 'people.csv'}: the template needs frist_name (did you mean first_name?) "
        "and zzz; columns there are: x_user_id, first_name"
    )


def test_the_sample_has_one_row_of_each_mistake() -> None:
    found = read_audience(load_campaign(SAMPLES / "campaigns" / "spring.yaml"))
    template = load_template(SAMPLES / "templates" / "spring.j2")
    missing_columns(template.needs, found)
    rows = list(found.rows())
    prospects = [row for row in rows if isinstance(row, Prospect)]
    reasons = Counter(row.reason for row in rows if isinstance(row, RowSkip))
    assert len(rows) == 24
    assert reasons == {SkipReason.NO_ID: 1, SkipReason.BAD_ID: 2, SkipReason.DUPLICATE: 1}
    unready = [
        row.row for row in prospects if not all(row.columns[c] for c in template.requires_value)
    ]
    assert len(unready) == 1
    ids = [row.recipient.id for row in prospects]
    assert all(len(each) == 19 and each.startswith("9") for each in ids)
    assert [each[-4:] for each in ids].count("0404") == 1
    assert not any(each.endswith("0403") for each in ids)


@given(st.text(max_size=30), st.sampled_from(["twitter", "linkedin"]))
def test_any_cell_is_an_id_or_says_why_not(cell: str, platform: str) -> None:
    for id_type in ("platform", "inbox"):
        found = id_checker(platform, id_type)(cell)
        if isinstance(found, IdRefusal):
            assert found.detail.isprintable()
        else:
            assert found
            assert found.isprintable()


@given(st.integers(1, 2**64 - 1))
def test_every_64_bit_number_but_0_is_an_x_id(number: int) -> None:
    assert id_checker("twitter", "platform")(str(number)) == str(number)


@given(st.text(max_size=30))
def test_headers_are_normalised_once(name: str) -> None:
    assert normal_column(normal_column(name)) == normal_column(name)


def test_a_list_says_why_and_since_when(tmp_path: Path) -> None:
    (tmp_path / "no.csv").write_text(
        "x_user_id,Reason,date\n5,asked,2026-11-03\n6,,2026-11-03T12:00:00+02:00\n7,,\n"
    )
    assert read_list(tmp_path / "no.csv", "platform", "twitter", dates=True).people == {
        "5": ListEntry(2, "asked", 1793664000.0),
        "6": ListEntry(3, None, 1793700000.0),
        "7": ListEntry(4),
    }
    found = audience(tmp_path, "x_user_id\n5\n6\n", rest="suppress: no.csv")
    assert [detail for *_, detail in told(found)] == [
        "is in no.csv row 2: asked",
        "is in no.csv row 3",
    ]


@pytest.mark.parametrize("date", ["soon", "3.11.2026", "2026-13-01"])
def test_a_date_that_is_none_is_refused_where_it_is_needed(tmp_path: Path, date: str) -> None:
    (tmp_path / "no.csv").write_text(f"x_user_id,added_at\n5,{date}\n")
    assert set(read_suppressed([tmp_path / "no.csv"], "platform", "twitter")) == {"5"}
    with pytest.raises(AudienceError, match=f"row 2: {date} is not a date"):
        read_list(tmp_path / "no.csv", "platform", "twitter", dates=True)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".xlsx"])
def test_an_exported_list_is_read_back_without_loss(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"list{ending}"
    inbox = "k2v7q9x4m1n8b3c6z5l0p7ty"
    rows = [
        ("9184620175530281101", "=1+1, he says", "2026-11-03T00:00:00Z"),
        (inbox, "wrote\nno", "2026-11-03T00:00:01Z"),
        ("5", "", "2026-11-03T00:00:02Z"),
    ]
    write_table(file, LIST_COLUMNS, rows)
    for id_type in ("platform", "inbox"):
        found = read_list(file, id_type, "twitter", dates=True)
        assert [
            (id, listed.reason, iso(listed.added_at)) for id, listed in found.people.items()
        ] == rows


def test_only_a_list_that_was_exported_may_hold_both_kinds(tmp_path: Path) -> None:
    for text in (
        "recipient,reason,added_at\nada,asked,\n",
        "recipient,reason,since\nk2v7q9x4m1n8b3c6z5l0p7ty,asked,\n",
    ):
        (tmp_path / "no.csv").write_text(text)
        found = read_list(tmp_path / "no.csv", "platform", "twitter", dates=True)
        with pytest.raises(AudienceError, match="is a username"):
            refuse_errors([found])


def test_of_very_many_columns_the_first_are_named(tmp_path: Path) -> None:
    header = ",".join(["x_user_id", *(f"K{number}" for number in range(1_000))])
    found = audience(tmp_path, f"{header}\n7{',x' * 1_000}\n")
    with pytest.raises(AudienceError) as caught:
        missing_columns([f"other{number}" for number in range(5_000)], found)
    assert str(caught.value).endswith(", k47, k48 and 951 more")
    assert "and 4,950 more; columns there are" in str(caught.value)
    assert str(found.findings[0]).endswith("and 998 more in small letters with _ for spaces")


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_ids_of_other_platforms_are_compared_in_one_form(tmp_path: Path, form: str) -> None:
    id = normalize(form, "Zoë-Ångström-한글-Việt")  # type: ignore[arg-type]
    assert id_checker("linkedin", "platform")(id) == normalize("NFC", "Zoë-Ångström-한글-Việt")
    twice = f"id,name\nJosé,a\nJose\u0301,b\n{id},c\nA\u030angst,d\n"
    (tmp_path / "dnc.csv").write_text("id\n\u212bngst\n")
    found = audience(tmp_path, twice, "id: id", "api: {platform: linkedin}\nsuppress: dnc.csv")
    rows = [(row, id) for row, id, _ in told(found)]
    assert rows[:3] == [(2, "José"), (3, "duplicate"), (4, normalize("NFC", id))]
    assert rows[3] == (5, "suppressed")


@pytest.mark.parametrize("id", ["ﬁn", "ﬁ", "①", "ÀB", "àb", "ß", "ss"])
def test_ids_that_only_look_alike_stay_apart(id: str) -> None:
    assert id_checker("linkedin", "platform")(id) == id
