"""Numbers as people write them: `12,500`, `1.234,50 €`, `8K`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from threading import local

DecimalOf = Callable[[str], str]
"""The sign before the decimals of a column, `.` or `,`; empty where its cells do not show it."""

_AROUND = re.compile(r"^[^\d+\-−.,]*|[^\d%A-Za-zА-Яа-я]+$")
_CODE = re.compile(
    r"^(?:[A-Z]{3}|Rs\.?|kr\.?|Fr\.|zł|Kč|R\$|US\$|\D?\$)\s*|\s*(?:[A-Z]{3}|kr\.?|zł|Kč)$"
)
_SPACES = re.compile(r"(?<=\d)[\s\u00a0\u2009\u202f'’](?=\d{3})")
_BODY = re.compile(
    r"[+\-−]?\s*(\d[\d.,]*|[.,]\d+)\s*"
    r"(%|[KkMmBb]|[Tt]sd\.?|[Mm]io\.?|[Mm]rd\.?|[Mm]n|[Bb]n|[Tt]ys\.?|тыс\.?|млн)?"
)
_TIMES = {"k": 10**3, "tsd": 10**3, "tys": 10**3, "тыс": 10**3, "m": 10**6, "mio": 10**6}
_TIMES |= {"mn": 10**6, "млн": 10**6, "b": 10**9, "bn": 10**9, "mrd": 10**9}


class _Column(local):
    """Decimal signs of the columns of the template that is rendered."""

    decimal_of: DecimalOf = staticmethod(lambda _: "")


_column = _Column()


def begin(decimal_of: DecimalOf) -> None:
    """Begin a rendering of cells whose columns write decimals so."""
    _column.decimal_of = decimal_of


def parsed(cell: str, column: str = "") -> int | float:
    """Return the number that a cell holds; more than 15 significant digits are rounded to these.

    Raises ValueError, in words for the person who has the sheet.
    """
    found = _taken_apart(cell)
    if found is None:
        raise ValueError(f"{_named(cell, column)} is not a number")
    sign, body, unit = found
    decimal = _own_decimal(body)
    if decimal is None:
        raise ValueError(f"{_named(cell, column)} is not a number")
    decimal = decimal or (_column.decimal_of(column) if column else "")
    if not decimal:
        whole, part = re.sub("[.,]", "", body), body.replace(",", ".")
        what = f"{_named(cell, column)} may be {whole} or {part}"
        raise ValueError(f"{what}; write all numbers of the column alike")
    whole, _, part = body.replace("," if decimal == "." else ".", "").partition(decimal)
    plain = f"{sign}{whole or '0'}.{part or '0'}"
    if len(whole) > 18:
        raise ValueError(f"{_named(cell, column)} has more than 18 digits")
    times = 1 if unit in ("", "%") else _TIMES[unit.rstrip(".").lower()]
    if not part.strip("0"):
        return int(plain.partition(".")[0]) * times
    value = float(f"{float(plain) * times:.15g}")
    return int(value) if times > 1 and value.is_integer() else value


def decimal_of_cells(cells: Iterable[str]) -> str:
    """Return the sign before the decimals of a column's cells: `.` or `,`; empty where they do not
    agree, or do not show it.

    A sign that is seen with other than three digits after it is a decimal one; seen twice in a
    number, or before the other sign, it groups thousands. Where each stands before three digits,
    commas group thousands; points do so beside whole numbers of the size.
    """
    signs: set[str] = set()
    unclear: set[str] = set()
    largest = 0
    for cell in cells:
        found = _taken_apart(cell)
        if found is None:
            continue
        body = found[1]
        if body.isdigit():
            largest = max(largest, int(body[:18]) if len(body) < 19 else 0)
            continue
        own = _own_decimal(body)
        if own:
            signs.add(own)
            if len(signs) > 1:
                return ""
        elif own == "":
            unclear.add("," if "," in body else ".")
    if signs:
        return signs.pop()
    if unclear == {","}:
        return "."
    if unclear == {"."} and largest >= 100:
        return ","
    return ""


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number in some way of writing."""
    found = _taken_apart(cell)
    return found is not None and _own_decimal(found[1]) is not None


def _taken_apart(cell: str) -> tuple[str, str, str] | None:
    """Sign, digits with their separators, and unit."""
    text = _SPACES.sub("", _CODE.sub("", cell.strip()))
    minus = text.startswith(("-", "−", "("))
    found = _BODY.fullmatch(_AROUND.sub("", text).strip() or " ")
    if found is None:
        return None
    return "-" if minus else "", found[1].rstrip(".,"), found[2] or ""


def _own_decimal(body: str, decimal: str = "") -> str | None:
    """Return the decimal sign that the digits themselves show; empty if either may be; None if they
    are no number. `decimal`: what it has to be."""
    if body.isdigit():
        return "."
    for sign, group in ((".", ","), (",", ".")):
        if decimal and sign != decimal:
            continue
        grouped = rf"[1-9]\d{{0,2}}(?:\{group}\d{{3}})+"
        if re.fullmatch(rf"(?:{grouped}|\d*)(?:\{sign}\d+)?", body):
            once = body.count(".") + body.count(",") == 1
            alone = re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", body)
            if once and alone:
                return decimal or ""
            return sign
    # 12,34,567 as it is written in India
    if re.fullmatch(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?", body) and decimal in ("", "."):
        return "."
    return None


def _named(cell: str, column: str) -> str:
    shown = cell if len(cell) <= 40 else cell[:39] + "…"
    return f"{column} {shown}" if column else shown
