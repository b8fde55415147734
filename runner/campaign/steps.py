"""The follow-ups of a campaign (`steps`), and what takes a person out of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from runner.campaign.inputs import TextSource, VariantName, VariantText
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
    variants: dict[VariantName, VariantText] | None = Field(
        None,
        description="Instead of one text: one for each variant of the message, by its name; each "
        "person gets that of the variant that they were dealt.",
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
        if self.variants is None:
            self.refuse_unclear("write template: FILE, or text: with the text itself")
        elif self.template is not None or self.text is not None:
            refuse("has both variants and a text of its own", "keep one")
        return self

    @property
    def texts(self) -> Mapping[str, TextSource]:
        """Return the texts by the names of their variants; one without a name where it is for
        all."""
        return self.variants if self.variants is not None else {"": self}


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


def refuse_other_variants(steps: tuple[Step, ...], variants: Collection[str]) -> None:
    """Refuse steps whose variants are not exactly those of the message: a person's variant is
    theirs for all their messages."""
    for index, step in enumerate(steps):
        names = step.variants if step.variants is not None else variants
        at = ("steps", index, "variants")
        if names and not variants:
            refuse("are texts of variants, and the message has none", "write one text", at)
        for name in names:
            if name not in variants:
                told = f"the message has {', '.join(variants)}"
                refuse("is not a variant of the message", told, (*at, name))
        if missing := [name for name in variants if name not in names]:
            what = f"have no text for {', '.join(missing)}"
            refuse(what, "write one for each variant of the message", at)
