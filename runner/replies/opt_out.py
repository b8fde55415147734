"""Opt-outs: whether a reply says no more than "write to me no more", or might."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from runner.replies import courtesies, phrases


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
    if not said:
        return NOTHING
    phrases_, longest = _all_opt_outs(tuple(stop))
    is_question = "?" in unicodedata.normalize("NFKC", text)
    if not is_question and _is_nothing_but(said, phrases_, longest):
        return Said(Wish.OPT_OUT, text.strip())
    padded = f" {said} "
    found = [each for each in phrases_ | _unsure() if f" {each} " in padded]
    if found:
        return Said(Wish.UNSURE, max(found, key=lambda each: (len(each), each)))
    return NOTHING


def normalized(text: str) -> str:
    """Return the words of a text: lower case, without accents, apostrophes and invisible signs,
    with one space for everything else between them. Three or more single letters in a row are one
    word."""
    out: list[str] = []
    plain = text.translate(_NO_APOSTROPHES)  # before they are taken apart: an accent is a mark
    for sign in unicodedata.normalize("NFKD", plain.casefold()):
        kind = unicodedata.category(sign)
        if kind[0] in "LN":
            out.append(sign)
        elif kind[0] != "M" and kind != "Cf":
            out.append(" ")
    folded = unicodedata.normalize("NFKC", "".join(out)).casefold()
    return _SPELLED.sub(lambda found: found[0].replace(" ", ""), " ".join(folded.split()))


_NO_APOSTROPHES = dict.fromkeys(map(ord, "'\u2019\u2018\u02bc\u00b4`\uff07"))

_SPELLED = re.compile(r"(?<!\S)[^\W\d_](?: [^\W\d_]){2,}(?!\S)")


def _is_nothing_but(said: str, opt_outs: Collection[str], longest: int) -> bool:
    """Return whether normalised words are phrases of opt-outs, at least one, and courtesies around
    them. `longest`: the most words of one."""
    words = said.split()
    if len(words) > MOST_WORDS:
        return False
    polite = _courtesies()
    reached = {(0, False)}  # up to which word, and whether with a phrase
    for start in range(len(words)):
        for is_out in {is_out for at, is_out in reached if at == start}:
            for end in range(start + 1, min(start + longest, len(words)) + 1):
                part = " ".join(words[start:end])
                if part in opt_outs:
                    reached.add((end, True))
                elif part in polite:
                    reached.add((end, is_out))
    return (len(words), True) in reached


MOST_WORDS = 50
"""Words beyond which a text is no mere opt-out."""


def _normalized_all(lists: Iterable[Iterable[str]]) -> frozenset[str]:
    every = [each for some in lists for each in some]
    return frozenset(map(normalized, [*every, *(each.translate(_UMLAUTS) for each in every)]))


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
"""Umlauts as they are written on a keyboard without them."""


@lru_cache(maxsize=8)
def _all_opt_outs(stop: tuple[str, ...]) -> tuple[frozenset[str], int]:
    """Return the phrases of opt-outs, those of the campaign too, and the most words of one
    or of a courtesy."""
    own = frozenset(filter(None, map(normalized, stop)))
    every = own | _normalized_all(phrases.OPT_OUT.values())
    return every, max(each.count(" ") for each in every | _courtesies()) + 1


@lru_cache(maxsize=1)
def _unsure() -> frozenset[str]:
    return _normalized_all(phrases.UNSURE.values())


@lru_cache(maxsize=1)
def _courtesies() -> frozenset[str]:
    return _normalized_all(courtesies.COURTESIES.values())
