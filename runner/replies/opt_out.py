"""Opt-outs: whether a reply says no more than "write to me no more", or might."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from runner.replies import phrases


class Wish(StrEnum):
    """A person's wish by the words of a reply."""

    NONE = ""
    UNSURE = "unsure"  # a phrase is in it, but it is more: a person has to read it
    OPT_OUT = "opt_out"


@dataclass(frozen=True, slots=True)
class Said:
    """The reading of a reply. `words`: the whole text of an opt-out, as evidence; of one that is
    unsure only the phrase that is in it."""

    wish: Wish
    words: str = ""


NOTHING = Said(Wish.NONE)


def read(text: str, stop: Collection[str] = ()) -> Said:
    """Read a reply's text. `stop`: phrases of the campaign, besides those of the lists."""
    said = normalized(text)
    own = frozenset(filter(None, map(normalized, stop)))
    if not said:
        return NOTHING
    if without_courtesies(said) in own or without_courtesies(said) in _opt_outs():
        return Said(Wish.OPT_OUT, text.strip())
    padded = f" {said} "
    found = [each for each in own | _opt_outs() | _unsure() if f" {each} " in padded]
    if found:
        return Said(Wish.UNSURE, max(found, key=lambda each: (len(each), each)))
    return NOTHING


def normalized(text: str) -> str:
    """Return the words of a text: lower case, without accents, apostrophes and invisible signs,
    with one space for everything else between them."""
    out: list[str] = []
    for sign in unicodedata.normalize("NFKD", text.casefold()):
        kind = unicodedata.category(sign)
        if kind[0] in "LN":
            out.append(sign)
        elif kind[0] != "M" and kind != "Cf" and sign not in APOSTROPHES:
            out.append(" ")
    folded = unicodedata.normalize("NFKC", "".join(out)).casefold()
    return " ".join(folded.split())


APOSTROPHES = "'\u2019\u2018\u02bc\u00b4`"


def without_courtesies(said: str) -> str:
    """Take greetings, thanks and please off both ends of normalised words."""
    words = said.split()
    found = True
    while words and found:
        found = False
        for courtesy in _courtesies():
            size = len(courtesy)
            if tuple(words[:size]) == courtesy:
                del words[:size]
                found = True
                break
            if tuple(words[-size:]) == courtesy:
                del words[-size:]
                found = True
                break
    return " ".join(words)


def _normalized_all(lists: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(normalized(each) for some in lists for each in some)


@lru_cache(maxsize=1)
def _opt_outs() -> frozenset[str]:
    return _normalized_all(phrases.OPT_OUT.values())


@lru_cache(maxsize=1)
def _unsure() -> frozenset[str]:
    return _normalized_all(phrases.UNSURE.values())


@lru_cache(maxsize=1)
def _courtesies() -> tuple[tuple[str, ...], ...]:
    """Return the courtesies as words, longest first."""
    all_of_them = _normalized_all(phrases.COURTESIES.values())
    return tuple(sorted((tuple(each.split()) for each in all_of_them), key=lambda c: (-len(c), c)))
