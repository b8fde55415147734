"""Findings: facts that a person should know before a message goes.

Every finding has a code that stays. `check`, a dry run and a run show the same ones. An error stops
the campaign; so does a question, until it is answered or its code accepted; a note is shown once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, NamedTuple

from runner.errors import AudienceError, RunnerError


class Level(StrEnum):
    """The effect of a finding on the campaign."""

    ERROR = "error"  # nothing of it is sent
    QUESTION = "question"  # nothing is sent until a person accepts it
    NOTE = "note"  # shown, and no more


class Code(NamedTuple):
    """A kind of finding. `example`: one line as it may be shown."""

    level: Level
    meaning: str
    example: str


_E, _Q, _N = Level.ERROR, Level.QUESTION, Level.NOTE

CODES: Mapping[str, Code] = {
    # Do-not-contact lists
    "list_no_id_column": Code(
        _E,
        "A do-not-contact list does not say which of its columns has the ids.",
        "dnc.csv: which column has the ids? columns there are: record, name, email; "
        "write suppress: [{source: dnc.csv, id: COLUMN}]",
    ),
    "list_bad_id": Code(
        _E,
        "A row of a do-not-contact list has something in it but no id: it would protect nobody.",
        "dnc.csv: row 7: '101 begins with an apostrophe; remove it",
    ),
    "list_nobody": Code(
        _E,
        "A do-not-contact list has content, but nobody is found in it.",
        "dnc.csv: nobody is found in it; write one id a line, or a column with ids",
    ),
    "list_shrank": Code(
        _Q,
        "A do-not-contact list has lost more than a fifth of its people since the last plan.",
        "dnc.csv: 3 people, 14 at the last plan",
    ),
    "list_handle_open": Code(
        _E,
        "Handles of a do-not-contact list are not resolved yet: they would protect nobody.",
        "dnc.csv: row 7 has handles not resolved, so that they protect nobody yet; run "
        "run-campaign handles spring.yaml",
    ),
    "list_handle_unknown": Code(
        _Q,
        "No id was found for handles of a do-not-contact list: by an id they could be written to.",
        "dnc.csv: row 7 has handles of nobody known: written by id, they would be reached; @ada "
        "was in no contact of Inbox on 2026-11-30; run-campaign handles spring.yaml --via x asks X",
    ),
    "list_people": Code(
        _N,
        "How many people a do-not-contact list protects, and how many of them stand in the sheet.",
        "dnc.csv: 14 people, 3 of them in the sheet",
    ),
    # Ids
    "ids_rounded": Code(
        _E,
        "More ids end in zeros than chance allows: a program has rounded them, and they"
        " name other people.",
        "spring.csv: column x_user_id: 4 of 4 ids end in zeros from the 16th digit on: "
        "a spreadsheet has rounded them; export them again as text",
    ),
    "ids_look_like_rows": Code(
        _Q,
        "Ids are short or consecutive, as the numbers of rows or of a CRM are.",
        "spring.csv: column id: the ids look like row numbers: 1, 2, 3",
    ),
    "sample_people": Code(
        _E,
        "The sheet has people of the sample, who are made up; only a rehearsal may write to them.",
        "spring.csv: column x_user_id: 20 of the sample's people, who are made up; name a sheet "
        "of your own; --sandbox rehearses with these",
    ),
    # Handles
    "handles_unresolved": Code(
        _N,
        "Handles of the sheet have no id: nobody asked for them yet, or none was found.",
        "spring.csv: column handle: 14 rows (2, 3, 4 …) are not resolved; run "
        "run-campaign handles spring.yaml",
    ),
    "handle_or_id": Code(
        _Q,
        "A column of handles also holds ids, and a number that may be either.",
        "spring.csv: column handle: row 7 is 783214, which may be a handle or an id; write "
        "@783214 for the handle",
    ),
    "handle_name_differs": Code(
        _Q,
        "A handle belongs to an account with another name than the sheet's.",
        "spring.csv: column handle: row 7: @ada is Ben Brooks, the sheet says Ada Adler; is that "
        "the same person?",
    ),
    # Workbooks
    "sheet_unclear": Code(
        _E,
        "A workbook has several visible sheets with a header, and the campaign names none.",
        "spring.xlsx: has the sheets People and Old; write prospects: {source: "
        "spring.xlsx, sheet: People}",
    ),
    "sheet_read": Code(
        _N,
        "Which sheet and range of a workbook are read.",
        "spring.xlsx: sheet People, A1:F312",
    ),
    "hidden_rows": Code(
        _Q,
        "Rows are hidden or filtered out in the workbook; they would be written to.",
        "spring.xlsx: sheet People: 14 rows (4, 7, 9 …) are hidden or filtered out; delete "
        "them, or show them",
    ),
    "cells_merged": Code(
        _N,
        "A merged cell counts for each of the rows and columns that it covers.",
        "spring.xlsx: column company: a cell is merged over rows 2 to 4; it counts for "
        "each of them",
    ),
    "formula_uncalculated": Code(
        _E,
        "A cell that is used holds a formula whose result was never stored.",
        "spring.xlsx: column greeting: row 2 holds a formula that was never calculated;"
        " open the workbook, save it, and run again",
    ),
    "format_unknown": Code(
        _N,
        "Numbers or dates have a format that is not known here; they are printed plain.",
        "spring.xlsx: column size: the format # ?/? is not known here; 1.5 is printed",
    ),
    # Cells
    "empty_words": Code(
        _N,
        "Cells say in words, or as a spreadsheet's error, that they hold nothing; they "
        "count as empty.",
        "spring.csv: column first_name: 14 rows (2, 3, 4 …) say NULL or #N/A; they count as empty",
    ),
    "names_like_nothing": Code(
        _Q,
        "A name is one of the words that programs write for nothing.",
        "spring.csv: column first_name: row 7 is Null; is that someone's name?",
    ),
    "truth_of_text": Code(
        _E,
        "A bare `if` decides by a text column of yes and no; every text counts as yes.",
        "hello.j2:2: {% if is_customer %} is true for FALSE too; write {% if is_customer | yes %}",
    ),
    "text_compared": Code(
        _E,
        "The template compares a column's text with a number.",
        "hello.j2:2: {% if employees > 50 %} compares text with a number; write {% if "
        "employees | number > 50 %}",
    ),
    "mojibake": Code(
        _Q,
        "Cells that are used hold text that was read in a wrong encoding before, or "
        "signs that stand for lost letters.",
        "spring.csv: column first_name: row 3 is ZoÃ«, which looks like Zoë read in a "
        "wrong encoding",
    ),
    # Tables
    "nobody_selected": Code(
        _E,
        "No row has what prospects.where asks for.",
        "spring.csv: column country: prospects.where selects nobody; there are: United Kingdom, "
        "United States; write one of these",
    ),
    "columns_renamed": Code(
        _N,
        "Headers are written differently in a template.",
        "spring.csv: columns are read as: 'First Name' as first_name",
    ),
    "lines_above_header": Code(
        _N,
        "Lines above the header are left out.",
        "Connections.csv: lines 1 to 3 above the header are left out",
    ),
    "lines_below_rows": Code(
        _N,
        "Lines below the rows that belong to no table are left out.",
        "report.csv: lines 105 to 108 below the rows are left out",
    ),
    "short_rows": Code(
        _N,
        "Rows have fewer cells than the header, as spreadsheets write them; the missing"
        " ones are empty.",
        "spring.csv: 12 rows (3, 4, 9 …) have fewer cells than the header; the missing "
        "ones are empty",
    ),
    "header_repeated": Code(
        _N,
        "The header stands again among the rows; those rows are left out.",
        "spring.csv: row 502 is the header again; left out",
    ),
    "header_differs": Code(
        _E,
        "The header stands again among the rows, in another order.",
        "spring.csv: row 502 is a header in another order; divide the file there",
    ),
    "cell_has_rows": Code(
        _E,
        "A cell of several lines has the shape of rows: a quote is missing.",
        "spring.csv: row 7: column note holds 12 lines that look like rows; close the "
        "quote before them",
    ),
    "nested_left_out": Code(
        _N,
        "Columns that hold lists or objects are left out, since nothing uses them.",
        "spring.jsonl: tags and address hold lists or objects; they are left out",
    ),
    "encoding_unclear": Code(
        _E,
        "The file is not UTF-8, and its letters can be read in several ways.",
        "spring.csv: row 3, column first_name: is not UTF-8 text; its text reads as Zoë (cp1252), "
        "Zoλ (cp1253); set prospects.encoding to the one that reads right",
    ),
    "nested_used": Code(
        _E,
        "A column that is used holds lists or objects, which cannot be printed.",
        "spring.jsonl: row 3, column skills: holds a list or an object; write one text into it",
    ),
    "encoding_doubtful": Code(
        _Q,
        "Texts look wrong in the encoding that the campaign file names.",
        "spring.csv: read as cp1252, texts are £ukasz, Jos‚; is that right?",
    ),
    "encoding_read": Code(
        _N,
        "How texts outside ASCII read in the encoding that the campaign file names.",
        "spring.csv: read as cp1252: José, Zoë",
    ),
    # The text
    "placeholder_of_column": Code(
        _E,
        "The text has a placeholder of another program with a column's name in it.",
        "hello.j2:1: {first_name} would be sent as it stands; write {{ first_name }}",
    ),
    "placeholder": Code(
        _Q,
        "The text has something that looks like a placeholder of another program.",
        "hello.j2:1: [City] would be sent as it stands; is it meant?",
    ),
    "spintax": Code(
        _Q,
        "The text has words to choose from, as other programs write them.",
        "hello.j2:1: {Hi|Hello} would be sent as it stands; keep one of the words",
    ),
    "text_is_path": Code(
        _E,
        "The text is the name of a file that exists.",
        "spring.yaml:4: message is the name of a file; write message: {template: hello.j2}",
    ),
    "escape_visible": Code(
        _Q,
        "The text shows an escape such as \\n.",
        "hello.j2:1: \\n would be sent as it stands; break the line instead",
    ),
    "mail_text": Code(
        _Q,
        "The text begins with mail headers.",
        "hello.j2:1: Subject: would be sent as it stands; remove it",
    ),
    "html_text": Code(
        _Q,
        "The text has HTML in it.",
        "hello.j2:1: <p> would be sent as it stands; write plain text",
    ),
    "text_cut_off": Code(
        _E,
        "YAML takes the rest of an unquoted text for a comment.",
        "spring.yaml:7: message: everything from # on is a comment to YAML; put the text in quotes",
    ),
    "variant_gone": Code(
        _Q,
        "People have a variant that the file has no more: who is not written to yet would get "
        "another, and who is would not get the follow-ups of which each variant has its own text.",
        "spring.yaml: 412 people not written to yet had variant plain, which the file has no more, "
        "and would be dealt one of question, short",
    ),
    "same_variants": Code(
        _Q,
        "Two variants of a message have the same text, so that nothing is compared.",
        "spring.yaml:9: variants plain and question have the same text; write another, or remove "
        "one of them",
    ),
    "same_text": Code(
        _Q,
        "Everybody gets the same text.",
        "spring.yaml: everybody gets the same text: no column is used in it",
    ),
}
"""All codes, as the documents list them."""

SAMPLE_PEOPLE = "sample_people"
"""The one error that a dry run shows without failing: the sample is there to be looked at."""


def refuse_code(code: str) -> str:
    """Return why a code cannot be accepted; empty for a question's."""
    if code not in CODES:
        near = get_close_matches(code, [name for name in CODES if CODES[name].level is _Q], 1)
        return "no such code" + (f"; did you mean {near[0]}?" if near else "")
    if CODES[code].level is _E:
        return "is an error: it has to be corrected, and cannot be accepted"
    return ""


