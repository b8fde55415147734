"""Tables written for people: what was written is there when it is read again, and is no formula."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from random import Random

import openpyxl

from runner.tables.writer import write_table
from tests.fuzz.values import text

Cell = str | int | None


def case(luck: Random, folder: Path) -> str:
    """One table, written and read back by other means."""
    kind = luck.choice(("csv", "jsonl", "xlsx", "html"))
    path = folder / f"results.{kind}"
    columns = [f"{number}{text(luck, 1)}" for number in range(luck.randrange(1, 5))]
    rows = [[_cell(luck) for _ in columns] for _ in range(luck.randrange(5))]
    write_table(path, columns, rows)
    assert path.stat().st_mode & 0o777 == 0o600
    _READ[kind](path, columns, rows)
    return kind


def _cell(luck: Random) -> Cell:
    huge = luck.choice((0, 7, -3, 10**15, 10**30, 2**63))
    return luck.choice((text(luck), text(luck), huge, None, "=" + text(luck), "y" * 40_000))


def _csv(path: Path, columns: list[str], rows: list[list[Cell]]) -> None:
    csv.field_size_limit(1 << 20)
    with path.open(newline="", encoding="utf-8") as stream:
        found = list(csv.reader(stream))
    assert len(found) == len(rows) + 1
    for got, wrote in zip(found, [list[Cell](columns), *rows], strict=True):
        for cell, told in zip(wrote, got, strict=True):
            if isinstance(cell, str):
                assert not re.match(r"[=+\-@\t\r]", told), f"a formula: {told!r}"
                assert told.removeprefix("'") == _whole(cell).removeprefix("'")


def _jsonl(path: Path, columns: list[str], rows: list[list[Cell]]) -> None:
    lines = path.read_bytes().decode().split("\n")[:-1]
    assert [list(json.loads(line).values()) for line in lines] == [
        [_whole(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    ]


def _xlsx(path: Path, columns: list[str], rows: list[list[Cell]]) -> None:
    sheet = openpyxl.load_workbook(path).active
    found = list(sheet.iter_rows(max_row=len(rows) + 1, max_col=len(columns)))
    for got, wrote in zip(found[1:], rows, strict=True):
        for cell, told in zip(wrote, got, strict=True):
            assert told.data_type != "f"
            if isinstance(cell, str) and cell:
                assert told.data_type in ("s", "inlineStr")
                assert len(told.value or "") <= 32_767


def _html(path: Path, columns: list[str], rows: list[list[Cell]]) -> None:
    whole = path.read_bytes().decode()
    assert whole.count("<tr>") == len(rows) + 1
    assert whole.count("<td>") == len(rows) * len(columns)


def _whole(cell: str) -> str:
    """Half a character cannot be written; `?` stands in for it."""
    return re.sub("[\ud800-\udfff]", "?", cell)


_READ = {"csv": _csv, "jsonl": _jsonl, "xlsx": _xlsx, "html": _html}
