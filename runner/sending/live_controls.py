"""Live controls: a live run obeys pause, resume, cancel and additions to do-not-contact lists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from runner.errors import LedgerError
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.ledger.messages import decisions, holds
from runner.ledger.queries import totals
from runner.sending.lane import Lane
from runner.sending.watched_lists import WatchedLists

CONTROL_INTERVAL = 0.4
"""Seconds between two reads of the controls by a live run: it obeys within a second. What is to be
claimed meanwhile is refused by the claim."""


@asynccontextmanager
async def obey_controls(
    lanes: Sequence[Lane],
    *,
    sending: bool = True,
    lists: Sequence[tuple[Lane, WatchedLists]] = (),
) -> AsyncIterator[None]:
    """Apply people's controls of the campaigns of live lanes, and their additions to the
    do-not-contact `lists`, from before the first message on. `sending`: the lanes send what is
    queued, so that no other run needs to."""
    for lane, watched in lists:
        await watched.apply(lane)
    for lane in lanes:
        _apply(lane, _controls(lane))
        _acknowledge(lane, _acknowledged(lane) if sending else {})
    task = asyncio.create_task(_obey(lanes, sending, lists), name="controls")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for lane in lanes:  # a queue that was withdrawn is at its end before it is known why
            with contextlib.suppress(LedgerError):
                _apply(lane, _controls(lane))


def withdraw_returned(lane: Lane) -> None:
    """Withdraw what came back into the queue of campaigns that were cancelled while a lane was
    driven: it was under way then."""
    for campaign, brake in lane.stops.campaigns.items():
        if brake.kind is BrakeKind.CANCELLED:
            lane.ledger.write(decisions.withdraw_cancelled, campaign)


async def _obey(
    lanes: Sequence[Lane], sending: bool, lists: Sequence[tuple[Lane, WatchedLists]]
) -> None:
    acknowledged = {lane.id: _acknowledged(lane) if sending else {} for lane in lanes}
    held = dict.fromkeys(acknowledged, "")  # the newest change of holds
    while True:
        await asyncio.sleep(CONTROL_INTERVAL)
        for lane in lanes:
            try:
                controls, changes = await asyncio.to_thread(_controls_and_holds, lane)
                _apply(lane, controls)
                await _turn_back_unwanted(lane)
                if changes != held[lane.id]:
                    held[lane.id] = changes
                    lane.notify(doubt=True)  # some may go now, or sooner
                now = _acknowledged(lane) if sending else {}
                if now != acknowledged[lane.id]:
                    await asyncio.to_thread(_acknowledge, lane, now)
                    acknowledged[lane.id] = now
            except LedgerError:
                pass  # a ledger that fails is told by the tasks that send
            except Exception as error:
                lane.stops.fail(error)  # a lane that obeys no more sends no more
        for lane, watched in lists:
            try:
                await watched.apply(lane)
            except LedgerError:
                pass  # as above
            except Exception as error:
                lane.stops.fail(error)


async def _turn_back_unwanted(lane: Lane) -> None:
    """Hold back what is claimed for recipients who were put on the do-not-contact list, or on hold,
    since."""
    claimed, now = frozenset(lane.in_flight.claimed.values()), lane.clock.now()
    unwanted: Collection[str] = ()
    if claimed:
        unwanted = await asyncio.to_thread(lane.ledger.read, totals.unwanted_among, claimed, now)
    if lane.stops.hold_unwanted(unwanted):
        lane.slots.turn_back()


def _controls(lane: Lane) -> dict[int, Brake]:
    """Return the newest control of each campaign of a lane."""
    return lane.ledger.read(brakes.latest, lane.campaigns.keys())


def _controls_and_holds(lane: Lane) -> tuple[dict[int, Brake], str]:
    """Return the same, and what changes with each hold."""
    with lane.ledger.reading() as connection:
        return brakes.latest(connection, lane.campaigns.keys()), holds.changes(connection)


def _apply(lane: Lane, controls: Mapping[int, Brake]) -> None:
    for campaign, brake in controls.items():
        lane.stops.apply_control(campaign, brake)


def _acknowledge(lane: Lane, applied: Mapping[int, int]) -> None:
    """Write down what a lane goes on with, and the newest control of each that it has applied."""
    lane.ledger.write(brakes.record_driven, lane.id, lane.run, applied)


def _acknowledged(lane: Lane) -> dict[int, int]:
    """Return what to acknowledge: nothing once the lane is ending, when a campaign that is resumed
    has to be run again."""
    stops = lane.stops
    return {} if stops.is_ending else {id: stops.applied.get(id, 0) for id in lane.campaigns}
