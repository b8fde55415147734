"""Findings: how they are told, what stops a campaign, and which codes can be accepted."""

from __future__ import annotations

import pytest

from runner.errors import AudienceError
from runner.findings import (
    CODES,
    Finding,
    FindingError,
    FindingsError,
    Level,
    Rows,
    open_findings,
    questions_of,
    refuse_code,
)

ERROR = Finding("ids_rounded", "4 of 4 ids end in zeros", file="spring.csv", column="x_user_id")
QUESTION = Finding("hidden_rows", "3 rows are hidden", "show them", file="spring.xlsx")
OTHER = Finding("same_text", "everybody gets the same text", file="spring.yaml")
NOTE = Finding("list_people", "14 people", file="dnc.csv")


@pytest.mark.parametrize(
    ("finding", "told"),
    [
        (ERROR, "spring.csv: column x_user_id: 4 of 4 ids end in zeros"),
        (QUESTION, "spring.xlsx: 3 rows are hidden; show them"),
        (Finding("mojibake", "x", file="a.csv", row=3, column="n"), "a.csv: row 3, column n: x"),
        (Finding("escape_visible", "x", "y", file="hello.j2", line=7), "hello.j2:7: x; y"),
        (Finding("same_text", "x"), "x"),
    ],
)
def test_one_line_says_where_what_and_what_instead(finding: Finding, told: str) -> None:
    assert str(finding) == told


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([7], "row 7"),
        ([2, 7], "rows 2 and 7"),
        ([2, 3, 4], "rows 2, 3 and 4"),
        (range(2, 16), "14 rows (2, 3, 4 …)"),
        (range(2, 2002), "2,000 rows (2, 3, 4 …)"),
    ],
)
def test_many_rows_are_a_count_and_the_first_three(rows: range, told: str) -> None:
    found = Rows()
    for row in rows:
        found.add(row)
    assert str(found) == told


def test_errors_and_questions_that_nobody_has_accepted_stop_a_campaign() -> None:
    found = [NOTE, QUESTION, ERROR, OTHER]
    assert open_findings(found, ()) == [QUESTION, ERROR, OTHER]
    assert open_findings(found, {"hidden_rows", "ids_rounded"}) == [ERROR, OTHER]
    assert open_findings([NOTE, QUESTION], {"hidden_rows"}) == []
    assert questions_of([*found, OTHER]) == ["hidden_rows", "same_text"]


def test_an_error_among_them_decides_the_exit_code() -> None:
    assert FindingsError("spring", [QUESTION], "").exit_code == 2
    assert FindingsError("spring", [QUESTION, ERROR], "").exit_code == 1
    told = str(FindingsError("spring", [QUESTION, ERROR], ""))
    assert told.splitlines() == [
        "spring is not sent:",
        "question hidden_rows: spring.xlsx: 3 rows are hidden; show them",
        "error ids_rounded: spring.csv: column x_user_id: 4 of 4 ids end in zeros",
    ]


def test_a_file_that_cannot_be_read_on_is_one_finding() -> None:
    error = FindingError(ERROR)
    assert isinstance(error, AudienceError)
    assert (str(error), error.finding, error.exit_code) == (str(ERROR), ERROR, 1)


def test_only_a_question_is_accepted() -> None:
    for name, code in CODES.items():
        assert bool(refuse_code(name)) is (code.level is Level.ERROR)
    assert refuse_code("hiden_rows") == "no such code; did you mean hidden_rows?"
    assert refuse_code("xyzzy") == "no such code"


def test_an_object_for_programs() -> None:
    assert ERROR.as_json() == {
        "code": "ids_rounded",
        "level": "error",
        "file": "spring.csv",
        "line": None,
        "row": None,
        "column": "x_user_id",
        "what": "4 of 4 ids end in zeros",
        "instead": "",
    }
