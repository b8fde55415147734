"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.campaign.values import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("2h", 7200), ("30d", 2_592_000), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "5", "5x", "-5s", "5s5s", "30s1m", "1e3s", "٣s", "9999d", "5 s", "infs"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="; write "):
        parse_duration(text)


@given(
    st.tuples(
        st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)
    ).filter(any)
)
def test_durations_round_trip(parts: tuple[int, int, int, int]) -> None:
    days, hours, minutes, seconds = parts
    text = "".join(f"{n}{unit}" for n, unit in zip(parts, "dhms", strict=True) if n)
    assert parse_duration(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds
