"""Long lists, a page at a time: each page has the cursor of the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from runner.errors import UsageError

T = TypeVar("T")


class NoSuchPage(UsageError):
    """A cursor that no page has given."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list. `after`: the cursor of the next page, empty for none. `cut`: reading
    took too long, and what is missing may be on the next page."""

    rows: tuple[T, ...]
    after: str = ""
    cut: bool = False


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[object]]) -> Page[T]:
    """Make a page of `rows`, which are all when there are fewer than `limit`. `key`: what a row is
    found again by."""
    full = bool(rows) and len(rows) >= limit
    return Page(tuple(rows), make_cursor(*key(rows[-1])) if full else "")


def make_cursor(*key: object) -> str:
    """Make the cursor for the rows after this key: one word for an address."""
    return "_".join(map(str, key))


def parse_cursor(cursor: str, *kinds: type[int] | type[float]) -> list[Any]:
    """Return the key in a cursor, its parts of these kinds. Raises NoSuchPage for anything else."""
    words = cursor.split("_")
    try:
        key = [kind(word) for kind, word in zip(kinds, words, strict=True)]
    except ValueError:
        key = []
    if not key or any(not -(2**63) <= each < 2**63 for each in key):
        raise NoSuchPage("there is no such page", "begin with the first one")
    return key
