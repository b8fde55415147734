"""The follow-ups of a campaign (`steps`), and what takes a person out of them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from runner.campaign.inputs import TextSource
from runner.campaign.values import Duration, Text, refuse

MOST_STEPS = 20
"""Follow-ups of a campaign. Our own choice: each is a row of the ledger for every person."""


NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"


class Step(TextSource):
    """A message that follows another one, to those who have not answered."""

    name: Text = Field(
        json_schema_extra={"pattern": NAME},
        description="Its identity: nobody gets a step of one name twice. A letter, then letters, "
        "digits, - and _, 40 at most.",
    )
    after: Annotated[Duration, Field(ge=1, le=365 * 86400)] = Field(
        description="Time after the message before it was sent, such as 3d; a second at least."
    )

    @field_validator("name")
    @classmethod
    def _spelt(cls, value: str) -> str:
        if not re.fullmatch(NAME, value):
            instead = "write a letter, then letters, digits, - and _, 40 at most"
            refuse("is not the name of a step", instead)
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Step:
        self.refuse_unclear("write template: FILE, or text: with the text itself")
        return self


def refuse_repeats(steps: tuple[Step, ...]) -> None:
    """Refuse steps of one name, and more than there may be."""
    first: dict[str, int] = {}
    for index, step in enumerate(steps):
        if step.name in first:
            what = f"{step.name} is the name of step {first[step.name] + 1} already"
            refuse(what, "give each step a name of its own", at=(index, "name"))
        first[step.name] = index
    if len(steps) > MOST_STEPS:
        refuse(f"has {len(steps)} steps", f"keep {MOST_STEPS} or fewer")
