"""The writer of reports for people and programs: one HTML file, Markdown, or JSON.

Everything that comes from people, their sheet or the API shows as the text that it is. No page
fetches anything or runs a script.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from runner.errors import RunnerError, UsageError
from runner.report.content import report_of
from runner.status.statistics import Statistics
from runner.tables.writer import replacing

__all__ = ["FORMATS", "format_of", "refuse_other", "render", "save_report"]

FORMATS = {"html": (".html", ".htm"), "md": (".md", ".markdown"), "json": (".json",)}
"""The formats, and the endings of files that mean them."""


def format_of(path: Path) -> str:
    """Return the format by a file's ending. Raises UsageError for an unknown one."""
    for name, endings in FORMATS.items():
        if path.suffix.lower() in endings:
            return name
    known = ", ".join(ending for endings in FORMATS.values() for ending in endings)
    said = path.suffix or "(none)"
    raise UsageError(f"-o {path}: an unknown ending {said}; known: {known}", "or say --format")


def render(found: Statistics, format: str, command: Callable[..., str], version: str) -> str:
    """Return the text of a report. `command` makes a command line of its words."""
    report = report_of(found, command, version)
    match format:
        case "json":
            return json.dumps(report.public, ensure_ascii=False, indent=2) + "\n"
        case "md":
            from runner.report.markdown import render_markdown

            return render_markdown(report)
        case _:
            from runner.report.html import render_html

            return render_html(report)


def save_report(path: Path, text: str) -> None:
    """Write a report to a file, whole or not at all. A file that is there is replaced only if it is
    a report itself. Raises RunnerError."""
    refuse_other(path)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def refuse_other(path: Path) -> None:
    """Raise RunnerError where something is there already that is no report."""
    if path.exists() and not path.is_file():  # to replace a device or to read a pipe does harm
        raise RunnerError(f"{path}: is not a file", "name a file, or leave -o out for stdout")
    if path.exists() and not _is_report(path):
        raise RunnerError(
            f"{path}: exists and is not a report of this program; it is left as it is",
            "name another file, or remove that one",
        )


MARKS = (
    '<meta name="generator" content="run-campaign report">',
    "<!-- run-campaign report -->",
    '{\n  "report": "run-campaign"',
)
"""The marks near the beginning of a report, one for each format."""


def _is_report(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            head = stream.read(2000)
    except OSError:
        return False
    return not head.strip() or any(mark in head for mark in MARKS)
