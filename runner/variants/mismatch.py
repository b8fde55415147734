"""Mismatches: variants whose people were not written to as evenly as they were dealt."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISMATCH = 0.001
"""A probability below which it is no chance. Fabijan and others, Diagnosing sample ratio mismatch
in online controlled experiments (2019), have 0.0005 to 0.01 in use."""


def is_mismatch(written_to: Sequence[int], dealt: Sequence[int]) -> bool:
    """Return whether variants were written to in other proportions than they were dealt, beyond
    chance."""
    return mismatch_probability(written_to, dealt) < MISMATCH


def mismatch_probability(written_to: Sequence[int], dealt: Sequence[int]) -> float:
    """Return how probable it is that as many of each variant's people were written to by chance
    (Pearson's test of a fit), where so many were dealt each."""
    total, whole = sum(written_to), sum(dealt)
    if total == 0 or whole == 0:
        return 1.0
    chi = 0.0
    for seen, of in zip(written_to, dealt, strict=True):
        expected = total * of / whole
        if expected:
            chi += (seen - expected) ** 2 / expected
    return _chi_square_tail(chi, sum(1 for each in dealt if each) - 1)


def _chi_square_tail(chi: float, freedom: int) -> float:
    """Return the probability that a chi-square of `freedom` exceeds `chi` (M. Abramowitz, I. A.
    Stegun, Handbook of mathematical functions, 26.4.4 and 26.4.5)."""
    if freedom < 1 or chi <= 0:
        return 1.0
    half = chi / 2
    if freedom % 2:
        tail = math.erfc(math.sqrt(half))
        term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
        steps = range(3, freedom + 1, 2)
    else:
        tail, term = math.exp(-half), math.exp(-half) * half
        steps = range(4, freedom + 1, 2)
    for step in steps:
        tail += term
        term *= half / (step / 2)
    return tail
