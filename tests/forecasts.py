"""Campaigns and clocks for tests of what is told beforehand about the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from runner.campaign.schema import Campaign
from runner.ledger.campaigns.registry import CampaignRow

LONDON = "Europe/London"
MONDAY = datetime(2026, 3, 2, 9, tzinfo=ZoneInfo(LONDON)).timestamp()
WORK = {
    "timezone": LONDON,
    "windows": ({"days": "mon-fri", "from": "09:00", "to": "17:30"},),
}


@dataclass(frozen=True, slots=True)
class Known:
    """A campaign, and what the ledger knows of it."""

    campaign: Campaign
    row: CampaignRow


@dataclass(frozen=True, slots=True)
class Stopped:
    """A clock at the moment at which somebody asks."""

    wall: float

    def now(self) -> float:
        return self.wall

    def boot(self) -> float:
        return 0.0


def campaign_of(name: str, more: dict[str, Any], senders: list[dict[str, Any]]) -> Campaign:
    told = {"name": name, "senders": tuple(senders), "prospects": "x.csv", "message": "Hi", **more}
    return Campaign.model_validate(told)
