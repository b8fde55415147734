"""Figures of live lanes for metrics: from the ledger, and from what the limits leave.

Lanes are read in their own event loop and the ledger in a thread, so that reading neither sees a
lane half changed nor holds it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager

from runner.clock import Clock
from runner.instrumentation import LaneFigures, Limit, Measures, RunFigures
from runner.ledger.ledger import Ledger
from runner.ledger.messages.queue import SenderQueue
from runner.ledger.queries.gauges import campaign_figures
from runner.pacing.windows import DAY, HOUR, MINUTE
from runner.sending.lane import Lane

WINDOWS: Mapping[float, str] = {MINUTE: "minute", HOUR: "hour", DAY: "day"}
"""The names of windows, by their seconds."""


def measure_commits(ledger: Ledger, measures: Measures | None, clock: Clock) -> None:
    """Report to `measures`, if any, how long this ledger's commits take."""
    if measures is not None:
        ledger.measure(measures.committed, clock)


@asynccontextmanager
async def measure_lanes(
    measures: Measures | None,
    ledger: Ledger,
    clock: Clock,
    lanes: Callable[[], Collection[Lane]],
    *,
    submitted: bool = False,
) -> AsyncIterator[None]:
    """Let `measures`, if any, read figures of `lanes` while the context lasts; if `submitted`, of
    all campaigns that were handed to workers too."""
    if measures is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def look() -> Future[RunFigures]:
        looking = _look(ledger, clock, lanes, submitted)
        try:
            return asyncio.run_coroutine_threadsafe(looking, loop)
        except RuntimeError:
            looking.close()
            raise

    measures.read_figures_by(look)
    try:
        yield
    finally:
        measures.read_figures_by(None)
        await asyncio.sleep(0)  # what was asked for just before is a task by now, and ends as one


async def _look(
    ledger: Ledger, clock: Clock, lanes: Callable[[], Collection[Lane]], submitted: bool
) -> RunFigures:
    begun = clock.boot()
    driven = list(lanes())
    ids = [id for lane in driven for id in lane.campaigns]
    only = {each for lane in driven for each in lane.only}
    campaigns, queues = await asyncio.to_thread(
        ledger.read, campaign_figures, ids, only, submitted=submitted
    )
    now, wall = clock.boot(), clock.now()
    return RunFigures(
        at=wall,
        took=now - begun,
        campaigns=campaigns,
        lanes=[_figures(lane, queues, now, wall) for lane in driven],
    )


def _figures(lane: Lane, queues: Sequence[SenderQueue], now: float, wall: float) -> LaneFigures:
    ends: dict[tuple[str, str], float] = {}
    for settings in lane.campaigns.values():
        channel = lane.channel_for(settings.version, settings.base_url)
        if channel.ends_at is not None:
            ends[settings.name, channel.version] = channel.ends_at
    return LaneFigures(
        lane=lane.id,
        in_flight=lane.in_flight.count,
        stopped=bool(lane.stops.lane),
        due=_due(lane, queues, now, wall),
        limits=_limits(lane, now),
        senders={sender: sender in lane.stops.senders for sender in lane.pacer.senders},
        ends=ends,
    )


def _due(lane: Lane, queues: Sequence[SenderQueue], now: float, wall: float) -> dict[str, int]:
    """Return, by campaign, how many messages of a lane's queue nothing makes wait."""
    due = dict.fromkeys((settings.name for settings in lane.campaigns.values()), 0)
    ready: dict[str, bool] = {}
    for each in queues:
        sender, settings = each.sender, lane.campaigns.get(each.campaign)
        if settings is None or lane.stops.is_ending or each.campaign in lane.stops.campaigns:
            continue
        if sender not in lane.pacer.senders or sender in lane.stops.senders:
            continue
        if sender not in ready:
            ready[sender] = lane.pacer.ready(sender, now).at <= now
        if ready[sender] and settings.opens(each.zone, max(each.next_at, wall)) <= wall:
            due[settings.name] += each.count
    return due


def _limits(lane: Lane, now: float) -> list[Limit]:
    found = [
        Limit("", WINDOWS[window.seconds], window.left(now), window.limit)
        for window in lane.pacer.team
    ]
    for sender, state in lane.pacer.senders.items():
        found += [
            Limit(sender, WINDOWS[window.seconds], window.left(now), window.limit)
            for window in state.windows
        ]
        if state.days is not None:
            found.append(Limit(sender, "day", max(0, state.days.room(now)[0])))
    return found
