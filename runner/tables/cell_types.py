"""Cells that are more than their text: what a table knows of a cell beside what it shows.

All are texts, so that what only prints them need not know. `str` methods give plain texts.
"""

from __future__ import annotations


class RoundedNumber(str):
    """A number of more than 15 digits from a numeric cell: its last digits are lost already."""

    __slots__ = ()


class Truth(str):
    """A real yes or no: `TRUE` or `FALSE`. Unlike any other text it is false when it says so."""

    __slots__ = ()

    def __new__(cls, value: bool) -> Truth:
        return super().__new__(cls, "TRUE" if value else "FALSE")

    def __bool__(self) -> bool:
        return self == "TRUE"


class ErrorCell(str):
    """A spreadsheet's error as it is shown: `#N/A`, `#REF!`."""

    __slots__ = ()


class Uncalculated(str):
    """A formula whose result was never stored; the text is empty."""

    __slots__ = ()


class FormattedNumber(str):
    """A number as its format shows it: `15%`, `02134`. `plain`: its digits, `0.15`, `2134`."""

    __slots__ = ("plain",)

    plain: str

    def __new__(cls, text: str, plain: str) -> FormattedNumber:
        self = super().__new__(cls, text)
        self.plain = plain
        return self


class Nested(str):
    """A list or an object of JSON, as JSON writes it: no text that can be printed."""

    __slots__ = ()
