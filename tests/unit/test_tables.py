"""Tables: every format in, every format out, and how a bad one is told."""

from __future__ import annotations

import csv
import gzip
import io
import json
import stat
import sys
import time
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import AudienceError, RunnerError
from runner.tables.cell_types import RoundedNumber
from runner.tables.reader import fingerprint, read_table
from runner.tables.writer import _harmless, write_table

Rows = list[tuple[int, list[str]]]


def read(folder: Path, name: str, data: bytes | str, encoding: str | None = None) -> Rows:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    table = read_table(path, encoding)
    return [(1, table.columns), *table.rows()]


def refusal(folder: Path, name: str, data: bytes | str, encoding: str | None = None) -> str:
    with pytest.raises(AudienceError) as caught:
        read(folder, name, data, encoding)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder / name), "F")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"id,name\n007,NA\n,x\n"),
        ("a.csv", b"\xef\xbb\xbfid,name\r\n007,NA\r\n,x\r\n"),
        ("a.csv", b"id;name\n007;NA\n;x"),
        ("a.csv", b"sep=;\nid;name\n007;NA\n;x"),
        ("a.txt", b"id|name\n007|NA\n|x\n"),
        ("a.tsv", b"id\tname\n007\tNA\n\tx\n"),
        ("a.CSV", "id,name\n007,NA\n,x\n".encode("utf-16")),
        ("a.csv.gz", gzip.compress(b"id,name\n007,NA\n,x\n", mtime=0)),
        ("a.csv", b'"id","name"\n"007","NA"\n"","x"\n'),
        ("a.csv", b"id,name,,\n007,NA,,\n,x,,\n"),
    ],
)
def test_separated_values_are_text(tmp_path: Path, name: str, data: bytes) -> None:
    assert read(tmp_path, name, data) == [(1, ["id", "name"]), (2, ["007", "NA"]), (3, ["", "x"])]


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    data = 'id,name\n1,"two\nlines"\n\n,\n4,x\n'
    assert read(tmp_path, "a.csv", data)[1:] == [(2, ["1", "two\nlines"]), (5, ["4", "x"])]


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    table = read_table(tmp_path / "a.csv")
    assert list(table.rows()) == list(table.rows()) == [(2, ["1"])]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    data = "id,name\n1,José\n".encode(encoding)
    assert read(tmp_path, "a.csv", data, encoding)[1] == (2, ["1", "José"])


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"", "F: is empty; write the column names into the first row"),
        ("a.csv", b"\n\n", "F: is empty; write the column names into the first row"),
        ("a.csv", b",,\n1,2,3\n", "F: row 1: has no column names"),
        ("a.csv", b"a,,b\n1,2,3\n", "F: row 1: column 2 has no name; name it or delete"),
        ("a.csv", b"a,b, a\n1,2,3\n", "F: row 1: columns 1 and 3 are both named a; rename one"),
        ("a.csv", b"a,b\n1,2\n1\n", "F: row 3: has 1 fields, the header has 2; put a text"),
        ("a.csv", b"a,b\n1,x, y\n", "F: row 2: has 3 fields, the header has 2; put a"),
        ("a.tsv", b"a\tb\n1\n", "F: row 2: has 1 fields, the header has 2; put a text with a tab"),
        ("a.csv", b'a,b\n1,"x\n2,y\n', "F: row 2: a quote is opened and never closed"),
        ("a.csv", b'a,b\n1,"x"y\n', "F: row 2: the quotes do not match"),
        ("a.csv", b'a,b\n1,"' + b"x" * 200_000, "F: row 2: a quote is opened and never closed"),
        ("a.csv", b"a,b\n1,\0\n", "F: row 2: holds a NUL character"),
        ("a.csv", b"\0a,b\n", "F: row 1: holds a NUL character"),
        ("a.csv", b"a,name\n1,x\n2,Jos\xe9\n", "F: row 3, column name: is not UTF-8 text; "
         "its text reads as José (cp1252/cp1250/cp1254), JosÈ (mac_roman)"),
        ("a.csv", b"a,b\xe9\n1,x\n", "F: row 1, column 2: is not UTF-8 text"),
        ("a.csv", b"\xff\xfea", "F: row 0: is not UTF-16 text".replace("row 0: ", "")),
        ("a.csv.gz", b"a,b\n", "F: is a broken .gz file"),
        ("a.csv.gz", gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], "F: is a broken .gz file"),
        ("a.xls", b"", "F: an unknown ending .xls; known: .csv, .tsv, .txt, .jsonl, .json, .xlsx, "
         ".parquet; .gz after csv, tsv, txt, jsonl"),
        ("a", b"", "F: an unknown ending (none); known: "),
        ("a.xlsx.gz", b"", "F: an unknown ending .xlsx; known: "),
        ("a.jsonl", b"", "F: is empty; write lines such as"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "F: row 2: is not a JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "F: row 2: is not JSON (Expecting value)"),
        ("a.jsonl", b'{"a": "\\ud83d"}\n', "F: row 1: a holds half a character or a NUL"),
        ("a.jsonl", b'{"a": "\xe9"}\n', "F: row 1, column 1: is not UTF-8 text; "),
        ("a.jsonl", b"[" * 100_000, "F: row 1: is not JSON (nested too deeply)"),
        ("a.xlsx", b"", "F: is not an Excel workbook, or a damaged one"),
        ("a.xlsx", b"PK\x03\x04rubbish", "F: is not an Excel workbook, or a damaged one"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1", "F: is protected by a password, or an old .xls"),
        ("a.parquet", b"PAR1rubbish", "F: is not a parquet file, or a damaged one"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    assert refusal(tmp_path, name, data).startswith(told)


def test_an_encoding_that_the_files_mark_contradicts(tmp_path: Path) -> None:
    told = refusal(tmp_path, "a.csv", b"\xef\xbb\xbfid\n1\n", "cp1252")
    assert told == "F: begins with the mark of UTF-8, not of cp1252; remove prospects.encoding"
    assert read(tmp_path, "a.csv", b"\xef\xbb\xbfid\n1\n", "utf-8")[0] == (1, ["id"])


def test_missing_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "spring.csv").write_text("id\n1\n")
    with pytest.raises(AudienceError, match=r"no such file; did you mean .*spring\.csv\?"):
        read_table(tmp_path / "sprnig.csv")
    with pytest.raises(AudienceError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(AudienceError, match="no such file"):
        read_table(tmp_path / "a\0.csv")
    with pytest.raises(AudienceError, match="no such file"):
        fingerprint(tmp_path / "nope")


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (
            "a.jsonl",
            b'{"id": "1", "text": "a"}\n\n{"id": "2", "text": "b", "text": "b"}\n',
            "F: row 3: has the key text twice in one object; keep the one that is meant",
        ),
        ("a.jsonl", b'{"id": 1, "i\\u0064": 2}', "F: row 1: has the key id twice"),
        ("a.jsonl", '{"naïve": null, "x": 1, "naïve": 2}', "F: row 1: has the key naïve twice"),
        ("a.jsonl", b'{"id": 1, "of": {"a": [{"b": 1, "b": 2}]}}', "F: row 1: has the key b twice"),
        ("a.jsonl.gz", gzip.compress(b'{"": 1, "": 2}', mtime=0), "F: row 1: has the key  twice"),
        ("a.json", b'[{"id": 1}, {"id": 2, "id": 2}]', "F:1: row 2: has the key id twice"),
        (
            "a.json",
            b'\n[\n  {"id": 1},\n  {\n    "id": 2,\n    "id": 3\n  }\n]\n',
            "F:4: row 2: has the key id twice",
        ),
    ],
)
def test_a_key_twice_in_one_json_object_is_refused(
    tmp_path: Path, name: str, data: bytes | str, told: str
) -> None:
    assert refusal(tmp_path, name, data).startswith(told)


def test_a_json_key_may_stand_in_every_object(tmp_path: Path) -> None:
    data = '{"id": 1, "of": {"id": 2, "is": [{"id": 3}, {"id": 4}]}}\n{"id": 5, "Id": 6}\n'
    assert read(tmp_path, "a.jsonl", data)[2] == (2, ["5", "", "6"])


def test_a_json_file_with_another_key_on_each_line_is_refused_in_time(tmp_path: Path) -> None:
    told = "F: row 2000: with the lines above it has more than 2,000 different keys; "
    lines = "".join(f'{{"id": "1", "k{number}": "x"}}\n' for number in range(100_000))
    began = time.process_time()
    assert refusal(tmp_path, "a.jsonl", lines).startswith(told)
    array = "[" + ",".join(lines.splitlines()) + "]"
    assert refusal(tmp_path, "a.json", array).startswith(told)
    long = '{"id": 1}\n{"' + "k" * 33_000 + '": 1}\n'
    told = "F: row 2: has a key of more than 32,767 characters; a key is a column's name"
    assert refusal(tmp_path, "a.jsonl", long) == told
    assert time.process_time() - began < 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.xlsx", "a.jsonl", "a.json", "a.parquet"])
@pytest.mark.parametrize("count", [2_000, 2_001, 16_384])
def test_a_table_has_so_many_columns_and_no_more(tmp_path: Path, name: str, count: int) -> None:
    columns = ["id", *(f"c{number}" for number in range(1, count))]
    cells = ["7", *("x" for _ in range(1, count))]
    path = tmp_path / name
    if name.endswith(".parquet"):
        pd.DataFrame([cells], columns=columns).to_parquet(path)
    elif name.endswith(".json"):
        path.write_text(json.dumps([dict(zip(columns, cells, strict=True))]))
    elif name.endswith(".tsv"):
        path.write_text("\t".join(columns) + "\n" + "\t".join(cells) + "\n")
    else:
        write_table(path, columns, [cells])
    if count == 2_000:
        assert next(iter(read_table(path).rows()))[1] == cells
        return
    with pytest.raises(AudienceError, match=r"2,000 (can be read|different keys); "):
        read_table(path)


def test_json_lines_keep_every_digit(tmp_path: Path) -> None:
    data = (
        '{"id": 9007199254740993123, "b": 1.23e+18}\n\n'
        '{"id": "007", "c": true, "b": null}\n{"c": "\\u00e9"}\n{}\n'
    )
    assert read(tmp_path, "a.jsonl", data) == [
        (1, ["id", "b", "c"]),
        (1, ["9007199254740993123", "1.23e+18", ""]),
        (3, ["007", "", "TRUE"]),
        (4, ["", "", "é"]),
    ]


def test_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["id", "n", "when", None])
    sheet.append(["0071234567890123456", 12.0, date(2026, 3, 2)])
    sheet.append([1234567890123456789, 1.5, datetime.fromisoformat("2026-03-02T11:30")])
    sheet.append([None, None, None])
    sheet.append([999999999999999, True, "nan"])
    other = book.create_sheet("other")
    other.append(["ignored"])
    other.sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx")
    assert table.columns == ["id", "n", "when"]
    rows = list(table.rows())
    rounded = rows[1][1][0]
    assert rounded.startswith("12345678901234")  # the digits after that are anybody's guess
    assert rows == [
        (2, ["0071234567890123456", "12", "2026-03-02"]),
        (3, [rounded, "1.5", "2026-03-02 11:30:00"]),
        (5, ["999999999999999", "TRUE", "nan"]),
    ]
    assert [isinstance(cells[0], RoundedNumber) for _, cells in rows] == [False, True, False]


