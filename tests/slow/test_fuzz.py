"""Random cases of every kind, the same ones each time; `python -m tests.fuzz` runs for longer."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.fuzz.kinds import KINDS, luck_of

CASES = {
    "campaigns": 60,
    "sheets": 60,
    "people": 60,
    "templates": 120,
    "answers": 2000,
    "questions": 400,
    "exports": 40,
    "commands": 60,
}


@pytest.mark.parametrize("kind", KINDS)
def test_random_cases(kind: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the program
        outcomes = {
            KINDS[kind](luck_of(7, kind, number), tmp_path) for number in range(CASES[kind])
        }
    assert len(outcomes) > 1, "all cases end alike: they try nothing"
