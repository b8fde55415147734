"""When a campaign's messages may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from runner.ledger.planning import CampaignRow
from runner.schedule import Hours

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign


class Scheduled(Protocol):
    """A campaign and what the ledger knows of it."""

    @property
    def campaign(self) -> Campaign: ...

    @property
    def row(self) -> CampaignRow | None: ...


def zone_of(campaigns: Sequence[Campaign]) -> str:
    """Whose midnight ends a sender's day, for campaigns that share senders: the first that says."""
    zones = (campaign.schedule.timezone for campaign in campaigns)
    return next((zone for zone in zones if zone), "UTC")


def hours_of(scheduled: Scheduled) -> Hours | None:
    """When a campaign may send, None for always."""
    schedule = scheduled.campaign.schedule
    starts = schedule.starts_at
    if starts is None or schedule.timezone is None:
        return schedule.hours
    return replace(schedule.hours or Hours(schedule.timezone), begins=starts)
