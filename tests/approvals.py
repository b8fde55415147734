"""Campaigns held to approved plans while they are killed: their files go beyond it and come back,
and what the sandbox accepted is held against it."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.message.plan import FIRST_STEP
from runner.planning.approved.approval import Content, read_plan
from tests.support import recipient

WAYS = ("person", "text", "limit")
"""How files go beyond a plan."""


@dataclass(slots=True)
class HeldFiles:
    """A campaign file and its sheet, whose plan lies beside them. `outsider`: an id that the plan
    does not have."""

    campaign: Path
    sheet: Path
    outsider: str
    _approved: dict[Path, str] = field(default_factory=dict)

    @property
    def plan(self) -> Path:
        return self.campaign.with_suffix(".plan.json")

    def require(self) -> None:
        """Have the campaign require the plan, which is made next; an older one goes."""
        self.plan.unlink(missing_ok=True)
        said = self.campaign.read_text()
        self.campaign.write_text(f"{said}require_plan: {self.plan.name}\n")
        self._approved = {path: path.read_text() for path in (self.campaign, self.sheet)}

    def go_beyond(self, luck: random.Random) -> str:
        """Edit a file so that it goes beyond the plan; how."""
        way = luck.choice(WAYS)
        text, rows = self._approved[self.campaign], self._approved[self.sheet]
        if way == "person":
            head, _, rest = rows.partition("\n")
            _put(self.sheet, f"{head}\n{self.outsider},Eve\n{rest}")
        elif way == "text":
            _put(self.campaign, re.sub(r"(message: .*?)Hi ", r"\1Hi, ", text))
        else:
            _put(self.campaign, re.sub(r"concurrency: \d+", "concurrency: 64", text))
        return way

    def take_back(self) -> None:
        """Put the approved files back."""
        for path, said in self._approved.items():
            _put(path, said)

    def unapproved(self, accepted: Sequence[Mapping[str, Any]]) -> set[str]:
        """Who was sent what the plan does not have."""
        plan = read_plan(self.plan)
        return {
            each["person"]
            for each in accepted
            if not plan.has(
                Content(
                    recipient(each["person"]), each["sender"], FIRST_STEP, "", each["content"]
                )
            )
        }  # fmt: skip


def _put(path: Path, text: str) -> None:
    """Write a file as editors do: whole, in the place of what was there."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)
