"""Seeded histories of what people answer hold every promise, and broken readers do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runner.ledger.messages import replies
from tests.simulation.judge import Broken
from tests.simulation.replies import ReplyHistory


@pytest.mark.parametrize("seed", range(1, 7))
def test_every_promise_is_kept_of_what_people_answer(seed: int) -> None:
    """`python -m tests.simulation --replies --seed N --verbose` tells the story of one."""
    ReplyHistory(seed, "v2").play()


def _stop_is_not_obeyed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replies, "_obey", lambda *_: 0)


def _nothing_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replies, "_keep", lambda *_: None)


SABOTAGE: dict[str, Callable[[pytest.MonkeyPatch], Any]] = {
    "has opted out": _stop_is_not_obeyed,
    "does not count as a reply": _nothing_is_kept,
}
"""What the judge says of a broken reader, and what breaks it."""


@pytest.mark.parametrize("said", SABOTAGE)
def test_a_broken_reader_is_caught(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    SABOTAGE[said](monkeypatch)
    with pytest.raises(Broken, match=said):
        _play(range(1, 13))


def _play(seeds: range) -> None:
    for seed in seeds:
        ReplyHistory(seed, "v2").play()
