"""Power: the difference between variants that so many people can show.

For two shares that are compared at a level of 5 % on both sides, and found in 80 of 100 campaigns:
n = (z(1 - level/2) + z(0.8))² · (p(1-p) + q(1-q)/r) / (p-q)², r as many in the second as in the
first (J. L. Fleiss, B. Levin, M. C. Paik, Statistical methods for rates and proportions, 2003,
chapter 4, without the correction for continuity).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from statistics import NormalDist
from typing import NamedTuple

from runner.formats import number

LEVEL = 0.05
"""The share of comparisons in which a difference is told where there is none, at most."""
POWER = 0.8
"""The share of comparisons in which a difference of the size that is told is found."""
BASE = 10
"""Percent of people who answer, as examples have it. Our own choice."""
LEAST = 20
"""People of each variant below which nothing is judged. Our own choice: of 20 each, 10 % against
50 % would show."""
EXAMPLE = 15
"""Percent who answer in the example that is always told."""


def deviate(level: float) -> float:
    """Return the normal deviate that is exceeded on either side with a probability of `level`."""
    return NormalDist().inv_cdf(1 - level / 2)


def level_of(variants: int) -> float:
    """Return the level of each comparison, of which so many variants have one for every pair (by
    Bonferroni): together they are held to LEVEL."""
    return LEVEL / max(1, math.comb(variants, 2))


def needed(p: float, q: float, *, ratio: float = 1.0, level: float = LEVEL) -> int:
    """Return how many people of the first variant, of whom the share `p` answers, are needed to
    tell it from a second of `ratio` times as many people, of whom `q` answers."""
    both = deviate(level) + NormalDist().inv_cdf(POWER)
    spread = p * (1 - p) + q * (1 - q) / ratio
    return math.ceil(both * both * spread / (p - q) ** 2 - 1e-9)


class Sizes(NamedTuple):
    """The people of the two smallest variants, `few` of the one and `more` of the other."""

    few: int
    more: int
    variants: int = 2

    @property
    def ratio(self) -> float:
        return self.more / self.few if self.few else 1.0

    def needs(self, percent: int) -> tuple[int, int]:
        """Return how many of each would tell BASE from `percent`, whichever of both has more."""
        p, q, level = BASE / 100, percent / 100, level_of(self.variants)
        few = max(needed(*each, ratio=self.ratio, level=level) for each in ((p, q), (q, p)))
        return few, math.ceil(few * self.ratio - 1e-9)

    def shown(self) -> int | None:
        """Return the smallest whole percentage that these would tell from BASE, None for none."""
        if self.few < LEAST:
            return None
        for percent in range(BASE + 1, 101):
            if self.needs(percent)[0] <= self.few:
                return percent
        return None


def power_text(counts: Collection[int], *, even: bool = True) -> str:
    """Return what variants with so many people can show, in words; empty for fewer than two.
    `even`: whether they have equal shares, so that the least is told for each."""
    if len(counts) < 2:
        return ""
    few, more = sorted(counts)[:2]
    sizes = Sizes(few, few if even else more, len(counts))
    need = _people(*sizes.needs(EXAMPLE))
    percent, have = sizes.shown(), _people(sizes.few, sizes.more)
    if percent is None:
        told = f"with {have} no difference would show; for {BASE} % against {EXAMPLE} % you need"
        return f"{told} {need}"
    if percent <= EXAMPLE:
        told = f"with {have} a jump from {BASE} % to {percent} % would show"
    else:
        told = f"with {have} only a jump from {BASE} % to {percent} % would show; for {BASE} %"
        told += f" against {EXAMPLE} % you need {need}"
    return told


def _people(few: int, more: int) -> str:
    return f"{number(few)} each" if few == more else f"{number(few)} and {number(more)}"
