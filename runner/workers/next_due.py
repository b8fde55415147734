"""The time at which a lane that a worker lets go is due again, and why not all of it goes on."""

from __future__ import annotations

import math

from runner.control.campaigns import brake_text
from runner.ledger.doubts import in_doubt
from runner.ledger.messages import feeds, queue
from runner.ledger.people import holds
from runner.ledger.queries import totals
from runner.replies.settings import joined
from runner.sending.lane import Lane

KNOWN_FOR = 600.0
"""Seconds for which what the API tells of a token and its senders is believed."""

HEAR_AGAIN = 600.0
"""Seconds until replies are read again to a lane that has nothing else to do: a tenth of the
requests of one that sends. Our own choice."""

TROUBLE_RETRY = 60.0
"""Seconds until a lane is tried again after something that a person may have to see to."""


def next_due(lane: Lane) -> float | None:
    """Return when a lane that is driven no more is due again (Unix seconds), None for not before a
    person says so."""
    next_at = min(_sends_again(lane), _hears_again(lane))
    return next_at if next_at < math.inf else None


def _sends_again(lane: Lane) -> float:
    """Return when it has something to send or to settle (Unix seconds), infinity for never."""
    now = lane.clock.now()
    if lane.stops.lane:
        return math.inf
    waiting = lane.ledger.read(queue.waiting, lane.stops.running)
    free = [each for each in waiting if each.sender not in lane.stops.senders]
    doubts = lane.ledger.read(in_doubt.in_doubt, lane.stops.running)
    if lane.stops.is_draining and free and not lane.stops.is_idle:
        return now  # its time was up: what is in doubt until later does not hold these up
    if lane.stops.is_draining and doubts and lane.stops.resumes_at == math.inf:
        return now
    next_at = lane.stops.resumes_at
    if next_at == math.inf and waiting:
        next_at = now + KNOWN_FOR
    if any(_waits_for_others(lane, id) for id in lane.stops.running):
        next_at = min(next_at, now + TROUBLE_RETRY)
    return next_at


def _waits_for_others(lane: Lane, campaign: int) -> bool:
    """Return whether messages of a campaign wait for another lane's to the same people: that one
    wakes nobody when they are settled."""
    blocking = lane.ledger.read(queue.blocking_campaigns, campaign)
    return any(each.lane != lane.id for each in blocking)


def _hears_again(lane: Lane) -> float:
    """Return when replies are to be read again (Unix seconds), for as long as people may answer
    what was sent; infinity for never."""
    every = [each.replies for each in lane.campaigns.values() if each.replies is not None]
    if not every or lane.stops.lane:
        return math.inf
    settings, now = joined(every), lane.clock.now()
    if not lane.ledger.read(feeds.was_written_to, lane.id, now - settings.keep):
        return math.inf
    return now + max(settings.poll, HEAR_AGAIN)


def stop_reasons(lane: Lane) -> list[str]:
    """Return why not all of a lane goes on, in words."""
    braked = [
        brake_text(lane.campaigns[id].name, brake) for id, brake in lane.stops.campaigns.items()
    ]
    unplanned = [
        f"{lane.campaigns[id].name}: {count} came back into the queue and wait to be planned: "
        "submit it again"  # for which its files are needed
        for id in lane.stops.running
        if (count := lane.ledger.read(totals.unplanned, [id]))
    ]
    if lane.stops.lane:
        return [lane.stops.lane]
    held = [
        f"{lane.campaigns[id].name}: {count} wait for people on hold: run-campaign unhold ID"
        for id in lane.stops.running
        if (count := lane.ledger.read(holds.held_of, id, lane.clock.now()).without_end)
    ]
    blocked = [
        f"{lane.campaigns[id].name}: {each.waiting} wait for {each.campaign}, which may have "
        "written to the same people"
        for id in lane.stops.running
        for each in lane.ledger.read(queue.blocking_campaigns, id)
    ]
    return [*braked, *lane.stops.senders.values(), *unplanned, *held, *blocked]
