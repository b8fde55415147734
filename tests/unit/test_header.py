"""Where a table's header stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import AudienceError
from runner.tables.header import find_header, settle_header

PATH = Path("a.xlsx")
IDS = ("x_user_id", "platform_id", "inbox_id")


@pytest.mark.parametrize(
    ("rows", "at"),
    [
        ([["x_user_id", "name"], ["1", "x_user_id"]], 0),
        ([["Spring list"], ["X User-ID", "name"], ["1", "Ada"]], 1),
        ([["Notes:", ""], [""], ["\ufeffx_user_id ", "name"]], 2),
        ([["id", "name"], ["1", "Ada"]], 0),
        ([], 0),
        ([["title"]] * 20 + [["x_user_id"]], 0),
    ],
)
def test_the_header_is_the_first_row_with_a_wanted_name(rows: list[list[str]], at: int) -> None:
    assert find_header(rows, IDS) == at
    assert find_header(rows, ()) == 0


def test_lines_above_the_header_are_told() -> None:
    rows = [(1, ["Spring list, 2026"]), (3, ["x_user_id", "name"]), (4, ["1", "Ada"])]
    at, found = settle_header(PATH, rows, IDS)
    assert (at, [str(each) for each in found]) == (
        1,
        ["a.xlsx: rows 1 to 2 above the header are left out"],
    )
    assert settle_header(PATH, rows[1:], IDS) == (0, [])


@pytest.mark.parametrize(
    "rows",
    [
        [(1, ["id", "name"]), (2, ["1566123362161725441", "Ada"]), (3, ["x_user_id", "name"])],
        [(1, ["a list"]), (2, ["x_user_id", "name", "Name"])],
    ],
)
def test_a_header_below_what_may_be_people_is_refused(rows: list[tuple[int, list[str]]]) -> None:
    with pytest.raises(
        AudienceError, match=r"row \d: the header seems to stand here; delete what is above"
    ):
        settle_header(PATH, rows, IDS)
