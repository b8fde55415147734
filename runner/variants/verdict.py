"""Verdicts on variants, by their answers, in one of three phrases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from runner.clock import iso
from runner.replies.rate import Rate, rate_of
from runner.variants.difference import Difference, difference
from runner.variants.power import level_of

TOO_EARLY = "too early"
NO_DIFFERENCE = "no difference seen"


class Arm(NamedTuple):
    """A variant's people: how many were dealt it, were written to, and have answered of these."""

    variant: str
    share: int
    dealt: int
    written_to: int
    replied: int

    @property
    def rate(self) -> Rate | None:
        return rate_of(self.replied, self.written_to)

    def as_json(self) -> dict[str, Any]:
        rate = self.rate
        return {
            **self._asdict(),
            "reply_rate": None if rate is None else _rounded(rate._asdict()),
        }


class Pair(NamedTuple):
    """Two variants: by how much the one was answered more often than the other."""

    more: str
    less: str
    by: Difference

    def __str__(self) -> str:
        return f"{self.more} against {self.less}: {self.by}"

    def as_json(self) -> dict[str, Any]:
        by = _rounded(self.by._asdict())
        return {"more": self.more, "less": self.less, **by, "shows": self.by.shows}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict on variants. `arms` are as they are now until it is judged, and from then on as
    they were at that moment, `judged_at` (Unix s; None: not yet). `why` it is not judged; `pairs`
    are empty until then. `chosen`: people who were given a variant by a person, and so are not
    compared. `unequal`: variants were written to in other proportions than they were dealt, beyond
    chance: then what kept some from being written to may be what makes the difference."""

    arms: Sequence[Arm]
    judged_at: float | None = None
    why: str = ""
    pairs: Sequence[Pair] = ()
    chosen: int = 0
    unequal: bool = False
    unread: bool = False  # only replies that are not read yet keep it from being judged

    @property
    def phrase(self) -> str:
        """Return `too early`, `no difference seen`, or `question was answered more often`."""
        if self.judged_at is None:
            return TOO_EARLY
        shown = [each for each in self.pairs if each.by.shows]
        if not shown:
            return NO_DIFFERENCE
        if len(self.arms) == 2:
            return f"{shown[0].more} was answered more often"
        by = dict.fromkeys(each.more for each in shown)
        return "; ".join(
            f"{more} was answered more often than "
            + " and ".join(each.less for each in shown if each.more == more)
            for more in by
        )

    def as_json(self) -> dict[str, Any]:
        """Return the public form, whose names stay."""
        return {
            "verdict": self.phrase,
            "why": self.why,
            "judged_at": iso(self.judged_at) or None,
            "variants": [each.as_json() for each in self.arms],
            "differences": [each.as_json() for each in self.pairs],
            "unequal": self.unequal,
            "not_compared": self.chosen,
        }


def pairs_of(arms: Sequence[Arm]) -> list[Pair]:
    """Compare every two variants, each with an interval that is corrected for how many pairs there
    are."""
    level = level_of(len(arms))
    found = []
    for one, other in combinations(arms, 2):
        more, less = (one, other) if _share(one) > _share(other) else (other, one)
        by = difference(more.replied, more.written_to, less.replied, less.written_to, level)
        found.append(Pair(more.variant, less.variant, by))
    return found


def _share(arm: Arm) -> float:
    return arm.replied / arm.written_to if arm.written_to else -math.inf


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}
