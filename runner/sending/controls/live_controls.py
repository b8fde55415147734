"""Live controls: a live run obeys pause, resume, cancel and additions to do-not-contact lists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from runner.errors import LedgerError
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.ledger.ledger import Connection, Ledger
from runner.ledger.messages import decisions
from runner.ledger.people import holds
from runner.ledger.queries import totals
from runner.sending.controls.watched_lists import WatchedLists
from runner.sending.lane import Lane

CONTROL_INTERVAL = 0.4
"""Seconds between two reads of the controls by a live run: it obeys within a second. What is to be
claimed meanwhile is refused by the claim."""


class _Controls(NamedTuple):
    """The newest controls: of campaigns, a text that changes with each hold, and the recipients of
    claimed messages who want none."""

    latest: Mapping[int, Brake]
    holds: str
    unwanted: frozenset[str]


@dataclass(slots=True)
class _Obeying:
    """A lane that obeys. `acknowledged`: what is written down of the controls that it has applied;
    `holds`: the newest change of holds that it knows."""

    lane: Lane
    sending: bool
    lists: Sequence[WatchedLists]
    acknowledged: Mapping[int, int]
    holds: str = ""


@dataclass(slots=True)
class LiveControls:
    """The controls of all lanes that a process drives on a ledger, read together."""

    ledger: Ledger
    every: float = CONTROL_INTERVAL  # seconds between two looks
    _obeying: list[_Obeying] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def obeyed_by(
        self, lane: Lane, *, sending: bool = True, lists: Sequence[WatchedLists] = ()
    ) -> AsyncIterator[None]:
        """Apply people's controls of the campaigns of a live lane, and their additions to its
        do-not-contact `lists`, from before the first message on. `sending`: it sends what is
        queued, so that no other run needs to."""
        for watched in lists:
            await watched.apply(lane)
        _apply(lane, self._latest(lane))
        one = _Obeying(lane, sending, lists, _acknowledged(lane) if sending else {})
        _acknowledge(lane, one.acknowledged)
        self._obeying.append(one)
        if self._task is None:
            self._task = asyncio.create_task(self._look_regularly(), name="controls")
        try:
            yield
        finally:
            self._obeying.remove(one)
            if not self._obeying:
                task, self._task = self._task, None
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            # A queue that was withdrawn is at its end before it is known why.
            with contextlib.suppress(LedgerError):
                _apply(lane, self._latest(lane))

    def _latest(self, lane: Lane) -> dict[int, Brake]:
        return self.ledger.read(brakes.latest, lane.campaigns.keys())

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            obeying = list(self._obeying)
            try:
                found = await self._look([each.lane for each in obeying])
            except LedgerError:
                found = None  # a ledger that fails is told by the tasks that send
            except Exception as error:
                for each in obeying:
                    each.lane.stops.fail(error)  # a lane that obeys no more sends no more
                continue
            for each in obeying:
                try:
                    await _obey(each, found)
                except LedgerError:
                    pass  # as above
                except Exception as error:
                    each.lane.stops.fail(error)

    async def _look(self, lanes: Sequence[Lane]) -> _Controls:
        campaigns = {id for lane in lanes for id in lane.campaigns}
        claimed = {id for lane in lanes for id in lane.in_flight.claimed.values()}
        return await self.ledger.look(_controls, campaigns, claimed, lanes[0].clock.now())


@asynccontextmanager
async def obey_controls(
    lanes: Sequence[Lane],
    *,
    sending: bool = True,
    lists: Sequence[tuple[Lane, WatchedLists]] = (),
    every: float = CONTROL_INTERVAL,
) -> AsyncIterator[None]:
    """Let the lanes of a run, which share a ledger, obey together: see `LiveControls.obeyed_by`."""
    controls = LiveControls(lanes[0].ledger, every)
    async with AsyncExitStack() as stack:
        for lane in lanes:
            own = [watched for of, watched in lists if of is lane]
            await stack.enter_async_context(controls.obeyed_by(lane, sending=sending, lists=own))
        yield


def withdraw_returned(lane: Lane) -> None:
    """Withdraw what came back into the queue of campaigns that were cancelled while a lane was
    driven: it was under way then."""
    for campaign, brake in lane.stops.campaigns.items():
        if brake.kind is BrakeKind.CANCELLED:
            lane.ledger.write(decisions.withdraw_cancelled, campaign)


def _controls(
    connection: Connection, campaigns: Collection[int], claimed: Collection[str], now: float
) -> _Controls:
    return _Controls(
        brakes.latest(connection, campaigns),
        holds.changes(connection),
        totals.unwanted_among(connection, claimed, now) if claimed else frozenset(),
    )


async def _obey(one: _Obeying, found: _Controls | None) -> None:
    """Apply what was found, if the ledger could be read, and what the lists say."""
    lane = one.lane
    if found is not None:
        _apply(lane, {id: found.latest[id] for id in lane.campaigns if id in found.latest})
        if lane.stops.hold_unwanted(found.unwanted.intersection(lane.in_flight.claimed.values())):
            lane.slots.turn_back()
        if found.holds != one.holds:
            one.holds = found.holds
            lane.notify(doubt=True)  # some may go now, or sooner
        applied = _acknowledged(lane) if one.sending else {}
        if applied != one.acknowledged:
            await asyncio.to_thread(_acknowledge, lane, applied)
            one.acknowledged = applied
    for watched in one.lists:
        await watched.apply(lane)


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
