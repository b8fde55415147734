"""Workbooks through the command: what the spreadsheet shows is who is written to, and what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openpyxl

from .support import Project, people


def write(
    project: Project,
    rows: list[list[Any]],
    text: str,
    change: Callable[[Any], None] | None = None,
    prospects: str = "spring.xlsx",
) -> None:
    project.write([], text=text)
    found = project.campaign.read_text()
    project.campaign.write_text(found.replace("prospects: spring.csv", f"prospects: {prospects}"))
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change:
        change(book)
    book.save(project.campaign.parent / "spring.xlsx")


def sent(project: Project) -> dict[str, str]:
    return {one["person"]: one["content"] for one in project.api.accepted}


def test_cells_are_sent_as_they_are_shown(on_v1: Project) -> None:
    first, second = people(2)

    def change(book: Any) -> None:
        sheet = book.active
        sheet["B2"].number_format, sheet["B3"].number_format = "0%", '"$"#,##0.00'
        sheet.merge_cells("C2:C3")

    rows: list[list[Any]] = [
        ["x_user_id", "much", "at"],
        [first, 0.15, "Northwind"],
        [second, 59.970000000000006],
    ]
    write(on_v1, rows, "Hi, {{ much }} at {{ at }}", change)
    done = on_v1.ok(on_v1.campaign, "--yes")
    assert sent(on_v1) == {first: "Hi, 15% at Northwind", second: "Hi, $59.97 at Northwind"}
    assert "sheet Sheet, A1:C3" in done.all
    assert "merged over rows 2 to 3" in done.all


def test_hidden_rows_stop_a_run_until_they_are_accepted(on_v1: Project) -> None:
    ids = people(3)

    def change(book: Any) -> None:
        book.active.row_dimensions[3].hidden = True

    rows: list[list[Any]] = [["x_user_id", "name"], *([id, f"P{id}"] for id in ids)]
    write(on_v1, rows, "Hi {{ name }}", change)
    refused = on_v1.ok(on_v1.campaign, "--yes", code=2)
    assert "row 3 is hidden or filtered out" in refused.err
    assert sent(on_v1) == {}
    on_v1.ok(on_v1.campaign, "--yes", "--accept", "hidden_rows")
    assert sorted(on_v1.api.recipients) == ids


def test_two_sheets_with_a_header_need_a_name(on_v1: Project) -> None:
    old, new = people(2)

    def change(book: Any) -> None:
        sheet = book.create_sheet("New")
        sheet.append(["x_user_id", "name"])
        sheet.append([new, "New"])

    rows = [["x_user_id", "name"], [old, "Old"]]
    write(on_v1, rows, "Hi {{ name }}", change)
    refused = on_v1.ok(on_v1.campaign, "--yes", code=1)
    assert "has the sheets Sheet and New" in refused.err
    write(on_v1, rows, "Hi {{ name }}", change, "{source: spring.xlsx, sheet: New}")
    on_v1.ok(on_v1.campaign, "--yes")
    assert sent(on_v1) == {new: "Hi New"}


def test_a_formula_without_a_result_sends_nothing(on_v1: Project) -> None:
    ids = people(2)
    rows = [["x_user_id", "at"], [ids[0], '="No"&"rthwind"'], [ids[1], "Contoso"]]
    write(on_v1, rows, "Hi{% if at %} at {{ at }}{% endif %}")
    refused = on_v1.ok(on_v1.campaign, "--yes", code=1)
    assert "column at: row 2 holds a formula that was never calculated" in refused.err
    write(on_v1, [["x_user_id", "at"], ["#N/A", "x"], ["=B2", "y"], [ids[1], "z"]], "Hi {{ at }}")
    told = on_v1.ok(on_v1.campaign, "--dry-run").out
    assert "the id is #N/A" in told
    assert "the id is a formula that was never calculated" in told
    assert "is empty" not in told
