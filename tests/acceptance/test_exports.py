"""Exports as people open them: in the order of the sheet, and whole in Excel."""

from __future__ import annotations

import csv

import openpyxl

from .support import Project, people


def begun(project: Project) -> list[str]:
    """Five rows, the second and fourth without a usable id; all others are sent."""
    first, third, fifth = people(3)
    ids = [first, "", third, "not an id", fifth]
    project.write(ids)
    project.ok(project.campaign)
    return ids


def test_rows_are_in_the_order_of_the_sheet(project: Project) -> None:
    begun(project)
    assert [line["row"] for line in project.exported()] == ["2", "3", "4", "5", "6"]
    only = project.folder / "skipped.csv"
    project.ok("export", project.campaign, "-o", only, "--status", "skipped")
    with only.open(newline="") as stream:
        assert [line["row"] for line in csv.DictReader(stream)] == ["3", "5"]


def test_a_workbook_is_made_for_people(project: Project) -> None:
    ids = begun(project)
    target = project.folder / "results.xlsx"
    project.ok("export", project.campaign, "-o", target)
    sheet = openpyxl.load_workbook(target).active
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{sheet.cell(6, sheet.max_column).coordinate}"
    assert sheet.column_dimensions["B"].width > len(ids[0])
    cell = sheet["B2"]
    assert (cell.value, cell.data_type) == (ids[0], "s")


def test_a_csv_for_excel_keeps_ids_and_letters(project: Project) -> None:
    ids = begun(project)
    target = project.folder / "results.csv"
    assert "--excel" in project.ok("export", project.campaign, "-o", target).err
    assert target.read_bytes()[:3] == b"row"
    assert project.ok("export", project.campaign, "-o", target, "--excel").err == ""
    assert target.read_bytes().startswith(b"\xef\xbb\xbfrow,")
    with target.open(newline="", encoding="utf-8-sig") as stream:
        lines = list(csv.DictReader(stream))
    assert lines[0]["recipient"] == f'="{ids[0]}"'
    assert lines[0]["row"] == "2"
    told = project.ok(
        "export", project.campaign, "-o", target.with_suffix(".jsonl"), "--excel", code=1
    )
    assert "not a .csv" in told.err


def test_a_csv_for_excel_is_read_as_a_list(project: Project) -> None:
    begun(project)
    target = project.folder / "results.csv"
    project.ok("export", project.campaign, "-o", target, "--excel")
    told = project.ok("suppress", "import", target).out
    assert "3" in told


def test_an_export_that_cannot_be_written_is_told_in_a_line(project: Project) -> None:
    begun(project)
    for target, told in (("results.pdf", "unknown ending .pdf"), ("no/such.csv", "cannot be")):
        done = project.ok("export", project.campaign, "-o", project.folder / target, code=1)
        assert told in done.err
        assert len(done.err.splitlines()) == 1