SHOWN_ROWS = 3
"""Rows named where many have one fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know: where, what, and what instead. A `line` is of a text file that a person
    wrote; a `row` is counted as in the sheet, header 1. 0 and empty: nowhere in particular."""

    code: str
    what: str
    instead: str = ""
    file: str = ""
    line: int = 0
    row: int = 0
    column: str = ""

    @property
    def level(self) -> Level:
        return CODES[self.code].level

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [place] if place else []
        where = [f"row {self.row}"] if self.row else []
        where += [f"column {self.column}"] if self.column else []
        parts += [", ".join(where)] if where else []
        line = ": ".join([*parts, self.what])
        return line + (f"; {self.instead}" if self.instead else "")

    def as_json(self) -> dict[str, Any]:
        """Return the public form: names stay."""
        return {
            "code": self.code,
            "level": str(self.level),
            "file": self.file,
            "line": self.line or None,
            "row": self.row or None,
            "column": self.column or None,
            "what": self.what,
            "instead": self.instead,
        }


@dataclass(slots=True)
class Rows:
    """Rows that have one fault: how many, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.first) < SHOWN_ROWS:
            self.first.append(row)

    def __str__(self) -> str:
        """Format as `row 7`, `rows 2 and 7`, `14 rows (2, 3, 4 …)`."""
        if self.count == 1:
            return f"row {self.first[0]}"
        if self.count <= SHOWN_ROWS:
            return f"rows {', '.join(map(str, self.first[:-1]))} and {self.first[-1]}"
        return f"{self.count:,} rows ({', '.join(map(str, self.first))} …)"


class FindingError(AudienceError):
    """A file that cannot be read on, because of one finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


class FindingsError(RunnerError):
    """A campaign that is not sent because of its findings: exit code 1 with an error among them, 2
    with questions alone."""

    def __init__(self, campaign: str, findings: Sequence[Finding], hint: str) -> None:
        lines = "\n".join(f"{each.level} {each.code}: {each}" for each in findings)
        super().__init__(f"{campaign} is not sent:\n{lines}", hint)
        self.findings = findings
        self.exit_code = 1 if any(each.level is Level.ERROR for each in findings) else 2


def open_findings(findings: Iterable[Finding], accepted: Collection[str]) -> list[Finding]:
    """Return what stops a campaign: its errors, and the questions whose codes no person has
    accepted."""
    return [
        each
        for each in findings
        if each.level is Level.ERROR or (each.level is Level.QUESTION and each.code not in accepted)
    ]


def questions_of(findings: Iterable[Finding]) -> list[str]:
    """Return the codes of the questions among findings, each once, in their order."""
    return list(dict.fromkeys(each.code for each in findings if each.level is Level.QUESTION))
