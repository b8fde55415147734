"""The judge of soaks with follow-ups sees each of what must not be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.soak_steps import FollowUp, after_answers, by_step, passed_over, too_soon


def entry(at: float, step: str, person: str = "7", **more: Any) -> dict[str, Any]:
    return {"at": at, "person": person, "content": f"{step}: Ada, hello", **more}


def names(found: Iterator[Any]) -> list[Any]:
    return list(found)


def test_a_step_counts_as_a_person_does() -> None:
    accepted = [entry(1.0, "1"), entry(4.0, "nudge", amiss="link"), entry(5.0, "1", amiss="link")]
    found = by_step(accepted)
    assert [each["person"] for each in found] == ["7 1", "7 nudge", "7 1"]
    assert ["amiss" in each for each in found] == [False, False, True]


def test_steps_too_close_to_each_other_are_seen() -> None:
    assert names(too_soon([entry(1.0, "1"), entry(3.0, "nudge"), entry(5.9, "last")])) == ["7 last"]
    assert names(too_soon([entry(1.0, "1"), entry(2.9, "1", "8"), entry(3.1, "nudge")])) == []


@pytest.mark.parametrize(
    ("wrote_at", "found"), [(0.5, []), (2.0, [("7 nudge", 1.0)]), (3.0, []), (4.0, [])]
)
def test_follow_ups_after_an_answer_are_seen(wrote_at: float, found: list[Any]) -> None:
    accepted = [entry(1.0, "1"), entry(3.0, "nudge")]
    assert names(after_answers(accepted, [{"at": wrote_at, "person": "7"}])) == found


@pytest.mark.parametrize(
    ("status", "reason", "before", "is_passed_over"),
    [
        ("sent", "", "sent", False),
        ("skipped", "replied", "sent", False),
        ("skipped", "colleague", "sent", True),
        ("skipped", "step_before", "skipped", False),
        ("skipped", "step_before", "sent", True),
        ("queued", "", "sent", True),
        ("waiting", "", "sent", True),
        ("failed", "network", "sent", True),
    ],
)
def test_whoever_is_passed_over_is_seen(
    status: str, reason: str, before: str, is_passed_over: bool
) -> None:
    row = FollowUp("7", "nudge", status, reason, before)
    assert bool(names(passed_over([row], set(), {"replied": {"7"}}))) is is_passed_over
    assert names(passed_over([row], {"7"}, {})) == [], "they are named as in doubt"
