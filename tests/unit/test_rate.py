"""Rates with their intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.replies.rate import rate_of


def test_nothing_has_no_rate() -> None:
    assert rate_of(0, 0) is None


@pytest.mark.parametrize(
    ("part", "total", "low", "high"),
    [  # scipy.stats.binomtest(part, total).proportion_ci(method="wilson")
        (0, 10, 0.0, 0.2775401687666165),
        (1, 10, 0.01787621, 0.40415003),
        (5, 10, 0.23659309, 0.76340691),
        (120, 1000, 0.10130, 0.14161),
        (10, 10, 0.72246, 1.0),
    ],
)
def test_the_interval_is_wilsons(part: int, total: int, low: float, high: float) -> None:
    found = rate_of(part, total)
    assert found is not None
    assert found.share == part / total
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize(
    ("part", "total", "told"),
    [
        (0, 10, "0 % (0–28 %)"),
        (120, 1000, "12 % (10–14 %)"),
        (3, 1000, "0.3 % (0.1–0.9 %)"),
        (10, 10, "100 % (72–100 %)"),
    ],
)
def test_in_words(part: int, total: int, told: str) -> None:
    assert str(rate_of(part, total)) == told


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_in_its_interval(of: tuple[int, int]) -> None:
    found = rate_of(*of)
    assert found is not None
    assert 0 <= found.low <= found.share + 1e-12
    assert found.share <= found.high + 1e-12
    assert found.high <= 1
