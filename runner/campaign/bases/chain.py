"""The chain of a campaign file: itself, the base that it extends, and what that extends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.campaign.bases.merged import in_full, merge
from runner.campaign.paths import PlacedText, parse_path, tidy
from runner.campaign.yaml_document import Document, Unquoted, Whole, read_document, read_text
from runner.campaign.yaml_errors import shown
from runner.errors import CampaignError, Problem

KEY = "extends"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a campaign is written in, and its text as it was read."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A campaign file with its bases. `files`: its own first. `document`: all of them in one.
    `steps`: for each file with a base, from the top down: all above it in one, and it merged
    into that."""

    files: Sequence[SourceFile]
    document: Document
    steps: Sequence[tuple[Document, Document]]


def read_chain(path: Path, text: str | None = None) -> Chain:
    """Read a campaign file and the bases that it extends. `text`: what the file holds, where it is
    not at hand.

    Raises CampaignError for one that is no YAML mapping, or cannot be read, and for a cycle.
    Mistakes inside them are in the document's `problems`.
    """
    own = SourceFile(path, read_text(path) if text is None else text)
    files, documents = [own], [read_document(path, own.text)]
    while KEY in documents[-1].value:
        child = documents[-1]
        at = _base_path(child, files[-1].path)
        _refuse_cycle(child, files, at)
        base, document = _read(child, at)
        document.value = _placed(document.value, at.parent)
        files.append(base)
        documents.append(document)
    merged = documents.pop()
    steps = []
    while documents:
        above = in_full(merged)
        merged = merge(above, documents.pop())
        steps.append((above, merged))
    merged.value.pop(KEY, None)
    return Chain(files, merged, steps)


def _base_path(child: Document, path: Path) -> Path:
    said = child.value[KEY]
    if isinstance(said, list | tuple):
        raise _refusal(child, "is a list, and one base is meant", "let that one extend the other")
    if said is None:
        raise _refusal(child, "is empty", "write a path, relative to this file")
    if not isinstance(said, str):
        written = f"`{shown(said.source)}` " if isinstance(said, Unquoted | Whole) else ""
        raise _refusal(child, f"{written}is not a file name", "write a path, relative to this file")
    try:
        return tidy(parse_path(said, path.parent))
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        raise _refusal(child, what, instead) from None


def _refuse_cycle(child: Document, files: Sequence[SourceFile], at: Path) -> None:
    for index, each in enumerate(files):
        if _is_same(each.path, at):
            round_about = [str(file.path) for file in files[index:]] + [str(at)]
            way = " -> ".join(shown(name, 200) for name in round_about)
            raise _refusal(child, f"goes round in a circle: {way}", "take one of them out")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return os.path.realpath(path) == os.path.realpath(other)


def _read(child: Document, at: Path) -> tuple[SourceFile, Document]:
    """Read a base. What is wrong with the file as a whole is told where it is named."""
    try:
        text = read_text(at)
        return SourceFile(at, text), read_document(at, text)
    except CampaignError as error:
        problem = error.problems[0]
        if problem.line:
            raise
        empty = problem.what == "is empty"
        instead = "write into it what campaigns share" if empty else problem.instead
        raise _refusal(child, f"{problem.file}: {problem.what}", instead) from None


def _refusal(child: Document, what: str, instead: str) -> CampaignError:
    file, line = child.place_of((KEY,))
    problem = Problem(file, line, KEY, what, instead)
    return CampaignError([*child.problems, problem])


def _placed(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _placed(each, folder) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_placed(each, folder) for each in value)
    return PlacedText.of(value, folder) if isinstance(value, str) else value
