"""Estimates of the time at which all that is queued would be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.clock import Clock
from runner.ledger.ledger import Ledger
from runner.ledger.messages.queue import SenderQueue
from runner.ledger.queries import steps
from runner.ledger.queries.steps import StepFigures
from runner.message.plan import FIRST_STEP
from runner.pacing.capacity import SustainedRate, sustained_rate
from runner.pacing.forecast import Following, Forecast, Share, first_messages, forecast
from runner.pacing.pacer import Pacer, make_pacer
from runner.restored_pacer import restore_pacer

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from runner.ledger.campaigns.registry import CampaignRow
from runner.schedule import Hours


@dataclass(slots=True)
class Stretch:
    """A sender's queue in one zone; `first` and `last` are its places in the queue. `then` and
    `due`: see `Share`."""

    sender: str
    zone: str
    count: int
    first: int
    last: int
    then: tuple[Following, ...] = ()
    due: tuple[float, float] | None = None


Queue = Sequence[Stretch | SenderQueue]
"""Messages that a campaign has to send, per sender and zone."""


def when_done(
    queues: Sequence[tuple[Scheduled, Queue]], ledger: Ledger | None, clock: Clock
) -> Forecast:
    """Forecast when these campaigns' queues would all be sent, by their schedules, the
    limits and what was used of them; with follow-ups, if nobody answers and if everybody does."""
    drafts = [draft for draft, _ in queues]
    shares: list[Share] = []
    for turn, (draft, queue) in enumerate(queues):
        shares += shares_of(queue, hours_of(draft), turn)

    def played(shares: Sequence[Share]) -> Forecast:
        return forecast(pace_of(drafts, ledger, clock), shares, clock.boot(), clock.now())

    if not any(share.follows for share in shares):
        return played(shares)
    answered = played(first_messages(shares))
    return replace(played(shares), first=answered.first, earliest=answered.seconds)


def with_follow_ups(ledger: Ledger, id: int, queue: Sequence[SenderQueue]) -> Queue:
    """Return a campaign's queue with all that follows it: what has its time running, when it is
    due, and what waits. People on hold, and those who lack a step of their own, are not told
    apart."""
    figures = ledger.read(steps.step_figures, id)
    if not figures:
        return queue
    then = _then(figures, FIRST_STEP)
    firsts = [
        Stretch(each.sender, each.zone, each.count, each.first, each.last, then)
        for each in queue
        if not each.follows
    ]
    return firsts + due_follow_ups(ledger, id, {each.name: each.after for each in figures})


def due_follow_ups(ledger: Ledger, id: int, afters: Mapping[str, float]) -> list[Stretch]:
    """Return the follow-ups of a campaign that have their time running, and what follows them.
    `afters`: their steps, with the time after the message before that is to hold."""
    figures = ledger.read(steps.step_figures, id)
    later = {each.name: afters.get(each.name, 0.0) - each.after for each in figures}
    return [
        Stretch(
            each.sender,
            each.zone,
            each.messages,
            0,
            0,
            _then(figures, each.step),
            (each.first + later[each.step], each.last + later[each.step]),
        )
        for each in (ledger.read(steps.due_follow_ups, id) if figures else ())
        if each.step in afters
    ]


def _then(figures: Sequence[StepFigures], step: str) -> tuple[Following, ...]:
    return tuple(Following(*each) for each in steps.following(figures, step))


def shares_of(queue: Queue, hours: Hours | None, turn: int = 0) -> list[Share]:
    """Return a campaign's queue as a forecast takes it."""
    begin = min((each.first for each in queue), default=0)
    length = max((each.last for each in queue), default=0) - begin + 1
    return [
        Share(
            each.sender,
            each.count,
            hours,
            each.zone,
            (each.first - begin) / length,
            (each.last - begin + 1) / length,
            turn,
            *((each.then, each.due) if isinstance(each, Stretch) else ()),
        )
        for each in queue
    ]


def pace_of(drafts: Sequence[Scheduled], ledger: Ledger | None, clock: Clock) -> Pacer:
    """Return the limits of campaigns that share a team, and what the ledger says was used of
    them."""
    pacer = make_pacer(
        [draft.campaign.limits for draft in drafts],
        [sender for draft in drafts for sender in draft.campaign.senders],
        zone=zone_of([draft.campaign for draft in drafts]),
    )
    timeout = max(draft.campaign.retry.timeout for draft in drafts)
    if ledger is None:
        pacer.restore([], [], now=clock.boot(), wall=clock.now(), timeout=timeout)
        return pacer
    lanes = {
        draft.row.lane for draft in drafts if draft.row is not None and draft.row.lane is not None
    }
    rehearsal = all(draft.campaign.rehearsal for draft in drafts)
    return restore_pacer(pacer, ledger, sorted(lanes), clock, timeout=timeout, rehearsal=rehearsal)


def allowed(campaigns: Sequence[Campaign]) -> SustainedRate:
    """Return the rate at which campaigns of one team may send; what was used of their limits is not
    reckoned."""
    limits = [campaign.limits for campaign in campaigns]
    senders = [sender for campaign in campaigns for sender in campaign.senders]
    return sustained_rate(make_pacer(limits, senders))


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
