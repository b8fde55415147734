"""The difference between two shares of people, with its interval."""

from __future__ import annotations

from typing import NamedTuple

from runner.variants.chance import chance, deviation
from runner.variants.power import LEVEL, deviate

MANY = 20_000
"""People of both with whom the interval and `chance` say the same to the third digit, and the
latter begins to take seconds."""


class Difference(NamedTuple):
    """A difference between two shares, and the interval around it, each from -1 to 1."""

    value: float
    low: float
    high: float

    @property
    def shows(self) -> bool:
        """Return whether the interval leaves no doubt which of both is larger."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        """Return `+6.0 points (1.2 to 10.7)`."""
        low, high = (f"{100 * each:.1f}" for each in (self.low, self.high))
        return f"{100 * self.value:+.1f} points ({low} to {high})"


def difference(part: int, of: int, other: int, of_other: int, level: float = LEVEL) -> Difference:
    """Return by how much the share `part / of` exceeds `other / of_other`, with an interval that
    misses the truth with a probability of `level`.

    A. Agresti, B. Caffo, Simple and effective confidence intervals for proportions and differences
    of proportions (2000): Wald's, with one person more on either side of each. Where that shows
    more than `chance` allows, which happens with few people, it is as wide as to leave it open.
    """
    share, others = (part + 1) / (of + 2), (other + 1) / (of_other + 2)
    middle = share - others
    half = deviate(level) * deviation(part, of, other, of_other)
    exact = of + of_other <= MANY and abs(middle) > half
    if exact and chance(part, of, other, of_other) > level:
        half = abs(middle)
    value = part / of - other / of_other
    return Difference(value, max(-1.0, middle - half), min(1.0, middle + half))
