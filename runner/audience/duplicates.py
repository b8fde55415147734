"""Duplicates: the row in which each id stood first."""

from __future__ import annotations

from array import array
from collections.abc import Callable

BEGIN = 1 << 12
"""Places at first."""
SPREAD = 0x9E3779B97F4A7C15
"""Ids that follow one another would take whole stretches of places, and the next to come there
would look through all of them for a free one."""


class FirstRows:
    """The first row of each number, in 20 to 40 bytes of memory for each: a dict takes 130.

    A hash table of whole numbers below 2**64: a number is kept where its remainder says, or at
    the next free place. Rows count from 1, so that 0 is a free place. At most 2/3 of the places are
    taken.
    """

    def __init__(self) -> None:
        self._make(BEGIN)

    def _make(self, places: int) -> None:
        # Odd, since ids of X have few different last bits.
        self._places = places - 1
        self._numbers = array("Q", bytes(8 * self._places))
        self._rows = array("I", bytes(4 * self._places))
        self._free = self._places * 2 // 3

    def first(self, number: int, row: int) -> int:
        """Return the row in which `number` stood first, `row` when it has not been there before."""
        rows, numbers, places = self._rows, self._numbers, self._places
        at = number * SPREAD % places
        while there := rows[at]:
            if numbers[at] == number:
                return there
            at = at + 1 if at + 1 < places else 0
        rows[at], numbers[at] = row, number
        self._free -= 1
        if not self._free:
            self._grow()
        return row

    def _grow(self) -> None:
        """Put all that is there into twice as many places. (As `first` would, in half the time.)"""
        old = zip(self._numbers, self._rows, strict=True)
        self._make(2 * (self._places + 1))
        rows, numbers, places = self._rows, self._numbers, self._places
        for number, row in old:
            if row:
                at = number * SPREAD % places
                while rows[at]:
                    at = at + 1 if at + 1 < places else 0
                rows[at], numbers[at] = row, number
                self._free -= 1


def first_rows(*, numeric: bool) -> Callable[[str, int], int]:
    """Return a function of an id and its row that returns the row in which the id stood first: an
    id that stood in an earlier one is a duplicate. `numeric`: all ids are digits."""
    if not numeric:
        return dict[str, int]().setdefault
    first = FirstRows().first
    return lambda id, row: first(int(id), row)
