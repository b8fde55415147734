"""The tree of the program's files, with what each holds: `python -m tests.tree`."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from tests.documents import ROOT

ORDER = (
    *("message", "campaign", "tables", "audience", "templating", "channels", "pacing", "ledger"),
    *("project", "planning", "sending", "control", "status", "run", "workers"),
    *("terminal", "report", "dashboard", "cli", "sandbox", "virtual"),
)
"""Packages from the domain to what a person sees."""


WIDEST = 84
"""Characters of what a file holds: a longer sentence is shown up to a sign of its own."""


def holds(path: Path) -> str:
    """Return the first sentence of a module's docstring, or as much of it as fits on a line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"\.(?= |$)", paragraph, maxsplit=1)[0]
    for sign in ("; ", ": ", ", "):
        if len(sentence) > WIDEST:
            sentence = sentence.partition(sign)[0]
    return sentence


def tree(folder: Path = ROOT / "runner", depth: int = 0) -> list[str]:
    """Return a line for each file below a folder, files before folders."""
    lines = [_line(f"{folder.name}/", holds(folder / "__init__.py"), depth)]
    files = sorted(each for each in folder.glob("*.py") if each.name != "__init__.py")
    lines += [_line(file.name, holds(file), depth + 1) for file in files]
    folders = [each for each in folder.iterdir() if (each / "__init__.py").exists()]
    for each in sorted(folders, key=_place):
        lines += tree(each, depth + 1)
    return lines


def _place(folder: Path) -> tuple[int, str]:
    return (ORDER.index(folder.name) if folder.name in ORDER else 0, folder.name)


def _line(name: str, text: str, depth: int) -> str:
    return f"{'  ' * depth + name:<26} {text}".rstrip()


if __name__ == "__main__":
    sys.stdout.write("\n".join(tree()) + "\n")
