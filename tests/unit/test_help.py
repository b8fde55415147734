"""The help of every command, as an 80 column terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from runner.cli.app import SHORT_HELPS, commands


def every_help() -> Iterator[tuple[str, ...]]:
    """The words of each command and of those below it."""
    context = click.Context(commands)
    yield ()
    for name in SHORT_HELPS:
        yield (name,)
        command = commands.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.list_commands(context))


@pytest.mark.parametrize("words", list(every_help()), ids=" ".join)
def test_it_fits_and_is_wrapped_between_words(words: tuple[str, ...]) -> None:
    told = CliRunner().invoke(commands, [*words, "--help"], terminal_width=80).output
    lines = told.splitlines()
    assert lines[0].startswith("Usage: ")
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines[1:] if line.endswith(("-", "..."))] == []
    assert "<=" not in told
    assert "\N{NON-BREAKING HYPHEN}" not in told
