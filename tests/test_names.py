"""The words of the code: files are nouns, docstrings begin with a verb or a thing, and a class
name is used once. Readers find a behaviour by the field's word for it."""

from __future__ import annotations

import ast
import collections
import re
import tokenize
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.documents import ROOT

FILES = sorted((ROOT / "runner").rglob("*.py"))
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "runner").rglob("*.html")),
    *sorted((ROOT / "runner").rglob("*.j2")),
]
QUESTIONS = re.compile(r"(What|How|Whether|When|Where|Who|Whom|Whose|Which|Why|Whither)\b")
BANNED = {
    "anew": "again",
    "whither": "where",
    "whoever": "the process that, the caller that",
    "somebody": "a person",
    "nobody's": "no person's",
    "this house": "this program",
    "language of the house": "the domain",
    "what (it )?(came|has come|comes|become|becomes|became|has become) of": "the outcome of",
}
"""Word in a docstring or comment: what to write instead."""

RIDDLES = BANNED | {
    "whomever": "anyone whom",
    "kin": "the like",
    "crew": "team",
    "parcels?": "request",
    "passed over": "skipped, left out",
    r"(the|their) wire": "the network, their way",
    "hears? of|heard": "sees",
    r"reckon\w*": "estimate, calculate, count",
    "late (truth|doubt)": "a late answer",
    "(your|the standby's|a person's) word": "resolution, confirmation",
    "words? (given|of a person|for (a message|messages))": "resolution",
    "(give|gives|gave|given) (your|their|a) words?": "resolve",
    "(take|takes|taken) (a|your|every|their) words? back": "undo",
    "the word to": "run it again to",
    "(a|each|every|the) look(?!-)": "a check, a reading",
    "in no campaign": "not ... in any campaign",
    r"(?<!there )is no (?!longer\b|more\b|limit\b)\w+": "is not a",
    r"are no (?!longer\b|more\b|limits?\b)\w+": "are not",
}
"""Pattern in a text that users read, as printed or in the documents: what to write instead."""


def _documented(path: Path) -> Iterator[tuple[ast.AST, str, str]]:
    """Yield each node with a docstring: the node, its name and its docstring."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node, getattr(node, "name", "module"), text
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for first, second in pairwise(body):
                if isinstance(first, ast.Assign | ast.AnnAssign) and isinstance(second, ast.Expr):
                    value = second.value
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        target = first.targets[0] if isinstance(first, ast.Assign) else first.target
                        yield second, ast.unparse(target), value.value


def _place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings and comments of a file, each with its line."""
    for node, _, text in _documented(path):
        yield getattr(node, "lineno", 1), text
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def test_files_are_nouns() -> None:
    assert [_place(path, 1) for path in FILES if path.stem.endswith("ing")] == []


def test_packages_hold_no_logic() -> None:
    for path in FILES:
        if path.name == "__init__.py" and path.parent.name not in {"runner", "sandbox"}:
            statements = ast.parse(path.read_text()).body
            assert [type(each).__name__ for each in statements] == ["Expr"], _place(path, 1)


@pytest.mark.slow
def test_class_names_are_used_once() -> None:
    places = collections.defaultdict(list)
    for path in FILES:
        if "sandbox" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(_place(path, node.lineno))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.slow
@pytest.mark.parametrize("package", sorted({path.relative_to(ROOT).parts[1] for path in FILES}))
def test_docstrings_say_what_a_thing_is_or_does(package: str) -> None:
    riddles = [
        f"{_place(path, getattr(node, 'lineno', 1))} {name}: {text.splitlines()[0]}"
        for path in FILES
        if path.relative_to(ROOT).parts[1] == package
        for node, name, text in _documented(path)
        if QUESTIONS.match(text)
    ]
    assert riddles == []


@pytest.mark.slow
@pytest.mark.parametrize("package", sorted({path.relative_to(ROOT).parts[1] for path in FILES}))
def test_words_are_those_of_the_field(package: str) -> None:
    found = [
        f"{_place(path, line)} {word}: write {instead}"
        for path in FILES
        if path.relative_to(ROOT).parts[1] == package
        for line, text in _prose(path)
        for word, instead in BANNED.items()
        if re.search(rf"\b{word}\b", text, re.IGNORECASE)
    ]
    assert found == []


def _shown(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a file that may be printed, each with its line: those with a space in
    them that are not docstrings, and the docstrings of commands, which are their help."""
    tree = ast.parse(path.read_text())
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    if path.parent.name == "commands":
        documents.clear()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if " " in node.value and id(node) not in documents:
            yield node.lineno, node.value


def _riddles(path: Path, texts: Iterable[tuple[int, str]]) -> list[str]:
    return [
        f"{_place(path, line)} {found[0]!r}: write {instead}"
        for line, text in texts
        for word, instead in RIDDLES.items()
        for found in re.finditer(rf"\b({word})\b", text, re.IGNORECASE)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("package", sorted({path.relative_to(ROOT).parts[1] for path in FILES}))
def test_printed_texts_are_plain(package: str) -> None:
    found = [
        each
        for path in FILES
        if path.relative_to(ROOT).parts[1] == package
        for each in _riddles(path, _shown(path))
    ]
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_plain(path: Path) -> None:
    text = path.read_text()
    if path.name == "CHANGELOG.md":
        text = text[: text.index("\n## [0.1.0]")]
    # A line end may stand within a phrase: each pair of lines is one text too.
    lines = text.splitlines()
    texts = [(1 + at, f"{lines[at]} {after}") for at, after in enumerate([*lines[1:], ""])]
    found = _riddles(path, texts)
    assert found == []
