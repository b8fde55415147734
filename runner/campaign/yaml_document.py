"""A YAML document: plain values that remember where they stood.

PyYAML alone lets a repeated key win silently and reads `10:30` as 630, `no` as False and `0123`
as 83. Here only text, whole numbers and nothing survive; whatever else YAML would make of a
scalar stays `Unquoted`, so that the refusal can show what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from runner.campaign.yaml_errors import QUOTE_IT, shown, syntax_problem
from runner.errors import CampaignError, Problem

MAX_BYTES = 1 << 20
"""A campaign file is written by hand; a megabyte of it is a mistake (a CSV, a log)."""
MAX_NODES = 10_000
"""Values after all aliases are followed: stops ten lines that expand to a billion."""
MAX_DEPTH = 40

Loc = tuple[str | int, ...]
"""The path of a value: keys and list positions from the top."""

_TAG = "tag:yaml.org,2002:"
_KINDS = {
    "bool": "a yes/no value",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "null": "empty",
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Unquoted:
    """A scalar that YAML does not read as text, and that no setting wants as it is."""

    source: str
    kind: str


class Whole(int):
    """A whole number, with what was written for it: `+1_000` is 1000."""

    source: str

    @classmethod
    def of(cls, source: str) -> Whole:
        found = cls(source.replace("_", ""))
        found.source = source
        return found


@dataclass(slots=True)
class Document:
    """A YAML file as values, with the line of each, what was written for it, and its mistakes.

    `comments`: what YAML leaves out after an unquoted value. `texts`: the line of a text's first
    line, and whether the text's lines are the file's. `files`: of values that stand in another
    file, which.
    """

    file: str
    value: Any = None
    lines: dict[Loc, int] = field(default_factory=dict)
    scalars: dict[Loc, tuple[str, str]] = field(default_factory=dict)  # source, what YAML read
    comments: dict[Loc, str] = field(default_factory=dict)
    texts: dict[Loc, tuple[int, bool]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    files: dict[Loc, str] = field(default_factory=dict)

    def place_of(self, loc: Loc) -> tuple[str, int]:
        """Return the file and line of a value, or of the nearest thing around it that has some."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.files.get(loc, self.file), self.lines.get(loc, 1)

    def line_of(self, loc: Loc) -> int:
        """Return the line of a value, as `place_of` does."""
        return self.place_of(loc)[1]

    def add(self, line: int, loc: Loc, what: str, instead: str = "") -> None:
        self.problems.append(Problem(self.file, line, dotted(loc), what, instead))


