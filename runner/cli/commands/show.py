"""`run-campaign show`: a campaign with all that its bases bring in, and where each value stands."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from runner.campaign.bases.defaults import with_defaults
from runner.campaign.bases.text import campaign_lines, in_order, written
from runner.campaign.loader import Explained, explain_campaign
from runner.campaign.yaml_document import Loc, dotted
from runner.cli.failures import scrub
from runner.cli.invocation import Invocation
from runner.cli.options import campaign_argument, examples
from runner.cli.output import json_text
from runner.formats import safe

NO_TERMINAL = 100
"""Columns of an output that is none."""


@click.command(
    "show",
    short_help="Show a campaign with its bases: each value with file and line.",
    epilog=examples(
        "run-campaign show spring.yaml",
        "run-campaign show spring.yaml --all     defaults too",
        "run-campaign show spring.yaml --json",
    ),
)
@campaign_argument
@click.option("--all", "with_all", is_flag=True, help="Show defaults too, each marked as one.")
@click.option("--json", "as_json", is_flag=True, help="Campaign, files and values as JSON.")
@click.pass_obj
def command(call: Invocation, /, campaign: Path, with_all: bool, as_json: bool) -> int:
    """Show a campaign as one YAML file, with all that it has of the bases that it extends; behind
    each value the file and line that it comes from.

    Defaults stand in no file, and are shown with --all. A token is shown as the variable that holds
    it.
    """
    call.about((campaign,), None)
    found, defaults = explain_campaign(campaign), frozenset[Loc]()
    if with_all:
        document, defaults = with_defaults(found.document, found.campaign)
        found = found._replace(document=document)
    if as_json:
        click.echo(scrub(json_text(_as_json(found, defaults)), call))
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else NO_TERMINAL
    for line in _told(found, defaults, width):
        click.echo(safe(scrub(line, call)))
    return 0


def _told(found: Explained, defaults: Collection[Loc], width: int) -> Iterator[str]:
    own, *bases = (str(path) for path, _ in found.campaign.files)
    yield f"# {own}, campaign {found.campaign.name}"
    yield from (f"# extends {base}" for base in bases)
    lines = campaign_lines(found.document, found.paths)
    places = [(each.text, _place(found, defaults, each.at)) for each in lines]
    yield from _with_places(places, width)


def _is_default(at: Loc, defaults: Collection[Loc]) -> bool:
    return any(at[:end] in defaults for end in range(1, len(at) + 1))


def _place(found: Explained, defaults: Collection[Loc], at: Loc | None) -> str:
    if at is None:
        return ""
    if _is_default(at, defaults):
        return "# default"
    file, line = found.document.place_of(at)
    return f"# {file}:{line}"


def _with_places(lines: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Put the place of a value behind it, in one column; above it where it would not fit."""
    room = width - max(len(place) for _, place in lines) - 2
    column = max((len(text) for text, place in lines if place and len(text) <= room), default=0)
    for text, place in lines:
        if place and len(text) <= room:
            yield f"{text:<{column}}  {place}"
            continue
        if place:
            yield " " * (len(text) - len(text.lstrip())) + place
        yield text


def _as_json(found: Explained, defaults: Collection[Loc]) -> dict[str, Any]:
    values = []
    for at, value in _leaves(in_order(found.document), ()):
        file: str | None
        line: int | None
        file, line = found.document.place_of(at)
        if _is_default(at, defaults):
            file = line = None
        said = {"key": dotted(at), "value": written(value, found.paths), "file": file, "line": line}
        values.append(said)
    files = [str(path) for path, _ in found.campaign.files]
    return {"campaign": found.campaign.name, "files": files, "values": values}


def _leaves(value: Any, at: Loc) -> Iterator[tuple[Loc, Any]]:
    if isinstance(value, dict | tuple) and value:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in parts:
            yield from _leaves(each, (*at, key))
    else:
        yield at, value
