"""The text of a new campaign: written in an editor, taken from a file, or the sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from runner.audience.columns import as_written
from runner.cli.init.questions import again, needed
from runner.cli.init.sheet import SheetHead
from runner.cli.output import text_lines
from runner.errors import UsageError
from runner.formats import short
from runner.templating.template import compile_template

ASK_TEXT = "the text: e to write it in your editor, s for this one, or a file"

SCISSORS = "------ only what stands above this line is sent ------"


def ask_text(sheet: SheetHead, template: Path | None, sample: bool, name: str, asks: bool) -> str:
    """Return the message's text: of a file, the sample, or as a person writes it in their editor.
    Raises RunnerError for one that cannot be rendered."""
    begun = sample_text(name)
    if sample:
        return begun
    if template is None and asks:
        click.echo("a text to begin with:")
        for line in text_lines(begun):
            click.echo(line)

    def choose(said: Path | None) -> str:
        nonlocal begun
        how = str(said or needed(asks, ASK_TEXT, "--template", "e"))
        if how == "s":
            begun = sample_text(name)
        elif how == "e":
            begun = edit_text(begun, sheet)
        else:
            begun = read_text(Path(how).expanduser())
        return checked_text(begun, sheet.columns)

    return again(asks, template, choose)


def sample_text(name: str) -> str:
    """Return a text to begin with. `name`: the column with the first name; empty for none."""
    who = f'{{{{ {name} | first_word | title | default("there") }}}}' if name else "there"
    return (
        f"Hi {who},\n"
        "you asked me to write when there is something to see. Now there is.\n"
        "Shall I send it over?\n\n"
        "If you would rather not hear from me, just say so and I will not write again.\n"
    )


def edit_text(text: str, sheet: SheetHead) -> str:
    """Return a text as a person leaves it in their editor, which lists the sheet's columns."""
    wide = max(map(len, sheet.columns)) + len("{{  }}")
    columns = [
        f"  {f'{{{{ {name} }}}}'.ljust(wide)}  {short(sheet.first[0][at], 40)}".rstrip()
        for at, name in enumerate(sheet.columns)
    ]
    shown = "\n".join([text, SCISSORS, f"The columns of {sheet.path.name}:", *columns])
    try:
        found = click.edit(shown, extension=".j2", require_save=False)
    except click.ClickException as error:  # or all answers would be lost
        raise UsageError(error.message, "set EDITOR, or name a file") from None
    return (found or "").partition(SCISSORS)[0].strip() + "\n"


def checked_text(text: str, columns: Sequence[str]) -> str:
    """Return a text that can be rendered. Raises RunnerError for one that is empty, names a column
    that is not there, or is not a template."""
    if not text.strip():
        raise UsageError("the text is empty")
    missing = sorted(compile_template(text, "the text").needs - set(columns))
    if missing:
        hint = as_written(text, columns) or f"columns are: {', '.join(columns)}"
        raise UsageError(f"the text names {', '.join(missing)}, not a column of the sheet", hint)
    return text


def read_text(path: Path) -> str:
    """Return the text in a file. Raises UsageError for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", "name a text file in UTF-8") from None
