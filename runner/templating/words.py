"""Filters for names and empty cells."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import jinja2


def title(value: str) -> str:
    """A name with capital initials, word by word: `ANNE-marie o'brien` is `ANNE-marie O'Brien`.

    A word in mixed case keeps its inner letters (`McDonald`); one all small or all capital gets
    them small, with a capital after a hyphen and after a one-letter prefix (`O'`, `D'`).
    """
    text = str(value)
    return _title(text) if len(text) <= 100 else _title.__wrapped__(text)


@lru_cache(maxsize=50_000)
def _title(text: str) -> str:
    return re.sub(r"\S+", lambda found: _title_word(found[0]), text)


def _title_word(word: str) -> str:
    if word not in (word.lower(), word.upper()):
        return word[:1].title() + word[1:]
    return "-".join(_title_part(part) for part in word.lower().split("-"))


def _title_part(part: str) -> str:
    prefix = 2 if len(part) > 2 and part[1] in "'\u2019" else 0
    return part[:prefix].title() + part[prefix : prefix + 1].title() + part[prefix + 1 :]


def first_word(value: str) -> str:
    """The first of several words: `Ada Maria Lopez` is `Ada`; empty for an empty text."""
    return (str(value).split(maxsplit=1) or [""])[0]


def default(value: Any, fallback: Any = "", boolean: bool = True) -> Any:
    """`fallback` when the cell is empty or only spaces. `boolean` is Jinja2's and changes nothing:
    an empty cell always counts as missing."""
    del boolean
    if isinstance(value, jinja2.Undefined) or value is None:
        return fallback
    if isinstance(value, str) and (not value or value.isspace()):
        return fallback
    return value
