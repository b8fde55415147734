"""The dealer of variants: at random, and in proportion within each sender."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

Left = dict[str, dict[str, int]]
"""By sender: how many people each variant still gets out of the sender's block."""


class Dealer:
    """Deals variants to people, each person once.

    Each sender has a block with as many places for each variant as its share is; a person gets one
    of the places left by a hash of `seed` and their id, and a used-up block begins again. So what
    one sender's people got is never further from the shares than one block, whatever else a sender
    has to do with being answered. `left`: of blocks begun before, by these very shares.
    """

    def __init__(self, seed: str, shares: Mapping[str, int], left: Left | None = None) -> None:
        self._seed = seed
        self._block = block_of(shares)
        self.left: Left = {} if left is None else {to: dict(each) for to, each in left.items()}

    def deal(self, recipient: tuple[str, ...], sender: str) -> str:
        """Return the variant of one more person of a sender."""
        places = self._places(sender)
        said = json.dumps([self._seed, *recipient], ensure_ascii=False)
        drawn = int.from_bytes(hashlib.sha256(said.encode()).digest()[:8])
        variant = [name for name, count in places.items() for _ in range(count)][
            drawn % sum(places.values())
        ]
        self.count(variant, sender)
        return variant

    def count(self, variant: str, sender: str) -> None:
        """Take a place of a sender's block for a person who has a variant, if there is one left."""
        places = self._places(sender)
        if variant in places:
            places[variant] -= 1
            if not places[variant]:
                del places[variant]

    def deals(self, variant: str) -> bool:
        """Return whether a variant is dealt to anybody."""
        return variant in self._block

    def _places(self, sender: str) -> dict[str, int]:
        places = self.left.get(sender)
        if not places:
            places = self.left[sender] = dict(self._block)
        return places


def block_of(shares: Mapping[str, int]) -> dict[str, int]:
    """Return the smallest block that has variants in these proportions; without those that nobody
    gets."""
    divisor = math.gcd(*shares.values()) or 1
    return {name: share // divisor for name, share in shares.items() if share}