def dotted(loc: Loc) -> str:
    """Return `("senders", 0, "id")` as `senders[0].id`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in loc)
    return "".join(parts).removeprefix(".")


def read_document(path: Path, text: str | None = None) -> Document:
    """Read one YAML mapping, or take its `text`. Raises CampaignError when it is not one at all.

    Mistakes inside it (repeated keys, foreign tags) are in `problems`, for the caller to add to.
    """
    file = shown(str(path), 4000)
    if text is None:
        text = read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CampaignError([syntax_problem(file, text, error)]) from None
    except RecursionError:
        raise CampaignError([_too_deep(file, 1)]) from None
    document = Document(file)
    if root is None:
        raise CampaignError(
            [Problem(file, 0, "", "is empty", "a campaign needs senders, prospects and message")]
        )
    if not isinstance(root, yaml.MappingNode):
        raise CampaignError(
            [
                Problem(
                    file,
                    root.start_mark.line + 1,
                    "",
                    "is not a list of settings",
                    "write keys and values, such as `prospects: spring.csv`",
                )
            ]
        )
    reader = _Reader(document, text)
    try:
        document.value = reader.value(root, ())
    except _Stop as stop:
        raise CampaignError([stop.problem]) from None
    return document


def read_text(path: Path) -> str:
    """Return a campaign file's text. Raises CampaignError when it cannot be read as one."""
    file = shown(str(path), 4000)

    def refuse(what: str, instead: str = "", line: int = 0) -> CampaignError:
        return CampaignError([Problem(file, line, "", what, instead)])

    if path.suffix.lower() not in (".yaml", ".yml"):
        raise refuse("is not a campaign file", _near(path) or "one ends in .yaml or .yml")
    try:
        if path.is_dir():
            raise refuse("is a folder", "name the campaign file in it")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse("no such file", _near(path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise refuse(f"cannot be read ({reason})") from None
    if len(data) > MAX_BYTES:
        raise refuse("is larger than 1 MiB", "is this the prospects file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse("is not UTF-8 text", "save it as UTF-8", line) from None


def _near(path: Path) -> str:
    """Return `did you mean …`, from the campaign files beside the missing one and in
    `campaigns/`."""
    found: dict[str, Path] = {}
    for folder in (path.parent / "campaigns", path.parent):
        try:
            for each in sorted(folder.iterdir()):
                if each.suffix in (".yaml", ".yml"):
                    found[each.name] = each
        except (OSError, ValueError):
            continue
    names = get_close_matches(path.name, found, 1) or [
        n for n in found if Path(n).stem == path.stem
    ]
    return f"did you mean {found[names[0]]}?" if names else ""


def _too_deep(file: str, line: int) -> Problem:
    return Problem(file, line, "", f"is nested more than {MAX_DEPTH} deep", "flatten it")


def _comment_after(text: str, node: yaml.ScalarNode) -> str:
    """Return the comment that ends an unquoted value on its line, or on the next if that is
    indented as the value's own further lines would be; empty for none."""
    end = node.end_mark.index
    first = text.rfind("\n", 0, node.start_mark.index) + 1
    indent = len(text[first:]) - len(text[first:].lstrip(" "))
    same = re.compile(r"[ \t]+(#[^\r\n]*)").match(text, end)
    if same:
        return same[1].rstrip()
    after = re.compile(rf"[ \t]*(?:\r?\n[ \t]*)*\r?\n[ ]{{{indent + 1},}}(#[^\r\n]*)").match(
        text, end
    )
    return after[1].rstrip() if after else ""


def _copy_below(places: dict[Loc, Any], there: Loc, to: Callable[[Loc], Loc]) -> None:
    found = {to(each): value for each, value in places.items() if each[: len(there)] == there}
    places.update(found)


class _Stop(Exception):
    """The document cannot be walked to its end."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Reader:
    """Walks PyYAML's nodes once, filling a Document."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.count = 0
        self.open: set[int] = set()  # nodes we are inside of; meeting one again is a loop

    def value(self, node: yaml.Node, loc: Loc) -> Any:
        line = node.start_mark.line + 1
        self.document.lines.setdefault(loc, line)
        self.count += 1
        if self.count > MAX_NODES:
            what = f"holds more than {MAX_NODES:,} values, aliases followed"
            raise _Stop(Problem(self.document.file, line, "", what, "use fewer aliases"))
        if id(node) in self.open:
            what = "an alias that contains itself"
            raise _Stop(Problem(self.document.file, line, dotted(loc), what, "remove it"))
        if len(self.open) > MAX_DEPTH:
            raise _Stop(_too_deep(self.document.file, line))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, loc)
            if isinstance(node, yaml.SequenceNode) and self._known(node, loc, "seq"):
                return tuple(self.value(child, (*loc, i)) for i, child in enumerate(node.value))
            return None
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        if not self._known(node, loc, "map"):
            return {}
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                merged.append(value_node)
                continue
            key = self._key(key_node, loc)
            if key is None:
                continue
            if key in first:
                what = f"is set twice, on lines {first[key]} and {line}"
                self.document.add(line, (*loc, key), what, "keep one")
                continue
            first[key] = line
            self.document.lines[(*loc, key)] = line
            found[key] = self.value(value_node, (*loc, key))
        for each in merged:
            for key, value in self._merged(each, loc).items():
                found.setdefault(key, value)
        return found

    def _merged(self, node: yaml.Node, loc: Loc) -> dict[str, Any]:
        """Return the keys that `<<: *base` brings in; of several, the first wins, as YAML has
        it."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for each in nodes:
            if not isinstance(each, yaml.MappingNode):
                line = node.start_mark.line + 1
                self.document.add(line, (*loc, "<<"), "does not name keys and values")
                continue
            # Kept under a place of its own, so that lines of the keys written here win.
            for key, value in self.value(each, (*loc, "<<")).items():
                if key not in found:
                    self._bring_in(loc, key)
                    found[key] = value
        return found

    def _bring_in(self, loc: Loc, key: str) -> None:
        """Let a key that `<<` brings in be known where it is a value, unless it is written
        there."""
        if (*loc, key) in self.document.lines:
            return
        document, there = self.document, (*loc, "<<", key)
        at = len(there)
        for places in (document.lines, document.scalars, document.comments, document.texts):
            _copy_below(places, there, lambda each: (*loc, key, *each[at:]))

    def _key(self, node: yaml.Node, loc: Loc) -> str | None:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            if self.text[max(0, node.start_mark.index - 1) :].startswith("{{"):
                what = "a text that begins with {{ is not in quotes"
                self.document.add(line, loc, what, QUOTE_IT)
                return None
            self.document.add(line, loc, "a key that is itself a list or a block", "use a word")
            return None
        text = str(node.value)
        if node.tag != _TAG + "str" or _UNWANTED.search(text):
            what = f"the key `{shown(text)}` is not text in YAML"
            self.document.add(line, loc, what, f'quote it: "{shown(text)}"')
            return None
        return text

    def _known(self, node: yaml.Node, loc: Loc, kind: str) -> bool:
        if node.tag == _TAG + kind:
            return True
        tag = shown(node.tag.replace(_TAG, "!!"))
        if node.tag.startswith("!") and isinstance(node, yaml.ScalarNode | yaml.MappingNode):
            # `!Hi {{ … }}`: what YAML takes for a tag may be the first word of a text.
            what = f"begins with {tag}, which is a tag to YAML, and not allowed"
            self.document.add(node.start_mark.line + 1, loc, what, "put a text in quotes")
            return False
        self.document.add(
            node.start_mark.line + 1, loc, f"the tag {tag} is not allowed", "remove it"
        )
        return False

    def _place(self, node: yaml.ScalarNode, loc: Loc) -> None:
        """Keep where a text begins, and the comment that follows it if it is unquoted."""
        line = node.start_mark.line + 1
        self.document.texts[loc] = (line, False)
        if node.style == "|":
            self.document.texts[loc] = (line + 1, True)
        if node.style is None:
            comment = _comment_after(self.text, node)
            if comment:
                self.document.comments[loc] = comment

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        kind = node.tag.removeprefix(_TAG)
        source = str(node.value)
        if kind in ("str", "value", "merge"):
            if _UNWANTED.search(source):
                line = node.start_mark.line + 1
                instead = (
                    "in double quotes a backslash makes one; write / in a path, \\\\ elsewhere"
                )
                instead = instead if node.style == '"' else "remove it"
                self.document.add(line, loc, "holds a control character", instead)
                return ""
            self.document.scalars[loc] = (source, "text")
            self._place(node, loc)
            return source
        if kind not in _KINDS:
            self._known(node, loc, "str")
            return Unquoted("", "a tag")
        self.document.scalars[loc] = (source, _KINDS[kind])
        if kind == "null":
            if not source:
                self._place(node, loc)
            return None
        if kind == "int" and len(source) < 20 and _INTEGER.fullmatch(source):
            return Whole.of(source)
        return Unquoted(source, _KINDS[kind])
