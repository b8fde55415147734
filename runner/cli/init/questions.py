"""Questions on the terminal: asked until the answer can be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from runner.cli.output import folded
from runner.errors import RunnerError, UsageError
from runner.formats import safe

S = TypeVar("S")
T = TypeVar("T")


def again(asks: bool, said: S | None, answer: Callable[[S | None], T]) -> T:
    """Return an answer: of the option `said`, or asked for until it can be used. Raises RunnerError
    for an option that cannot be used, and where nobody can be asked."""
    while True:
        try:
            return answer(said)
        except RunnerError as error:
            if not asks:
                raise
            tell(f"  {error}" + (f"; {error.hint}" if error.hint else ""))
            said = None


def tell(line: str) -> None:
    """Tell a line, folded at words where the terminal is narrower."""
    for part in folded(safe(line)):
        click.echo(part)


def needed(asks: bool, question: str, option: str, default: str = "") -> str:
    """Ask a person. Raises UsageError naming the option where nobody can be asked."""
    if not asks:
        raise UsageError(f"{option} is not given", f"name it: {option}; on a terminal it is asked")
    return str(click.prompt(question, default=default or None)).strip()
