"""What a person says to a campaign as a whole: pause, cancel, go on. Heard by a live run too."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from runner.attempt.lane import Lane
from runner.campaign import Campaign
from runner.clock import iso
from runner.errors import CampaignGuarded, CampaignPaused, LaneHeld, LedgerError, RunnerError
from runner.events import EventBus, Notice
from runner.ledger import Ledger, brakes, planning
from runner.ledger.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.planning import CampaignRow
from runner.run.holding import hold_lane

LISTEN = 0.4
"""Seconds between two looks of a live run at what people say: it obeys within a second. What is
claimed meanwhile is refused by the claim."""

HEARS_WITHIN = 5.0
"""Seconds after which a run that has not heard a word is not waited for: it is frozen, or hangs."""


def user() -> str:
    """Who sits at this terminal, as the system knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this number, as in some containers
        return f"user {os.getuid()}"


def in_words(name: str, brake: Brake) -> str:
    """What stops a campaign, who did it and when."""
    if brake.kind in BY_A_PERSON:
        return f"{name} was {brake.kind} by {brake.by} at {iso(brake.at)}"
    by = " by its guard" if brake.kind is BrakeKind.GUARDED else ""
    return f"{name} was stopped{by} at {iso(brake.at)}: {brake.why}"


def how_to_go_on(brake: Brake, path: Path) -> str:
    """What a person does about a campaign that is stopped."""
    if brake.kind in BY_A_PERSON:
        return f"resume with: run-campaign resume {path}"
    return f"to run it is to go on: run-campaign {path}"


def brakes_on(ledger: Ledger, campaigns: Sequence[Campaign]) -> dict[str, Brake]:
    """What stops which of these campaigns, by name."""
    found: dict[str, Brake] = {}
    for campaign in campaigns:
        row = ledger.read(planning.find_campaign, campaign.name)
        brake = ledger.read(brakes.standing, [row.id]).get(row.id) if row else None
        if brake is not None:
            found[campaign.name] = brake
    return found


def that_may_run(
    ledger: Ledger,
    campaigns: Sequence[Campaign],
    bus: EventBus,
    at: float,
    before: Mapping[str, Brake] | None = None,
) -> list[Campaign]:
    """The campaigns that no person has stopped; of the others it is told. Raises CampaignPaused
    if none may run. `before`: what stopped them when the command was given; what a run has stopped
    since stays so too, for nobody has said yet that it is to go on."""
    stopped: dict[str, tuple[str, str]] = {}
    kinds: set[BrakeKind] = set()
    for name, brake in brakes_on(ledger, campaigns).items():
        by_a_person = brake.kind in BY_A_PERSON
        known = before is None or brake == before.get(name)
        if by_a_person or not known:
            path = next(each.path for each in campaigns if each.name == name)
            stopped[name] = in_words(name, brake), how_to_go_on(brake, path)
            kinds.add(brake.kind)
    if stopped and len(stopped) == len(campaigns):
        told = "; ".join(what for what, _ in stopped.values())
        how = "; ".join(how for _, how in stopped.values())
        raise _error_for(kinds)(f"{told}: nothing is sent", how)
    for what, how in stopped.values():
        bus.emit(Notice(at, f"{what}: it is left out; {how}"))
    return [campaign for campaign in campaigns if campaign.name not in stopped]


def _error_for(kinds: Collection[BrakeKind]) -> type[RunnerError]:
    if BrakeKind.GUARDED in kinds:
        return CampaignGuarded
    return CampaignPaused if BY_A_PERSON & set(kinds) else RunnerError


def go_on_after_guard(
    ledger: Ledger, rows: Collection[CampaignRow], bus: EventBus, at: float
) -> None:
    """To run a campaign again is the word to go on that its guard, or the API, waits for."""
    for row in rows:
        brake = ledger.read(brakes.standing, [row.id]).get(row.id)
        if brake is not None and brake.kind not in BY_A_PERSON:
            told = "; going on, its count starts anew" if brake.kind is BrakeKind.GUARDED else ""
            bus.emit(Notice(at, f"{in_words(row.name, brake)}{told}"))
            ledger.write(brakes.release, row.id, at, user())


def goes_on_elsewhere(ledger: Ledger, row: CampaignRow, at: float) -> bool:
    """Whether a live run has this campaign and has heard what was said last of it. One that is
    ending lets go of it instead."""
    if row.lane is None or ledger.read(brakes.heard_by_driver, row.lane, row.id) is None:
        return False
    try:
        with hold_lane(ledger, row.lane, "resume", at, wait=False):
            return False  # it died without a word
    except LaneHeld:
        pass
    last = ledger.read(brakes.latest, [row.id]).get(row.id)
    said = 0 if last is None else last.id
    give_up = time.monotonic() + HEARS_WITHIN
    while (heard := ledger.read(brakes.heard_by_driver, row.lane, row.id)) is not None:
        if heard >= said:
            return True
        if time.monotonic() > give_up:
            break
        time.sleep(0.05)
    return False


@asynccontextmanager
async def listening(lanes: Sequence[Lane], *, sending: bool = True) -> AsyncIterator[None]:
    """Obey what people say to the campaigns of live lanes, from before the first message on.
    `sending`: the lanes send what is queued, so that nobody else needs to."""
    for lane in lanes:
        _hear(lane, _said(lane))
        _tell_driven(lane, _driven(lane) if sending else {})
    ears = asyncio.create_task(_listen(lanes, sending), name="listening")
    try:
        yield
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)
        for lane in lanes:  # a queue that was withdrawn is at its end before it is heard why
            with contextlib.suppress(LedgerError):
                _hear(lane, _said(lane))


async def _listen(lanes: Sequence[Lane], sending: bool) -> None:
    told = {lane.id: _driven(lane) if sending else {} for lane in lanes}
    while True:
        await asyncio.sleep(LISTEN)
        for lane in lanes:
            try:
                _hear(lane, await asyncio.to_thread(_said, lane))
                driven = _driven(lane) if sending else {}
                if driven != told[lane.id]:
                    await asyncio.to_thread(_tell_driven, lane, driven)
                    told[lane.id] = driven
            except LedgerError:
                pass  # a ledger that fails is told by whoever sends
            except Exception as error:
                lane.fail(error)  # who hears nothing any more sends nothing


def _said(lane: Lane) -> dict[int, Brake]:
    return lane.ledger.read(brakes.latest, lane.campaigns.keys())


def _hear(lane: Lane, said: Mapping[int, Brake]) -> None:
    for campaign, brake in said.items():
        lane.hear(campaign, brake)


def _tell_driven(lane: Lane, driven: Mapping[int, int]) -> None:
    lane.ledger.write(brakes.tell_driven, lane.id, lane.run, driven)


def _driven(lane: Lane) -> dict[int, int]:
    """What a lane goes on with, and what it has heard of that: nothing once it is ending, when
    whoever resumes a campaign has to run it."""
    return {} if lane.ending else {id: lane.heard.get(id, 0) for id in lane.campaigns}
