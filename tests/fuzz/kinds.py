"""All kinds of cases, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from tests.fuzz import (
    answers,
    campaigns,
    commands,
    exports,
    people,
    questions,
    sheets,
    templates,
)

Case = Callable[[Random, Path], str]
"""Makes one case, runs it in a folder, and says what came of it; raises for what must not be."""

KINDS: Mapping[str, Case] = {
    "campaigns": campaigns.case,
    "sheets": sheets.case,
    "people": people.case,
    "templates": templates.case,
    "answers": answers.case,
    "questions": questions.case,
    "exports": exports.case,
    "commands": commands.case,
}


def luck_of(seed: int, kind: str, number: int) -> Random:
    """The randomness of one case."""
    return Random(f"{seed} {kind} {number}")
