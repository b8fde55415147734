"""The text of a campaign as one YAML file: with all that its bases bring in, and no more of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from runner.campaign.paths import PlacedText
from runner.campaign.schema import Campaign
from runner.campaign.yaml_document import Document, Loc, Unquoted, Whole

_ORDER = [info.alias or name for name, info in Campaign.model_fields.items()]
_PLAIN = re.compile(r"[A-Za-z0-9_./$][A-Za-z0-9_./@+()${}~ -]*(?<! )")
_TO_ESCAPE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_RESOLVER = yaml.resolver.Resolver()


class TextLine(NamedTuple):
    """A line of the text, and the value that is written on it, if any."""

    text: str
    at: Loc | None = None


def campaign_text(document: Document, paths: Mapping[int, Path]) -> str:
    """Return a campaign as one file that needs no other one: it means the same where its bases are
    not at hand. `paths`: of the texts that are paths, by their identity."""
    whole = {id: os.path.realpath(path) for id, path in paths.items()}
    return "".join(f"{line.text}\n" for line in campaign_lines(document, whole))


def paths_from(folder: Path, paths: Mapping[int, Path]) -> dict[int, str]:
    """Return paths as a file in `folder` would write them."""
    found = {}
    for id, path in paths.items():
        near = os.path.relpath(path, folder)
        same = os.path.realpath(folder / near) == os.path.realpath(path)
        found[id] = near if same else os.path.realpath(path)
    return found


def campaign_lines(document: Document, paths: Mapping[int, str]) -> list[TextLine]:
    """Return the lines of a campaign's text, keys in the order of the reference. `paths`: what is
    written for a path that was inherited, by the identity of its text."""
    return list(_map(in_order(document), (), paths))


def in_order(document: Document) -> dict[str, Any]:
    """Return the values of a campaign, keys in the order of the reference."""
    return dict(sorted(document.value.items(), key=lambda each: _ORDER.index(each[0])))


def _map(value: Mapping[str, Any], at: Loc, paths: Mapping[int, str]) -> Iterator[TextLine]:
    for key, each in value.items():
        there = (*at, key)
        name = _word(key)
        inner = list(_lines(each, there, paths))
        if isinstance(each, dict | tuple) and each:
            yield TextLine(f"{name}:")
            yield from (TextLine(f"  {line.text}" if line.text else "", line.at) for line in inner)
        else:
            yield TextLine(f"{name}: {inner[0].text}", there)
            yield from inner[1:]


def _lines(value: Any, at: Loc, paths: Mapping[int, str]) -> Iterator[TextLine]:
    if isinstance(value, dict) and value:
        yield from _map(value, at, paths)
    elif isinstance(value, tuple) and value:
        for index, each in enumerate(value):
            inner = list(_lines(each, (*at, index), paths))
            yield TextLine(f"- {inner[0].text}", inner[0].at)
            yield from (
                TextLine(f"  {line.text}" if line.text else "", line.at) for line in inner[1:]
            )
    else:
        first, *rest = _scalar(value, at, paths).split("\n")
        yield TextLine(first, at)
        yield from map(TextLine, rest)


def written(value: Any, paths: Mapping[int, str]) -> Any:
    """Return a single value as JSON has it."""
    if isinstance(value, Whole):
        return int(value)
    if isinstance(value, Unquoted):
        return yaml.safe_load(value.source) if value.kind != "a date" else value.source
    if isinstance(value, PlacedText):
        return _of_here(value, paths)
    return value if value or value is None else type(value)()


def _of_here(value: PlacedText, paths: Mapping[int, str]) -> str:
    """Return an inherited text; a path as a file in this folder would write it."""
    is_fixed = os.path.isabs(value) or id(value) not in paths
    return str(value) if is_fixed else paths[id(value)]


def _scalar(value: Any, at: Loc, paths: Mapping[int, str]) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict | tuple):
        return "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, Unquoted | Whole):
        return value.source
    return _text(_of_here(value, paths) if isinstance(value, PlacedText) else value, at)


def _text(text: str, at: Loc) -> str:
    if "\n" in text and (block := _block(text)):
        return block
    # Behind a text for people without quotes, `# …` is asked about.
    for_people = at[:1] == ("message",) and at[-1] != "template"
    for_people = for_people or at[:2] in (("prospects", "defaults"), ("prospects", "where"))
    return _quoted(text) if for_people else _word(text)


def _word(text: str) -> str:
    """Return a text as it is, where YAML reads it as text, or else in quotes."""
    kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return text if _PLAIN.fullmatch(text) and kind == "tag:yaml.org,2002:str" else _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _block(text: str) -> str:
    """Return a text of several lines below `|`; empty for one that cannot be written so."""
    lines = text.split("\n")
    odd = any(line != "" and line.isspace() for line in lines) or _TO_ESCAPE.search(text)
    if odd or not lines[0] or lines[0][0] in " \t" or text.endswith("\n\n"):
        return ""
    ends = lines[-1] == ""
    lines = lines[:-1] if ends else lines
    return "\n".join(["|" if ends else "|-", *(f"  {line}" if line else "" for line in lines)])
