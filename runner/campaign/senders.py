"""The keys of a sender: its limits, warm-up and pauses."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from runner.campaign.section import CampaignSection, also_as_text, none_for_null
from runner.campaign.values import Gap, Limit, refuse


class Ramp(CampaignSection):
    """The warm-up of a sender: fewer messages on the first days on which it sends."""

    start: int = Field(ge=1, le=10**9, description="Messages on its first day, such as 20.")
    step: int = Field(
        ge=1,
        le=10**9,
        description="How many more on each further day on which it sends, such as 10.",
    )


class Sender(CampaignSection):
    """An account link that messages are sent from, and how fast it may go."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: also_as_text(schema, "Id of the account link.")
    )

    id: str = Field(
        pattern=r"^[0-9a-z]+$",
        max_length=64,
        description="Id of the account link, as `run-campaign senders` lists it.",
    )
    per_hour: Limit = Field(
        20,
        description="Messages per hour of this sender, or none. Default: 20, the API maker's own "
        "advice for account safety.",
    )
    per_day: Limit = Field(
        150,
        description="Messages per day of this sender, in its calendar and in any 24 hours, or "
        "none. Default: 150, our own careful choice: no source tells what the platforms allow.",
    )
    ramp: Ramp | None = Field(
        None,
        json_schema_extra=none_for_null,
        description="Warm-up of a new account: `start` messages on the first day on which it "
        "sends, `step` more on each further one, up to per_day; or none. Default: none.",
    )
    gap: Gap = Field(
        None,
        description="Pause between two messages of this sender: one duration (60s), a range to "
        "draw it from (45s..120s), or none. Default: spread evenly over the hour "
        "(3600 s / per_hour).",
    )

    @field_validator("ramp", mode="before")
    @classmethod
    def _ramp_or_none(cls, value: Any) -> Any:
        if value == "none":
            return None
        if not isinstance(value, dict | Ramp):
            refuse("is not a warm-up", "write {start: 20, step: 10}, or none")
        return value

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"id": data} if isinstance(data, str) else data
