"""Long lists, a page at a time: each page says where the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from runner.errors import UsageError

T = TypeVar("T")


class NoSuchPage(UsageError):
    """Somebody asked for a page by a word that no page has given."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list. `after` is to be handed back for the next page; empty: there is none.
    `cut`: looking took too long, and what is missing may be on the next page."""

    rows: tuple[T, ...]
    after: str = ""
    cut: bool = False


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[object]]) -> Page[T]:
    """A page of `rows`, which are all when there are fewer than `limit`. `key`: what a row is found
    again by."""
    full = bool(rows) and len(rows) >= limit
    return Page(tuple(rows), place_after(*key(rows[-1])) if full else "")


def place_after(*key: object) -> str:
    """Where a page ends, as one word for an address."""
    return "_".join(map(str, key))


def where_of(after: str, *kinds: type[int] | type[float]) -> list[Any]:
    """What `place_after` was told. Raises NoSuchPage for anything else."""
    words = after.split("_")
    try:
        found = [kind(word) for kind, word in zip(kinds, words, strict=True)]
    except ValueError:
        found = []
    if not found or any(not -(2**63) <= each < 2**63 for each in found):
        raise NoSuchPage("there is no such page", "begin with the first one")
    return found
