"""Seeded histories of follow-ups hold every promise, and broken runners do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.message.follow_up import GOES, Judgement
from runner.message.status import SkipReason
from runner.sending.inbox import follow_up_check
from tests.simulation.judge import Broken
from tests.simulation.steps import StepHistory

CHUNK = 3


@pytest.mark.parametrize("first", range(1, 1 + 3 * CHUNK, CHUNK))
def test_every_promise_is_kept_of_follow_ups(first: int) -> None:
    """`python -m tests.simulation --steps --seed N --verbose` tells the story of one."""
    for seed in range(first, first + CHUNK):
        StepHistory(seed, "v2").play()


def _no_thread_is_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(follow_up_check, "judge_thread", lambda *_: GOES)


def _all_have_answered(patch: pytest.MonkeyPatch) -> None:
    answered = Judgement(SkipReason.REPLIED, "they have answered")
    patch.setattr(follow_up_check, "judge_thread", lambda *_: answered)


def _nothing_follows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runner.ledger.messages.outcomes.follow_ups.follow_after", lambda *_: None)


SABOTAGE: dict[str, tuple[str, int, Callable[[pytest.MonkeyPatch], None]]] = {
    "no thread is read": (r" s after m\d+$", 3, _no_thread_is_read),
    "all have answered": ("which is not true$", 1, _all_have_answered),
    "nothing follows": ("is waiting ", 1, _nothing_follows),
}
"""What breaks the runner, what the judge says of it, and a history that shows it."""


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_broken_runner_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    said, seed, sabotage = SABOTAGE[name]
    sabotage(monkeypatch)
    with pytest.raises(Broken, match=said):
        StepHistory(seed, "v2").play()
