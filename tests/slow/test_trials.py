"""Campaigns with variants through the real ledger: no winner where there is none, and a true one as
often as was said. `python -m tests.trials` plays thousands."""

from __future__ import annotations

import pytest

from runner.variants.power import LEVEL, POWER
from tests.reference_statistics import scipy_stats
from tests.trials import Trial, play_some

TRIALS = 40


@pytest.mark.timeout(600)
def test_equal_texts_have_a_winner_in_one_of_twenty_at_most() -> None:
    """Looked at every day, and with more people written to after it was judged."""
    found = play_some([Trial(seed, 100, (0.1, 0.1), 60) for seed in range(1, TRIALS + 1)])
    assert found["judged"] == TRIALS
    assert found["said two things"] == 0
    named = sum(count for phrase, count in found.items() if "was answered" in phrase)
    assert named <= scipy_stats().binom.ppf(0.999, TRIALS, LEVEL)


@pytest.mark.timeout(600)
def test_a_true_winner_is_found_as_often_as_was_said() -> None:
    found = play_some([Trial(seed, 100, (0.1, 0.25)) for seed in range(1, TRIALS + 1)])
    assert found["plain was answered more often"] == 0
    named = found["question was answered more often"]
    assert (
        scipy_stats().binom.ppf(0.001, TRIALS, POWER)
        <= named
        <= scipy_stats().binom.ppf(0.999, TRIALS, POWER)
    )
