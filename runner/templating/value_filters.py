"""Filters for yes and no, numbers, money and dates."""

from __future__ import annotations

import datetime
import importlib
import math
import re
from functools import lru_cache
from typing import Any

import jinja2

from runner.templating.missing_value import Missing
from runner.templating.numbers import parsed


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


YES = _words(
    "true yes y t 1 1.0 on x ja j oui si sí s sim da tak ano igen evet kyllä jah wahr vrai "
    "verdadero verdadeiro vero prawda waar sant sann истина да ναι checked ✓ ✔ ✅ ☑ 是 はい"
)
NO = _words(
    "false no n f 0 0.0 off nein non não nao nei nej nie ne nee nem hayır hayir ei falsch "
    "faux falso fałsz onwaar falsk ложь нет όχι unchecked ✗ ✘ ❌ ☐ 否 いいえ"
)
"""Words of yes and no, small letters."""


def yes(value: Any, column: str = "") -> bool:
    """Return whether a cell says yes: `TRUE`, `1`, `ja`. An empty cell does not.

    Raises ValueError for a word that is neither.
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word in YES:
        return True
    if not word or word in NO:
        return False
    raise ValueError(f"{column or 'it'} says {str(value)[:40]}, which is neither yes nor no")


def number(value: Any, column: str = "") -> Any:
    """Return the number that a cell holds, as its column writes numbers: `12,500` and `8K` are
    12500 and 8000. An empty cell can be guarded, but not compared or printed.

    Raises ValueError for a cell that is no number.
    """
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, with the name
    if isinstance(value, int | float):
        return value
    text = str(value)
    if not text or text.isspace():
        return Missing(f"{column or 'it'} is empty, and a number is needed")
    return parsed(text, column)


def whole(value: Any, default: Any = None, base: int = 10, column: str = "") -> Any:
    """Return a number without its fraction; `default`, if given, for what is not a number."""
    del base
    found = _or_default(value, default, column)
    return int(found) if isinstance(found, float) and math.isfinite(found) else found


def fraction(value: Any, default: Any = None, column: str = "") -> Any:
    """Return a number as it is; `default`, if given, for what is not a number."""
    return _or_default(value, default, column)


def _or_default(value: Any, default: Any, column: str) -> Any:
    try:
        found = number(value, column)
    except ValueError:
        if default is None:
            raise
        return default
    return default if type(found) is Missing and default is not None else found


def rounded(value: Any, precision: int = 0, method: str = "common", column: str = "") -> Any:
    """Return a number, or a text that holds one, to so many digits after the point, 15 at most."""
    if not -15 <= precision <= 15:
        raise OverflowError("round() goes to 15 places")
    found = number(value, column)
    if type(found) is Missing:
        return found
    return jinja2.filters.do_round(found, precision, method)  # type: ignore[arg-type]  # it checks


def money(value: Any, currency: str = "", locale: str = "en", column: str = "") -> Any:
    """Return an amount with two digits, or as many as the currency has: `{{ price | money("EUR")
    }}` is €1,234.50, with `locale="de"` 1.234,50 €.

    Raises ValueError for a cell that is no number, a currency or locale that is not known.
    """
    found = number(value, column)
    if type(found) is Missing:
        return found
    numbers = importlib.import_module("babel.numbers")  # takes 15 ms: only who needs it
    known = _locale(str(locale))
    if not currency:
        return str(numbers.format_decimal(found, "#,##0.00", locale=known))
    code = str(currency).upper()
    if code not in known.currencies:
        raise ValueError(f"{str(currency)[:20]} is not a currency; write EUR, USD, GBP or the like")
    return str(numbers.format_currency(found, code, locale=known))


def date(value: Any, form: str = "long", locale: str = "en", column: str = "") -> Any:
    """Return a day in words: `{{ since | date }}` is March 2, 2026. `form`: short, medium, long,
    full, or a pattern such as `d MMMM`.

    Raises ValueError for a cell that is no date, or may be either of two.
    """
    if isinstance(value, jinja2.Undefined):
        str(value)
    text = str(value).strip()
    if not text:
        return Missing(f"{column or 'it'} is empty, and a date is needed")
    dates = importlib.import_module("babel.dates")
    if len(form) > 60:
        raise ValueError("a date's form has 60 characters at most")
    return str(dates.format_date(_day(text, column), str(form), locale=_locale(str(locale))))


@lru_cache(maxsize=100)
def _locale(name: str) -> Any:
    babel = importlib.import_module("babel")
    try:
        return babel.Locale.parse(name.replace("-", "_"))
    except (ValueError, babel.UnknownLocaleError):
        raise ValueError(f"{name[:20]} is not a locale; write en, en_GB, de or the like") from None


def _day(text: str, column: str) -> datetime.date:
    told = f"{column} {text[:40]}".strip()
    if found := re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:$|[T ])", text):
        year, month, day = map(int, found.groups())
    elif found := re.fullmatch(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?: .*)?", text):
        day, month, year = map(int, found.groups())
    elif found := re.fullmatch(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})(?: .*)?", text):
        month, day, year = map(int, found.groups())
        if month > 12:
            day, month = month, day
        elif day <= 12 and day != month:
            what = f"{told} may be the {day}th of month {month} or the {month}th of month {day}"
            raise ValueError(f"{what}; write it as {year}-MM-DD")
    else:
        raise ValueError(f"{told} is not a date; write it as 2026-03-02")
    try:
        return datetime.date(year, month, day)
    except ValueError:
        raise ValueError(f"{told} is not a day of the calendar") from None
