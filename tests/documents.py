"""The documents and the command line as a program reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from runner.cli.app import commands

ROOT = Path(__file__).parent.parent


SHELL_ENDS = ("|", "||", "&&", ";", ">", ">>", "2>&1")


FENCE = re.MULTILINE | re.DOTALL


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def own_part(text: str, heading: str) -> str:
    """What stands below a heading, up to the next heading of any level."""
    return re.split(r"^#+ ", section(text, heading), maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str) -> list[list[str]]:
    """The cells of all tables in a text, without heads and rules."""
    rows: list[list[str]] = []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if not line.startswith("|") or set(line) <= set("|- "):
            continue
        if at + 1 < len(lines) and lines[at + 1].startswith("| ---"):
            continue
        cells = re.split(r"(?<!\\)\|", line.strip("|"))
        rows.append([cell.strip() for cell in cells])
    return rows


def ticked(cell: str) -> list[str]:
    """The words in backticks of a cell."""
    return [word.replace("\\|", "|") for word in re.findall(r"`([^`]+)`", cell)]


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def subcommand(group: click.Group, name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def walk(command: click.Command, path: str = "run-campaign") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from walk(subcommand(command, name), f"{path} {name}")


TREE = dict(walk(commands))


def options_of(command: click.Command) -> dict[str, click.Option]:
    return {
        name: param
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }


def parse(words: Sequence[str]) -> None:
    """Parse a command line as click would, without running anything. Raises UsageError."""
    command: click.Command = commands
    rest = list(words)
    context = click.Context(command, info_name="run-campaign")
    while isinstance(command, click.Group):
        if rest and rest[0] in command.list_commands(context):
            command = subcommand(command, rest.pop(0))
        elif command is commands and rest and not rest[0].startswith("-"):
            command = subcommand(commands, "run")
        else:
            break
        context = click.Context(command, parent=context, info_name=command.name)
    values, _, _ = command.make_parser(context).parse_args(rest)
    for param in command.params:
        value = values.get(param.name or "")
        if isinstance(param.type, click.Choice) and isinstance(value, str) and "|" not in value:
            param.type.convert(value, param, context)
