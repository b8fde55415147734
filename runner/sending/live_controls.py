"""How a live run hears what people say to its campaigns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from runner.errors import LedgerError
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.ledger.messages import decisions, holds
from runner.ledger.queries import totals
from runner.sending.lane import Lane
from runner.sending.watched_lists import WatchedLists

LISTEN = 0.4
"""Seconds between two looks of a live run at what people say: it obeys within a second. What is
claimed meanwhile is refused by the claim."""


@asynccontextmanager
async def listening(
    lanes: Sequence[Lane],
    *,
    sending: bool = True,
    lists: Sequence[tuple[Lane, WatchedLists]] = (),
) -> AsyncIterator[None]:
    """Obey what people say to the campaigns of live lanes, and whom they add to their
    do-not-contact `lists`, from before the first message on. `sending`: the lanes send what is
    queued, so that nobody else needs to."""
    for lane, watched in lists:
        await watched.obey(lane)
    for lane in lanes:
        _hear(lane, _said(lane))
        _tell_driven(lane, _driven(lane) if sending else {})
    ears = asyncio.create_task(_listen(lanes, sending, lists), name="listening")
    try:
        yield
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)
        for lane in lanes:  # a queue that was withdrawn is at its end before it is heard why
            with contextlib.suppress(LedgerError):
                _hear(lane, _said(lane))


def withdraw_what_came_back(lane: Lane) -> None:
    """Of campaigns that were cancelled while a lane was driven: what was under way then may be in
    the queue again."""
    for campaign, brake in lane.braked.items():
        if brake.kind is BrakeKind.CANCELLED:
            lane.ledger.write(decisions.withdraw_cancelled, campaign)


async def _listen(
    lanes: Sequence[Lane], sending: bool, lists: Sequence[tuple[Lane, WatchedLists]]
) -> None:
    told = {lane.id: _driven(lane) if sending else {} for lane in lanes}
    held = dict.fromkeys(told, "")  # the newest word on holds
    while True:
        await asyncio.sleep(LISTEN)
        for lane in lanes:
            try:
                said, changes = await asyncio.to_thread(_said_and_held, lane)
                _hear(lane, said)
                await _turn_back(lane)
                if changes != held[lane.id]:
                    held[lane.id] = changes
                    lane.notify(doubt=True)  # some may go now, or sooner
                driven = _driven(lane) if sending else {}
                if driven != told[lane.id]:
                    await asyncio.to_thread(_tell_driven, lane, driven)
                    told[lane.id] = driven
            except LedgerError:
                pass  # a ledger that fails is told by whoever sends
            except Exception as error:
                lane.fail(error)  # who hears nothing any more sends nothing
        for lane, watched in lists:
            try:
                await watched.obey(lane)
            except LedgerError:
                pass  # as above
            except Exception as error:
                lane.fail(error)


async def _turn_back(lane: Lane) -> None:
    """Hold back what is begun to people who were put on the do-not-contact list, or on hold,
    since."""
    begun, now = frozenset(lane.begun.values()), lane.clock.now()
    unwanted = lane.unwanted
    lane.unwanted = (
        await asyncio.to_thread(lane.ledger.read, totals.unwanted_among, begun, now)
        if begun
        else ()
    )
    if lane.unwanted and lane.unwanted != unwanted:
        lane.wire.turn_back()


def _said(lane: Lane) -> dict[int, Brake]:
    return lane.ledger.read(brakes.latest, lane.campaigns.keys())


def _said_and_held(lane: Lane) -> tuple[dict[int, Brake], str]:
    with lane.ledger.reading() as connection:
        return brakes.latest(connection, lane.campaigns.keys()), holds.changes(connection)


def _hear(lane: Lane, said: Mapping[int, Brake]) -> None:
    for campaign, brake in said.items():
        lane.hear(campaign, brake)


def _tell_driven(lane: Lane, driven: Mapping[int, int]) -> None:
    lane.ledger.write(brakes.record_driven, lane.id, lane.run, driven)


def _driven(lane: Lane) -> dict[int, int]:
    """What a lane goes on with, and what it has heard of that: nothing once it is ending, when
    whoever resumes a campaign has to run it."""
    return {} if lane.ending else {id: lane.heard.get(id, 0) for id in lane.campaigns}
