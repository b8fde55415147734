"""Estimates of the time at which all that is queued would be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.clock import Clock
from runner.ledger.ledger import Ledger
from runner.ledger.messages import usage
from runner.ledger.messages.queue import Waiting
from runner.pacing.capacity import Steady, steady
from runner.pacing.forecast import Forecast, Share, forecast
from runner.pacing.pacer import Pacer, make_pacer
from runner.pacing.windows import DAY

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from runner.ledger.campaigns.registry import CampaignRow
from runner.schedule import Hours


@dataclass(slots=True)
class Stretch:
    """A sender's queue in one zone; `first` and `last` are its places in the queue."""

    sender: str
    zone: str
    count: int
    first: int
    last: int


Queue = Sequence[Stretch | Waiting]
"""What a campaign has to send, per sender and zone."""


def when_done(
    queues: Sequence[tuple[Scheduled, Queue]], ledger: Ledger | None, clock: Clock
) -> Forecast:
    """Forecast when these campaigns' queues would all be sent, by their schedules, the limits and
    what was used of them."""
    pacer = pace_of([draft for draft, _ in queues], ledger, clock)
    shares: list[Share] = []
    for turn, (draft, queue) in enumerate(queues):
        hours = hours_of(draft)
        begin = min((each.first for each in queue), default=0)
        length = max((each.last for each in queue), default=0) - begin + 1
        shares += [
            Share(
                each.sender,
                each.count,
                hours,
                each.zone,
                (each.first - begin) / length,
                (each.last - begin + 1) / length,
                turn,
            )
            for each in queue
        ]
    return forecast(pacer, shares, clock.boot(), clock.now())


def pace_of(drafts: Sequence[Scheduled], ledger: Ledger | None, clock: Clock) -> Pacer:
    """The limits of campaigns that share a team, and what the ledger says was used of them."""
    pacer = make_pacer(
        [draft.campaign.limits for draft in drafts],
        [sender for draft in drafts for sender in draft.campaign.senders],
        zone=zone_of([draft.campaign for draft in drafts]),
    )
    wall, now = clock.now(), clock.boot()
    timeout = max(draft.campaign.retry.timeout for draft in drafts)
    if ledger is None:
        pacer.restore([], [], now=now, wall=wall, timeout=timeout)
        return pacer
    lanes = {
        draft.row.lane for draft in drafts if draft.row is not None and draft.row.lane is not None
    }
    rehearsal = all(draft.campaign.rehearsal for draft in drafts)
    pacer.restore(
        [
            request
            for lane in sorted(lanes if pacer.team else ())
            for request in ledger.read(usage.past_requests, lane, wall - DAY, wall - DAY)
        ],
        ledger.read(usage.past_sends, pacer.limited, wall - 2 * DAY, rehearsal=rehearsal),
        now=now,
        wall=wall,
        timeout=timeout,
        days=ledger.read(usage.days_sent, pacer.warming_up, rehearsal=rehearsal),
    )
    for lane in sorted(lanes):
        for hold in ledger.read(usage.past_holds, lane, list(pacer.senders)):
            left = hold.left(wall, wall)
            pacer.hold_again(left, hold.why, hold.sender or None, now=now)
    return pacer


def allowed(campaigns: Sequence[Campaign]) -> Steady:
    """Return how fast campaigns of one team may send; what was used of their limits is not
    reckoned."""
    limits = [campaign.limits for campaign in campaigns]
    senders = [sender for campaign in campaigns for sender in campaign.senders]
    return steady(make_pacer(limits, senders))


class Scheduled(Protocol):
    """A campaign and what the ledger knows of it."""

    @property
    def campaign(self) -> Campaign: ...

    @property
    def row(self) -> CampaignRow | None: ...


def zone_of(campaigns: Sequence[Campaign]) -> str:
    """Return the zone whose midnight ends a sender's day, for campaigns that share senders: the
    first that names one."""
    zones = (campaign.schedule.timezone for campaign in campaigns)
    return next((zone for zone in zones if zone), "UTC")


def hours_of(scheduled: Scheduled) -> Hours | None:
    """Return the hours in which a campaign may send, None for always."""
    schedule = scheduled.campaign.schedule
    starts = schedule.starts_at
    if starts is None or schedule.timezone is None:
        return schedule.hours
    return replace(schedule.hours or Hours(schedule.timezone), begins=starts)
