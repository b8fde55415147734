"""The Markdown of a report: its tables, for a chat, an issue or a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from runner.formats import number
from runner.report.content import Cell, Report, ReportTable

_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~!$]")


def render_markdown(report: Report) -> str:
    """Return the report. What came from people is shown as the text that it is."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterable[str]:
    yield "<!-- run-campaign report -->"
    yield f"# {text(report.campaign)}"
    yield ""
    yield f"{report.at} {text(report.zone)}"
    yield ""
    yield from (f"- {text(line)}" for line in report.summary)
    yield ""
    if report.needs:
        yield "## Needs a person"
        yield ""
        for what, command in report.needs:
            yield f"- {text(what)}" + (f": {code(command)}" if command else "")
        yield ""
    for section in report.sections:
        yield f"## {text(section.title)}"
        yield ""
        for table in section.tables:
            yield from _table(table)
        for note in section.notes:
            yield text(note)
            yield ""
    yield f"run-campaign {report.version}"


def _table(table: ReportTable) -> Iterable[str]:
    if not table.rows:
        return
    right = [any(isinstance(row[at], int) for row in table.rows) for at in range(len(table.head))]
    yield f"| {' | '.join(map(text, table.head))} |"
    yield f"| {' | '.join('---:' if each else '---' for each in right)} |"
    for row in table.rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, int):
        return number(cell)
    return "" if cell is None else text(str(cell)) if isinstance(cell, str) else str(cell)


def text(words: str) -> str:
    """Return words on one line, with everything escaped that Markdown would interpret."""
    return _SPECIAL.sub(r"\\\g<0>", html.escape(" ".join(words.split()), quote=False))


def code(words: str) -> str:
    """Return a command as code, whatever backticks are in it."""
    runs = [len(each) for each in re.findall("`+", words)]
    fence = "`" * (max(runs, default=0) + 1)
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{pad}{' '.join(words.splitlines())}{pad}{fence}"
