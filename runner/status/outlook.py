"""What a campaign's queue waits for, and when it would be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.campaign.schema import Campaign
from runner.clock import Clock
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.pacing.capacity import Steady
from runner.pacing.forecast import Forecast
from runner.planning.eta import allowed, hours_of, pace_of, when_done
from runner.project.campaign_files import campaign_of
from runner.schedule import next_open
from runner.status.status import Status


@dataclass(frozen=True, slots=True)
class Paced:
    """A campaign and what the ledger knows of it."""

    campaign: Campaign
    row: CampaignRow | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a queue would be done, what its next message waits for now (`binds_now`, empty for
    nothing, until `next_at` in Unix seconds), and how fast its limits let it go."""

    forecast: Forecast | None
    binds_now: str
    next_at: float | None
    allowed: Steady


def outlook_of(
    ledger: Ledger, row: CampaignRow, file: Path, status: Status, clock: Clock
) -> Outlook:
    """The outlook of a campaign that has something waiting. Raises RunnerError or OSError when its
    file cannot be read."""
    paced = Paced(campaign_of(ledger, row, file), row)
    pacer, now = pace_of([paced], ledger, clock), clock.boot()
    senders = {each.sender for each in status.waiting}
    ready = pacer.soonest(sorted(senders), now)
    binds_now, next_at = "", None
    if ready.at > now:
        binds_now, next_at = ready.binds, clock.now() + ready.at - now
    if hours := hours_of(paced):
        wall = clock.now()
        zones = {each.zone for each in status.waiting}
        opens = min(next_open(hours, zone, wall) for zone in zones)
        if opens > (next_at or wall):
            binds_now, next_at = "the schedule", opens
    if all(each.held for each in status.waiting):
        ends = min(each.next_at for each in status.waiting)
        if ends > (next_at or clock.now()):
            binds_now, next_at = "people on hold", ends
    done = when_done([(paced, status.waiting)], ledger, clock)
    return Outlook(done, binds_now, next_at, allowed([paced.campaign]))