def test_a_workbook_with_a_nameless_column(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.active.append(["1", "stray"])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(AudienceError, match="row 2: has something in column 2, which has no name"):
        list(read_table(tmp_path / "a.xlsx").rows())


def test_an_empty_workbook(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    with pytest.raises(AudienceError, match="its sheet Sheet is empty"):
        read_table(tmp_path / "a.xlsx")


def test_parquet_keeps_whole_numbers_beside_empty_cells(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": pd.array([9007199254740993, None, 3], dtype="Int64"),
            "f": [1e18, 2.0, float("nan")],
            "s": ["007", "x", None],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    rows = list(read_table(tmp_path / "a.parquet").rows())
    assert rows == [
        (2, ["9007199254740993", "1000000000000000000", "007"]),
        (3, ["", "2", "x"]),
        (4, ["3", "", ""]),
    ]
    assert isinstance(rows[0][1][1], RoundedNumber)
    assert not isinstance(rows[0][1][0], RoundedNumber)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(AudienceError, match=r"pip install .*\[.*parquet.*\]"):
        read_table(tmp_path / "a.parquet")


def test_fingerprint_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert fingerprint(tmp_path / "a").startswith("ba7816bf8f01cfea")


# Writing ----------------------------------------------------------------------------------------

COLUMNS = ["id", "text", "n"]
CELLS: list[list[str | int | None]] = [
    ["9007199254740993123", "=1+1", 1],
    ["007", 'two\nlines, "q" <b>&', None],
    ["+44", "@x", 12345678901234567],
]


def test_csv_has_no_formula_where_semicolons_separate(tmp_path: Path) -> None:
    """There the quotes around a cell stand in the middle of one, and keep nothing together."""
    path = tmp_path / "out.csv"
    texts = ["x;=cmd()", "a\n@sum(1)", "b;+49 30", "c\n-1", "smile ;-)", "- a\n- b", "1;2", "a=b"]
    write_table(path, ["id", "text"], [["1", text] for text in texts])
    written = path.read_text()
    for formula in ("=cmd()", "@sum(1)", "+49 30", "-1"):
        assert f"'{formula}" in written
    for plain in ("smile ;-)", "- a\n- b", "1;2", "a=b"):
        assert plain in written


def test_csv_makes_formulas_harmless(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", COLUMNS, CELLS)
    rows = list(csv.reader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert rows == [
        COLUMNS,
        ["9007199254740993123", "'=1+1", "1"],
        ["007", 'two\nlines, "q" <b>&', ""],
        ["'+44", "'@x", "12345678901234567"],
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.none() | st.integers() | st.text(" ,;\"'=+-@\t\r\na1é(\0", max_size=5),
            min_size=3,
            max_size=3,
        ),
        max_size=6,
    )
)
def test_csv_is_what_the_csv_module_writes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str | int | None]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "same.csv"
    write_table(path, ["a", "b", "c"], rows)
    wanted = io.StringIO()
    csv.writer(wanted).writerows(
        [["a", "b", "c"], *([_harmless(each) for each in r] for r in rows)]
    )
    assert path.read_bytes() == wanted.getvalue().encode()


def test_jsonl_changes_nothing(tmp_path: Path) -> None:
    write_table(tmp_path / "a.jsonl", COLUMNS, CELLS)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [list(json.loads(line).values()) for line in lines] == CELLS


def test_xlsx_cells_are_text(tmp_path: Path) -> None:
    write_table(tmp_path / "a.xlsx", COLUMNS, [*CELLS, ["#N/A", "bell\x07", -2]])
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    found = [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows()]
    assert found[1] == [("9007199254740993123", "s"), ("=1+1", "s"), (1, "n")]
    assert found[3] == [("+44", "s"), ("@x", "s"), ("12345678901234567", "s")]
    assert found[4] == [("#N/A", "s"), ("bell\ufffd", "s"), (-2, "n")]


def test_xlsx_keeps_signs_spaces_and_the_place_of_every_cell(tmp_path: Path) -> None:
    columns = [f"c{number}" for number in range(30)]
    texts: list[str | int | None] = [
        " a",
        "b ",
        "two\nlines",
        "<&>\"'",
        "]]>",
        "",
        None,
        "é\U0001f600",
        "x" * 40_000,
    ]
    rows: list[list[str | int | None]] = [
        [*texts, *[None] * 20, "last"],
        ["plain", *[""] * 28, "last"],
    ]
    write_table(tmp_path / "a.xlsx", columns, rows)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    found = [[cell.value for cell in row] for row in sheet.iter_rows()]
    wanted = [*texts[:5], None, None, texts[7], "x" * 32_767, *[None] * 20, "last"]
    assert found == [columns, wanted, ["plain", *[None] * 28, "last"]]
    assert read_table(tmp_path / "a.xlsx").columns == columns


def test_html_escapes_everything(tmp_path: Path) -> None:
    write_table(tmp_path / "a.html", ["<script>"], [["<img src=x onerror=alert(1)>"], [None]])
    text = (tmp_path / "a.html").read_text()
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;img src=x" in text


def test_a_file_is_its_owners_alone_and_never_half(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")

    def breaks() -> list[list[str]]:
        raise OSError(28, "No space left on device")

    with pytest.raises(RunnerError, match=r"cannot be written \(No space left on device\)"):
        write_table(path, ["a"], (row for _ in (1, 2) for row in breaks()))
    with pytest.raises(RunnerError, match="row 3 has 2 cells for 1 columns"):
        write_table(path, ["a"], [["1"], ["2", "3"]])
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]
    write_table(path, ["a"], [["1"]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_where_a_table_cannot_go(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"unknown ending \.ods; known: \.csv, \.jsonl"):
        write_table(tmp_path / "a.ods", ["a"], [])
    with pytest.raises(RunnerError, match="cannot be written"):
        write_table(tmp_path / "no" / "a.csv", ["a"], [])


# Anything ---------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["a.csv", "a.tsv", "a.txt.gz", "a.jsonl", "a.csv.gz", "a.xlsx"])
_ENCODINGS = st.sampled_from([None, None, "utf-8", "cp1252", "utf-16", "utf-32", "utf-7", "ascii"])


@settings(deadline=None)  # disks are slow at times
@given(
    _NAMES,
    st.binary(max_size=200) | st.text('a,;\t|"\n\r\\{}[]:1é', max_size=200).map(str.encode),
    _ENCODINGS,
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, encoding: str | None
) -> None:
    folder = tmp_path_factory.getbasetemp()
    packed = gzip.compress(data, mtime=0) if name.endswith(".gz") and len(data) % 2 else data
    try:
        rows = read(folder, name, packed, encoding)
    except AudienceError:
        return
    assert {len(cells) for _, cells in rows} == {len(rows[0][1])}
    assert all(isinstance(cell, str) for _, cells in rows for cell in cells)


_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(_CELLS, _CELLS).filter(any), max_size=8))
def test_json_lines_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.jsonl"
    write_table(path, ["a", "b"], [("x", "y"), *rows])
    assert [tuple(cells) for _, cells in read_table(path).rows()] == [("x", "y"), *rows]


def test_a_stray_cell_in_the_far_corner_costs_nothing(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["x_user_id", "a"])
    book.active.append(["1", "Ann"])
    book.active["B1048576"] = "far"
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx")
    assert list(table.rows()) == [(2, ["1", "Ann"]), (1_048_576, ["", "far"])]


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setattr("runner.tables.excel.workbook_reader.MOST_UNPACKED", 100)
    with pytest.raises(AudienceError, match=r"unpacks to 0 MiB.*; save it as \.csv"):
        read_table(tmp_path / "a.xlsx")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_line_that_does_not_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("runner.tables.text_files.MOST_OF_A_LINE", 100)
    (tmp_path / f"a.{kind}").write_text("{" + "x" * 200)
    with pytest.raises(AudienceError, match="row 1: is longer than"):
        read_table(tmp_path / f"a.{kind}")


def test_parquet_texts_lose_their_nul(tmp_path: Path) -> None:
    pd.DataFrame({"a": ["x\0y"]}).to_parquet(tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet").rows()) == [(2, ["xy"])]
