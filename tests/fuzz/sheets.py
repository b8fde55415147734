"""Sheets: rows of text, or an AudienceError of one line; and what is read can be written again."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from random import Random

import openpyxl
import pyarrow
import pyarrow.parquet

from runner.audience.prospects import read_audience
from runner.campaign.loader import load_campaign
from runner.errors import AudienceError
from runner.message.prospect import Prospect, RowSkip
from runner.tables.reader import read_table
from tests.fuzz.values import one_line, scalar, structure, text, torn

CAMPAIGN = "senders: [df6jbw4h36qm5d9iu2sgn7kx]\nprospects: {source: PATH, id: ID}\nmessage: Hi\n"
NAMES = ("x_user_id", "first_name", " First Name ", "platform_id", "", "id", "=1+1", "x", "n.a.")
MOST_ROWS = 3_000
ENDINGS = (
    *("csv", "csv", "tsv", "txt", "jsonl", "jsonl", "xlsx", "parquet", "csv.gz", "jsonl.gz"),
    *("xlsx.gz", "xls", "json", ""),
)


def case(luck: Random, folder: Path) -> str:
    """One sheet, read as a table and as the people of a campaign."""
    made = luck.choice(ENDINGS)
    data = _data(luck, made, folder)
    if luck.random() < 0.25:
        data = torn(luck, data)
    named = luck.choice(ENDINGS) if luck.random() < 0.1 else made
    path = folder / f"people.{named}"
    path.write_bytes(data)
    encoding = luck.choice(
        ((None,) * 20) + ("utf-8", "cp1252", "utf-16", "utf-7", "punycode", "idna")
    )
    try:
        table = read_table(path, encoding)
        for row, (number, cells) in enumerate(table.rows()):
            assert number >= 1
            assert len(cells) == len(table.columns)
            assert all(isinstance(cell, str) for cell in cells)
            _storable("".join(cells))
            if row > MOST_ROWS:
                break
        _storable("".join(table.columns))
    except AudienceError as error:
        return _told(path, error)
    return _people(luck, folder, path)


def _told(path: Path, error: AudienceError) -> str:
    one_line(str(error))
    assert str(path) in str(error), error
    return "refused"


def _storable(text: str) -> None:
    """Neither database holds a NUL in a text, nor half a character."""
    text.encode()
    assert "\0" not in text


def _people(luck: Random, folder: Path, path: Path) -> str:
    source = folder / "people.yaml"
    source.write_text(
        CAMPAIGN.replace("PATH", path.name).replace(
            "ID", luck.choice(("x_user_id",) * 4 + NAMES[:4])
        )
    )
    try:
        audience = read_audience(load_campaign(source))
        for row, each in enumerate(audience.rows()):
            assert isinstance(each, Prospect | RowSkip)
            if isinstance(each, RowSkip):
                one_line(each.detail or "x")
            if row > MOST_ROWS:
                break
    except AudienceError as error:
        return _told(path, error)
    return "rows"


def _data(luck: Random, ending: str, folder: Path) -> bytes:
    kind, _, packed = ending.partition(".")
    match kind:
        case "csv" | "tsv" | "txt":
            data = _separated(luck)
        case "jsonl" | "json":
            data = _json_lines(luck)
        case "xlsx":
            data = _workbook(luck, folder)
        case "parquet":
            data = _parquet(luck, folder)
        case _:
            data = luck.randbytes(luck.randrange(300))
    if packed:
        data = gzip.compress(data, 1, mtime=0)
        return data[: luck.randrange(len(data) + 1)] if luck.random() < 0.3 else data
    return data


def _columns(luck: Random) -> list[str]:
    if luck.random() < 0.02:
        return [f"c{n}" for n in range(3000)]
    found = [
        luck.choice(NAMES) if luck.random() < 0.8 else text(luck, 1)
        for _ in range(luck.randrange(6))
    ]
    return (
        found
        if luck.random() < 0.3
        else ["x_user_id", *dict.fromkeys(n for n in found if n.strip())]
    )


def _separated(luck: Random) -> bytes:
    out = io.StringIO(newline="")
    separator = luck.choice(",;\t|")
    every = luck.random() < 0.5
    writer = csv.writer(
        out,
        delimiter=separator,
        quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL,
        lineterminator=luck.choice(("\n", "\r\n", "\r")),
    )
    if luck.random() < 0.1:
        out.write(
            luck.choice(("sep=;\n", "sep=\n", "sep=x\r\n", 'sep="\n', "sep=\r\n", "sep=\0\n"))
        )
    columns = _columns(luck)
    writer.writerow(columns)
    for _ in range(luck.randrange(6)):
        cells = [text(luck) for _ in columns]
        if luck.random() < 0.1:
            cells += ["", text(luck)][: luck.randrange(3)]
        if luck.random() < 0.02:
            cells[0] = "1" * 200_000
        writer.writerow(cells)
    coding = luck.choice(("utf-8",) * 20 + ("utf-8-sig", "utf-16", "cp1252", "utf-16-le", "utf-32"))
    return out.getvalue().encode(
        coding, luck.choice(("surrogatepass", "replace")) if "utf" in coding else "replace"
    )


def _json_lines(luck: Random) -> bytes:
    lines = []
    for _ in range(luck.randrange(6)):
        row = {name: scalar(luck) for name in _columns(luck)[:50]}
        if luck.random() < 0.1:
            row[text(luck, 1)] = structure(luck)
        lines.append(json.dumps(row, ensure_ascii=luck.random() < 0.5))
        if luck.random() < 0.05:
            lines.append(
                luck.choice(("", "[]", "3", "null", '{"a":' * 100_000, '{"a":1,"a":2}', "{} {}"))
            )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _workbook(luck: Random, folder: Path) -> bytes:
    if luck.random() < 0.03:
        return _bomb()
    book = openpyxl.Workbook()
    sheet = book.active
    columns = _columns(luck)[:60]
    if luck.random() < 0.9:
        sheet.append([_excel(each) for each in columns])
    for _ in range(luck.randrange(5)):
        sheet.append([_excel(_cell(luck)) for _ in columns])
    if luck.random() < 0.2:
        sheet.merge_cells(luck.choice(("A1:B2", "A2:A4", "A1:ZZ9")))
    if luck.random() < 0.1:
        sheet[luck.choice(("A1048576", "XFD1", "A9999"))] = "far"
    if luck.random() < 0.3:
        book.create_sheet("first", 0).sheet_state = luck.choice(("hidden", "visible", "veryHidden"))
    if luck.random() < 0.1:
        book.create_chartsheet("chart", 0)
    path = folder / "made.xlsx"
    book.save(path)
    data = path.read_bytes()
    return _inside(luck, data) if luck.random() < 0.3 else data


def _cell(luck: Random) -> object:
    return luck.choice(
        (
            scalar(luck),
            scalar(luck),
            *(date(2026, 1, 1), datetime(1900, 1, 1, 3), time(3, 4), timedelta(days=3)),  # noqa: DTZ001
            *("=A1", "=1/0", "#N/A", 1876543210987654321, 1.23e18, "0123", 12.0, True, None),
        )
    )


def _excel(value: object) -> object:
    """What openpyxl can write of it."""
    if isinstance(value, str):
        return (
            openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("?", value)
            .encode("utf-8", "replace")
            .decode()[:32_000]
        )
    if isinstance(value, int) and abs(value) > 10**300:
        return 1
    return value


def _inside(luck: Random, data: bytes) -> bytes:
    """The workbook with one of its parts torn or left out."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        victim = luck.choice(old.namelist())
        for name in old.namelist():
            part = old.read(name)
            if name == victim:
                if luck.random() < 0.2:
                    continue
                part = luck.choice(
                    (torn(luck, part), b"", b"<x/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
                )
            new.writestr(name, part)
    return out.getvalue()


@cache
def _bomb() -> bytes:
    """A workbook whose sheet unpacks to 600 MB."""
    out = io.BytesIO()
    empty = io.BytesIO()
    openpyxl.Workbook().save(empty)
    with (
        zipfile.ZipFile(empty) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for name in old.namelist():
            if not name.endswith("sheet1.xml"):
                new.writestr(name, old.read(name))
                continue
            with new.open(name, "w") as part:
                part.write(
                    b"<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>"
                )
                row = b"<row><c t='inlineStr'><is><t>" + b"x" * 60 + b"</t></is></c></row>"
                for _ in range(50):
                    part.write(row * 100_000)
                part.write(b"</sheetData></worksheet>")
    return out.getvalue()


def _parquet(luck: Random, folder: Path) -> bytes:
    columns = list(dict.fromkeys(_columns(luck)))[:30]
    rows = luck.randrange(5)
    made = {}
    for name in columns:
        values = luck.choice(
            (
                [text(luck).encode("utf-8", "replace").decode() for _ in range(rows)],
                [luck.randrange(2**63) for _ in range(rows)],
                [luck.choice((1.0, 1e18, float("nan"), float("inf"), None)) for _ in range(rows)],
                [luck.choice((b"\xff", b"a", None)) for _ in range(rows)],
                [luck.choice((True, None)) for _ in range(rows)],
                [luck.choice((date(2026, 1, 1), None)) for _ in range(rows)],
                [timedelta(days=1)] * rows,
                [[1, 2]] * rows,
                [{"a": 1}] * rows,
            )
        )
        made[name.encode("utf-8", "replace").decode()] = pyarrow.array(values)
    path = folder / "made.parquet"
    pyarrow.parquet.write_table(pyarrow.table(made), path)
    return path.read_bytes()
