"""Matching of inbound messages with ours, by thread and time alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.message.evidence import CLOCK_SLACK
from runner.replies.match import Ours, answered

times = st.floats(min_value=0, max_value=1e9)
some_of_ours = st.lists(st.builds(Ours, st.integers(1, 10**6), times), max_size=8)


def test_what_they_wrote_before_is_no_reply() -> None:
    ours = [Ours(1, 100.0), Ours(2, 200.0)]
    assert answered(100.0 - CLOCK_SLACK - 0.1, ours) is None
    assert answered(150.0, []) is None


def test_the_newest_message_before_is_the_one_that_is_answered() -> None:
    ours = [Ours(2, 200.0), Ours(1, 100.0)]
    assert answered(199.0 - CLOCK_SLACK, ours) == Ours(1, 100.0)
    assert answered(200.0, ours) == Ours(2, 200.0)
    assert answered(1e9, ours) == Ours(2, 200.0)


def test_one_stamped_a_moment_before_by_a_clock_that_is_behind_is_a_reply() -> None:
    assert answered(100.0 - CLOCK_SLACK, [Ours(1, 100.0)]) == Ours(1, 100.0)


@given(times, some_of_ours, st.randoms())
def test_the_order_in_which_they_are_known_does_not_matter(
    at: float, ours: list[Ours], rng: object
) -> None:
    mixed = list(ours)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    assert answered(at, mixed) == answered(at, ours)


@given(times, some_of_ours)
def test_a_reply_is_never_older_than_what_it_answers(at: float, ours: list[Ours]) -> None:
    found = answered(at, ours)
    possible = [each.at for each in ours if each.at <= at + CLOCK_SLACK]
    if found is None:
        assert not possible
    else:
        assert found.at == max(possible)


@given(times, some_of_ours, st.builds(Ours, st.integers(1, 10**6), times))
def test_a_later_message_of_ours_takes_no_earlier_reply(
    at: float, ours: list[Ours], later: Ours
) -> None:
    if later.at > at + CLOCK_SLACK:
        assert answered(at, [*ours, later]) == answered(at, ours)
