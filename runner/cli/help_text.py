"""Help texts: wrapped at words alone, ranges in words."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_WHOLE = "\N{NON-BREAKING HYPHEN}"


class HelpFormatter(click.HelpFormatter):
    """A formatter of help texts that does not break `run-campaign` into two lines."""

    def write(self, string: str) -> None:
        """Write what was wrapped, with its hyphens as they are typed."""
        super().write(string.replace(_WHOLE, "-"))

    def write_text(self, text: str) -> None:
        """Write a text, wrapped between words."""
        super().write_text(_HYPHEN.sub(_WHOLE, text))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of terms, each with its text wrapped between words."""
        whole = [(term, _HYPHEN.sub(_WHOLE, text)) for term, text in rows]
        super().write_dl(whole, col_max, col_spacing)


class WholeNumber(click.IntRange):
    """A whole number from `min` to `max`, or from `min` on."""

    name = "whole number"

    def _describe_range(self) -> str:
        """Return the range in words, as help and errors show it."""
        return f"from {self.min} on" if self.max is None else f"{self.min} to {self.max}"
