"""Seeded histories of follow-ups hold every promise, and without a guard they do not."""

from __future__ import annotations

import pytest

from tests.simulation.steps import StepHistory

CHUNK = 3


@pytest.mark.parametrize("first", range(1, 1 + 3 * CHUNK, CHUNK))
def test_every_promise_is_kept_of_follow_ups(first: int) -> None:
    """`python -m tests.simulation --steps --seed N --verbose` tells the story of one."""
    for seed in range(first, first + CHUNK):
        StepHistory(seed, "v2").play()
