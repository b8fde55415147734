"""The outlook of a campaign: what its queue waits for, and when it would be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.clock import Clock, iso
from runner.errors import RunnerError
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.status.status import Outlook, Status

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign


@dataclass(frozen=True, slots=True)
class LoadedCampaign:
    """A campaign by its file, and its row in the ledger."""

    campaign: Campaign
    row: CampaignRow | None


def outlook_of(
    ledger: Ledger, row: CampaignRow, status: Status, clock: Clock, *, with_sums: bool = False
) -> Outlook:
    """Return the outlook of a campaign with this status, by its file and what was used of its
    limits; `with_sums`, also why each sender sends how many today."""
    if not status.waiting or status.brake is not None:
        return Outlook()
    # Loads all that campaign files and limits need, which takes longer than the ledger's answer.
    from runner.pacing.forecast import BY_STEPS
    from runner.planning.dates.daily_sum import daily_sums
    from runner.planning.dates.eta import allowed, hours_of, pace_of, when_done, with_follow_ups
    from runner.project.campaign_files import campaign_of
    from runner.schedule import next_open

    try:
        loaded = LoadedCampaign(campaign_of(ledger, row, Path(status.file)), row)
        pacer, now = pace_of([loaded], ledger, clock), clock.boot()
        ready = pacer.soonest(sorted({each.sender for each in status.waiting}), now)
        binds_now, next_at = "", None
        if ready.at > now:
            binds_now, next_at = ready.binds, clock.now() + ready.at - now
        zones = {each.zone for each in status.waiting}
        if hours := hours_of(loaded):
            wall = clock.now()
            opens = min(next_open(hours, zone, wall) for zone in zones)
            if opens > (next_at or wall):
                binds_now, next_at = "the schedule", opens
        if all(each.follows for each in status.waiting):
            due = min(each.next_at for each in status.waiting)
            due = min(next_open(hours, zone, due) for zone in zones) if hours else due
            if due > (next_at or clock.now()):
                binds_now, next_at = BY_STEPS, due
        if all(each.held for each in status.waiting):
            ends = min(each.next_at for each in status.waiting)
            if ends > (next_at or clock.now()):
                binds_now, next_at = "people on hold", ends
        queue = with_follow_ups(ledger, row.id, status.waiting)
        forecast = when_done([(loaded, queue)], ledger, clock)
        today = tuple(daily_sums(loaded, queue, ledger, clock)) if with_sums else ()
        most, by_steps = allowed([loaded.campaign]), binds_now == BY_STEPS
        return Outlook(forecast, binds_now, next_at, most, today, by_steps)
    except (RunnerError, OSError):
        # The file is gone or broken; what the ledger says is still true.
        return Outlook()


def outlook_as_json(outlook: Outlook, now: float) -> dict[str, Any]:
    """Return the public form of an outlook at `now` (Unix seconds), whose names stay."""
    from runner.pacing.forecast import finish_as_json

    return {
        **finish_as_json(outlook.forecast, now),
        "binds_now": outlook.binds_now,
        "next_at": iso(outlook.next_at) or None,
    }
