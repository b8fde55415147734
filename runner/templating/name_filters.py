"""Filters for names and empty cells."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import Any

import jinja2

from runner.templating.missing_value import Missing


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def title(value: str) -> str:
    """Return a name with capital initials, word by word: `ANNE-marie o'brien` is `ANNE-marie
    O'Brien`.

    A word in mixed case keeps its inner letters (`McDonald`, `iPhone`), unless capitals follow such
    a beginning (`McDONALD`); one all small or all capital gets them small, with a capital after a
    hyphen, after a one-letter prefix (`O'`, `D'`) and after `Mc`.
    """
    if type(value) is Missing:
        return value
    text = str(value)
    return _title(text) if len(text) <= 100 else _title.__wrapped__(text)


_WORD = re.compile(r"\S+")
_HALF_CAPITAL = re.compile(r"(Mc|Mac|Fitz|De|Di|La|Le|Van|[A-Z]['\u2019])([^\W\d_]{2,})")
_ROMAN = _words("II III IV VI VII VIII IX")


@lru_cache(maxsize=50_000)
def _title(text: str) -> str:
    return _WORD.sub(
        lambda found: found[0] if found.start() and found[0] in _ROMAN else _title_word(found[0]),
        text,
    )


def _title_word(word: str) -> str:
    start = next((at for at, sign in enumerate(word) if sign.isalnum()), 0)
    head, name = word[:start], word[start:]
    if head and "/" in name and name == name.lower():
        return word  # (she/her)
    half = _HALF_CAPITAL.fullmatch(name)
    if half and half[2] == half[2].upper():
        return head + half[1] + _capital(half[2][:1]) + _small(half[2][1:])
    if name not in (name.lower(), name.upper(), _small(name)):
        return head + _capital(name[:1]) + name[1:]
    if "\u0130" in name:  # Turkish
        name = name.replace("I", "\u0131")
    made = "-".join(map(_title_part, _small(name).split("-")))
    return head + ("\u0130" + made[1:] if name[:1] == "\u0130" else made)


def _title_part(part: str) -> str:
    prefix = 2 if len(part) > 2 and (part[1] in "'\u2019" or part[:2] == "mc") else 0
    rest = _title_part(part[prefix:]) if prefix else part[1:]
    return _capital(part[:1]) + part[1:prefix] + rest


def _small(text: str) -> str:
    return text.replace("\u0130", "i").lower()  # lower() alone leaves a dot of its own behind


def _capital(letter: str) -> str:
    return letter if letter == "\u00df" else letter.title()


_PLAIN = re.compile(r"[^\W\d_]+(?:[-'\u2019\u02bb][^\W\d_]+)*")
_ASIDE = re.compile(r"[(\[{\uff08\u3010][^)\]}\uff09\u3011]*[)\]}\uff09\u3011]")
_AROUND = re.compile(r"^[\W_]+|[\W_]+$")


_PARTICLES = _words("van von der den de del della di da la le dos das du ter ten zu zur")
# Somebody's first name, or what they are: nothing is better than a guess.
_NAME_OR_TITLE = _words(
    "king prince queen princess duke duchess baron count countess judge bishop sultan shah "
    "sheikh sheik khan pope rabbi lord lady major general sergeant"
)
_MORE_TITLES = _words(
    "m mlle pan pani pán paní shri smt mgr inż lic dhr mevr dr prof herr frau mr mrs ms mx "
    "ing д-р г-н г-жа господин госпожа"
)


def first_word(value: str) -> str:
    """Return the first of several words, of a name the first name: `Ada Maria Lopez` and `Dr. Ada
    Lopez, PhD` are `Ada`. An empty text where none is there (`Mrs. Gil`), which cannot be printed
    but by `default`."""
    if type(value) is Missing:
        return value
    text = str(value)
    found = _first_name(text) if len(text) <= 200 else _first_name.__wrapped__(text[:200])
    return found or Missing(f"{text[:40]} holds no first name" if text.strip() else "it is empty")


@lru_cache(maxsize=50_000)
def _first_name(text: str) -> str:
    words = text.split(maxsplit=1)
    if not words or "@" in words[0]:
        return ""
    lower = words[0].casefold()
    if _PLAIN.fullmatch(words[0]) and lower not in _titles():
        # The parser takes 0.1 ms for a name: most need none.
        return "" if lower in _PARTICLES and words[0] == lower and len(words) > 1 else words[0]
    return _parsed(text)


def _parsed(text: str) -> str:
    parts = _ASIDE.sub(" ", text).split()
    words = [bare for each in parts if (bare := _bare(each))]
    if not any(sign.isalpha() for word in words for sign in word):
        return ""
    if len(words) == 1 and words[0].rstrip(".,").casefold() in _NAME_OR_TITLE:
        return words[0].rstrip(".,")
    if words[0].casefold() in _NAME_OR_TITLE:
        return ""
    titled = False
    while words and words[0].rstrip(".").casefold() in _MORE_TITLES:
        titled, words = True, words[1:]
    name = importlib.import_module("nameparser").HumanName(" ".join(words))
    found = " ".join(name.first.split()[:1])
    if not found and not titled and not name.title and len(name.last.split()) == 1:
        found = name.last  # alone, as in `Ada, PhD`
    elif titled and len(words) == 1:
        found = ""  # Mr Novak
    found = _AROUND.sub("", found)
    if (len(found) == 1 and found.isascii()) or "." in found:
        return ""  # J. Fay, J.R. Tolkien
    return found if any(map(str.isalpha, found)) else ""


def _bare(word: str) -> str:
    """Return a word without quotes and emoji around it; points and commas mean something in a
    name."""
    head = re.sub(r"^[\W_]+", "", word)
    tail = re.search(r"[.,]*[\W_]*$", head)
    assert tail is not None
    signs = re.sub(r"[^.,]", "", tail[0])
    return head[: tail.start()] + signs if head[: tail.start()] else ""


@lru_cache(maxsize=1)
def _titles() -> frozenset[str]:
    """Return words that a name may begin with and that are no name."""
    config = importlib.import_module("nameparser.config")
    known = frozenset(map(str.casefold, config.CONSTANTS.titles))
    return known | _MORE_TITLES | _NAME_OR_TITLE


def default(value: Any, fallback: Any = "", boolean: bool = True) -> Any:
    """Return `fallback` when the cell is empty or only spaces. `boolean` is Jinja2's and changes
    nothing: an empty cell always counts as missing."""
    del boolean
    if isinstance(value, jinja2.Undefined) or value is None:
        return fallback
    if isinstance(value, str) and (value == "" or value.isspace()):
        return fallback
    return value
