"""Chance: the probability at most of a difference where there is none.

The intervals in use for a difference are right for many people and a little too sure for few, up to
6.5 % for 5 %. So a difference that an interval shows is held to this, which is exact: the largest
probability, over all shares that the answers leave open, that two texts with one share of answers
come out as far apart (R. L. Berger, D. D. Boos, P values maximized over a confidence set for the
nuisance parameter, 1994).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

LEFT_OUT = 0.0005
"""The probability that the true share is not among those that are looked at; it is added."""
STEPS = 40
"""Shares that are looked at. Our own choice: twice as many change the fourth digit."""


def distance(part: int, of: int, other: int, of_other: int) -> float:
    """Return by how many deviations `part / of` exceeds `other / of_other`, with one person more
    on either side of each, as the interval has it."""
    share, others = (part + 1) / (of + 2), (other + 1) / (of_other + 2)
    return (share - others) / deviation(part, of, other, of_other)


def deviation(part: int, of: int, other: int, of_other: int) -> float:
    """Return the standard deviation of the difference of these two shares."""
    share, others = (part + 1) / (of + 2), (other + 1) / (of_other + 2)
    return math.sqrt(share * (1 - share) / (of + 2) + others * (1 - others) / (of_other + 2))


@lru_cache(maxsize=128)  # a status that is watched asks again and again
def chance(part: int, of: int, other: int, of_other: int) -> float:
    """Return how probable it is, at most, that shares of so many people are as far apart as these
    or farther, where there is no difference."""
    least = abs(distance(part, of, other, of_other)) - 1e-9
    low, high = _open_shares(part + other, of + of_other)
    shares = [low + (high - low) * step / STEPS for step in range(STEPS + 1)]
    begin = max(0, min(_Counts.of(of, each).first for each in shares))
    end = min(of, max(_Counts.of(of, each).last for each in shares))
    # By how many of the one have answered: from how few or how many of the other it is so far.
    edges = {}
    for count in range(begin, end + 1):
        middle = min(of_other, max(0, round((count + 1) / (of + 2) * (of_other + 2) - 1)))
        edges[count] = (
            _edge(count, of, of_other, least, middle, 0),
            _edge(count, of, of_other, least, middle, of_other),
        )
    return min(1.0, LEFT_OUT + max(_probability(edges, of, of_other, share) for share in shares))


def _edge(count: int, of: int, of_other: int, least: float, near: int, far: int) -> int:
    """Return the number nearest to `near`, on the way to `far`, that is so far away from `count`;
    one beyond `far` for none. The distance grows on that way."""
    step = 1 if far > near else -1 if far < near else (1 if far else -1)
    if abs(distance(count, of, far, of_other)) < least:
        return far + step
    if abs(distance(count, of, near, of_other)) >= least:
        return near
    while abs(far - near) > 1:
        middle = (near + far) // 2
        if abs(distance(count, of, middle, of_other)) >= least:
            far = middle
        else:
            near = middle
    return far


def _probability(edges: dict[int, tuple[int, int]], of: int, of_other: int, share: float) -> float:
    ones, others = _Counts.of(of, share), _Counts.of(of_other, share)
    found = 0.0
    for count, probability in enumerate(ones.each, ones.first):
        if count in edges:
            low, high = edges[count]
            found += probability * (others.up_to(low) + 1 - others.up_to(high - 1))
    return found


class _Counts(NamedTuple):
    """The probabilities of counts from `first` to `last`, each and summed up; of all others they
    are below 1e-12."""

    first: int
    last: int
    each: list[float]
    sums: list[float]

    @classmethod
    def of(cls, total: int, share: float) -> _Counts:
        """Return those of how many of `total` answer, each with the probability `share`."""
        if share <= 0 or share >= 1:
            only = total if share >= 1 else 0
            return cls(only, only, [1.0], [1.0])
        far = 8 * math.sqrt(total * share * (1 - share)) + 12
        first, last = max(0, int(total * share - far)), min(total, int(total * share + far))
        yes, no, whole = math.log(share), math.log1p(-share), math.lgamma(total + 1)
        each = [
            math.exp(
                whole
                - math.lgamma(count + 1)
                - math.lgamma(total - count + 1)
                + count * yes
                + (total - count) * no
            )
            for count in range(first, last + 1)
        ]
        return cls(first, last, each, list(accumulate(each)))

    def up_to(self, count: int) -> float:
        if count < self.first:
            return 0.0
        return 1.0 if count >= self.last else min(1.0, self.sums[count - self.first])


def _open_shares(part: int, of: int) -> tuple[float, float]:
    """Return the shares between which the true one is, but for LEFT_OUT (C. J. Clopper, E. S.
    Pearson, The use of confidence or fiducial limits, 1934)."""
    low, high = 0.0, 1.0
    if part:
        low = _share_at(lambda share: 1 - _Counts.of(of, share).up_to(part - 1) < LEFT_OUT / 2)
    if part < of:
        high = _share_at(lambda share: _Counts.of(of, share).up_to(part) > LEFT_OUT / 2)
    return low, high


def _share_at(is_below: Callable[[float], bool]) -> float:
    """Return the share up to which something holds."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return low
