"""Rates with their intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959964
"""The normal deviate of a 95 % interval."""


class Rate(NamedTuple):
    """A share, and the 95 % interval around it, each from 0 to 1."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return `12 % (8–17 %)`."""
        return f"{_percent(self.share)} % ({_percent(self.low)}–{_percent(self.high)} %)"


def rate_of(part: int, total: int) -> Rate | None:
    """Return the share of a part with its interval by Wilson's score, None of nothing.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if not total:
        return None
    share = part / total
    spread = Z * Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / total / 4) / (1 + spread)
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half))


def _percent(share: float) -> str:
    """Return a share in percent: whole from 10 on, with one decimal below."""
    value = 100 * share
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"
