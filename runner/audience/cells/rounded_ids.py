"""Ids that a program has rounded before they were text: they name other people, or nobody."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress

from runner.findings import Rows
from runner.tables.cell_types import RoundedNumber

_SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+")
"""`1.23E+18`: a number as a spreadsheet shows it when it is long."""

CHANCE = 1e-4
"""Files that have so many zeros by chance, below which a program is taken to have made them."""
CHANCE_ALONE = 1e-3
"""The same for a single id, which costs no more than that id."""
LONG = 16
"""Digits from which on an id can lose some."""

PROGRAMS = ((15, "a spreadsheet"), (17, "JavaScript"))
"""Significant digits that are kept, and by what."""

SEQUENCE = 1 << 12
"""X's ids end in 12 bits that count the ids of one millisecond; they are mostly 0, and such an id
ends in zeros more often: one of 5 in one zero, one of 25 in two."""

_EVEN = bytes(sign % 2 == 0 for sign in range(256))
"""Even digits, for `bytes.translate`: an id with a SEQUENCE of 0 ends in such a one."""

EXACT = 400
"""Ids up to which the chance is reckoned exactly; beyond, by a bound above it."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """That ids were rounded: by which `program`, to how many significant `digits`, `count` of the
    `of` ids long enough to show it, and the `rows` of the first."""

    program: str
    digits: int
    count: int
    of: int
    rows: Rows

    @property
    def alone(self) -> bool:
        """Return whether a single id was rounded: that one is bad, not the column."""
        return self.count == 1

    def __str__(self) -> str:
        """Return `4 of 4 ids end in zeros from the 16th digit on: a spreadsheet has rounded
        them`."""
        ends, them = ("ends", "it") if self.alone else ("end", "them")
        return (
            f"{self.count:,} of {self.of:,} ids {ends} in zeros from the {self.digits + 1}th digit "
            f"on: {self.program} has rounded {them}"
        )


@dataclass(slots=True)
class Zeros:
    """Counts the zeros at the end of ids, in memory that does not grow with them."""

    _of: Counter[tuple[int, bool]] = field(default_factory=Counter)  # by length, and SEQUENCE 0
    _count: dict[int, int] = field(default_factory=lambda: {kept: 0 for kept, _ in PROGRAMS})
    _rows: dict[int, Rows] = field(default_factory=lambda: {kept: Rows() for kept, _ in PROGRAMS})

    def add(self, row: int, id: str) -> None:
        """Count an id of digits; any other counts for nothing."""
        length = len(id)
        if length < LONG or not (id.isascii() and id.isdigit()):
            return
        self._of[length, not int(id) % SEQUENCE] += 1
        if id[-1] == "0":
            for kept, _ in PROGRAMS:
                if length > kept and not id[kept:].strip("0"):
                    self._count[kept] += 1
                    self._rows[kept].add(row)

    def add_all(self, rows: Sequence[int], ids: Sequence[str], *, digits: bool) -> None:
        """Count ids as `add` does each, at a fifth of its cost. `digits`: whether all are such."""
        if not digits:
            of_digits = [id.isascii() and id.isdigit() for id in ids]
            rows, ids = list(compress(rows, of_digits)), list(compress(ids, of_digits))
        lengths = set(map(len, ids))
        ends: list[int] = []  # places of ids that end in 0
        for length in lengths:
            if length < LONG:
                continue
            places: Sequence[int] = range(len(ids))
            group = ids
            if len(lengths) > 1:
                places = [at for at in places if len(ids[at]) == length]
                group = [ids[at] for at in places]
            last = "".join(group)[length - 1 :: length]
            even = compress(group, last.encode().translate(_EVEN))
            first = [int(id) % SEQUENCE for id in even].count(0)
            self._of[length, True] += first
            self._of[length, False] += len(group) - first
            ends += [at for at, sign in zip(places, last, strict=True) if sign == "0"]
        for at in sorted(ends):
            for kept, _ in PROGRAMS:
                if len(ids[at]) > kept and not ids[at][kept:].strip("0"):
                    self._count[kept] += 1
                    self._rows[kept].add(rows[at])

    def rounded(self) -> Rounded | None:
        """Return the pattern that chance does not explain, if there is one."""
        found: Rounded | None = None
        for kept, program in PROGRAMS:
            count = self._count[kept]
            chances = {
                each: (0.2 if each[1] else 0.1) ** (each[0] - kept)
                for each in self._of
                if each[0] > kept
            }
            of = sum(self._of[each] for each in chances)
            if not count:
                continue
            chance = _chance(count, [(chances[each], self._of[each]) for each in chances])
            # Of one alone the bound is met as well: 18 digits, one of 1,000 (0.1 ** 3 is a hair
            # more than 1e-3).
            alone = count == 1 and chance <= CHANCE_ALONE * (1 + 1e-9)
            unlikely = chance < CHANCE or alone
            # Of ids that one program has rounded, a few look as if another had.
            if unlikely and (found is None or count > max(2 * found.count, of / 2)):
                found = Rounded(program, kept, count, of, self._rows[kept])
        return found


def is_digits(ids: Iterable[str]) -> bool:
    """Return whether ids hold nothing but digits, all of them."""
    whole = "".join(ids)
    return whole.isascii() and whole.isdigit()


def rounded(ids: Iterable[tuple[int, str]]) -> Rounded | None:
    """Return whether ids, each with its row, end in zeros more often than chance allows: from the
    16th significant digit on a spreadsheet has made them, from the 18th JavaScript."""
    zeros = Zeros()
    for row, id in ids:
        zeros.add(row, id)
    return zeros.rounded()


def _chance(count: int, groups: Iterable[tuple[float, int]]) -> float:
    """Return how likely `count` or more are of independent events: of (chance, how many) of each
    kind."""
    groups = list(groups)
    of = sum(many for _, many in groups)
    if of > EXACT:
        mean = sum(chance * many for chance, many in groups)
        if count <= mean:
            return 1.0
        return math.exp(count - mean + count * math.log(mean / count))  # Chernoff's bound
    exactly = [1.0] + [0.0] * of  # how likely 0, 1, 2 … are
    seen = 0
    for chance, many in groups:
        for _ in range(many):
            seen += 1
            for n in range(seen, 0, -1):
                exactly[n] = exactly[n] * (1 - chance) + exactly[n - 1] * chance
            exactly[0] *= 1 - chance
    return math.fsum(exactly[count:])


def is_rounded(cell: str, found: str) -> bool:
    """Return whether a spreadsheet has rounded the number in a cell, `found` without its spaces."""
    return type(cell) is RoundedNumber or _SCIENTIFIC.fullmatch(found) is not None
