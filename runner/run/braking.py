"""What a person says to a campaign as a whole: pause, cancel, go on. Heard by a live run too."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from runner.attempt.lane import Lane
from runner.campaign import Campaign
from runner.clock import iso
from runner.errors import CampaignPaused, LaneHeld, LedgerError
from runner.events import EventBus, Notice
from runner.ledger import Ledger, brakes, planning
from runner.ledger.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.planning import CampaignRow
from runner.run.holding import hold_lane
from runner.run.memory import may_change

LISTEN = 0.4
"""Seconds between two looks of a live run at what people say: it obeys within a second."""


def user() -> str:
    """Who sits at this terminal, as the system knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this number, as in some containers
        return f"user {os.getuid()}"


def in_words(name: str, brake: Brake) -> str:
    """What stops a campaign, who did it and when."""
    if brake.kind is BrakeKind.GUARDED:
        return f"{name} was stopped by its guard at {iso(brake.at)}: {brake.why}"
    return f"{name} was {brake.kind} by {brake.by} at {iso(brake.at)}"


def stopped_by_people(ledger: Ledger, campaigns: Sequence[Campaign]) -> dict[str, Brake]:
    """Which of these campaigns a person has paused or cancelled, by name."""
    found: dict[str, Brake] = {}
    for campaign in campaigns:
        row = ledger.read(planning.find_campaign, campaign.name)
        brake = ledger.read(brakes.standing, [row.id]).get(row.id) if row else None
        if brake is not None and brake.kind in BY_A_PERSON:
            found[campaign.name] = brake
    return found


def without_paused(
    ledger: Ledger, campaigns: Sequence[Campaign], bus: EventBus, at: float
) -> list[Campaign]:
    """The campaigns that may run; of the others it is told. Raises CampaignPaused if none may."""
    stopped = stopped_by_people(ledger, campaigns)
    told = [
        (in_words(campaign.name, stopped[campaign.name]), f"run-campaign resume {campaign.path}")
        for campaign in campaigns
        if campaign.name in stopped
    ]
    if told and len(told) == len(campaigns):
        raise CampaignPaused(
            f"{'; '.join(what for what, _ in told)}: nothing is sent",
            f"resume with: {', '.join(command for _, command in told)}",
        )
    for what, command in told:
        bus.emit(Notice(at, f"{what}: it is left out; resume with: {command}"))
    return [campaign for campaign in campaigns if campaign.name not in stopped]


def go_on_after_guard(
    ledger: Ledger, rows: Collection[CampaignRow], bus: EventBus, at: float
) -> None:
    """To run a campaign again is the word to go on that its guard waits for."""
    for row in rows:
        brake = ledger.read(brakes.standing, [row.id]).get(row.id)
        if brake is not None and brake.kind is BrakeKind.GUARDED:
            bus.emit(Notice(at, f"{in_words(row.name, brake)}; going on, its count starts anew"))
            ledger.write(brakes.release, row.id, at, user())


def pause(ledger: Ledger, row: CampaignRow, environ: Mapping[str, str], at: float) -> Brake | None:
    """Pause a campaign; what had stopped it already, if a person had."""
    may_change(ledger, environ, at)
    return ledger.write(brakes.pause, row.id, at, user())


def cancel(ledger: Ledger, row: CampaignRow, environ: Mapping[str, str], at: float) -> int:
    """Cancel a campaign; how many queued messages that withdrew."""
    may_change(ledger, environ, at)
    return ledger.write(brakes.cancel, row.id, at, user())


def resume(ledger: Ledger, row: CampaignRow, environ: Mapping[str, str], at: float) -> Brake | None:
    """Let a campaign go on; what had stopped it, if anything had."""
    may_change(ledger, environ, at)
    return ledger.write(brakes.release, row.id, at, user())


def is_driven(ledger: Ledger, row: CampaignRow, at: float) -> bool:
    """Whether a live run has this campaign, and so hears what is said to it."""
    if row.lane is None or not ledger.read(brakes.is_driven, row.lane, row.id):
        return False
    try:
        with hold_lane(ledger, row.lane, "resume", at, wait=False):
            return False  # it died without a word
    except LaneHeld:
        return True


@asynccontextmanager
async def listening(lanes: Sequence[Lane]) -> AsyncIterator[None]:
    """Obey what people say to the campaigns of live lanes, from before the first message on."""
    heard: dict[int, int] = {}
    for lane in lanes:
        _obey(lane, lane.ledger.read(brakes.latest, lane.campaigns.keys()), heard)
    ears = asyncio.create_task(_listen(lanes, heard), name="listening")
    try:
        yield
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)
        for lane in lanes:  # a queue that was withdrawn is at its end before it is heard why
            with contextlib.suppress(LedgerError):
                _obey(lane, lane.ledger.read(brakes.latest, lane.campaigns.keys()), heard)


async def _listen(lanes: Sequence[Lane], heard: dict[int, int]) -> None:
    let_go: set[str] = set()
    while True:
        await asyncio.sleep(LISTEN)
        for lane in lanes:
            # A ledger that fails is told by whoever sends.
            with contextlib.suppress(LedgerError):
                said = await asyncio.to_thread(
                    lane.ledger.read, brakes.latest, lane.campaigns.keys()
                )
                _obey(lane, said, heard)
                if lane.ending and lane.id not in let_go:
                    # It hears nothing more: whoever resumes a campaign now has to run it.
                    await asyncio.to_thread(
                        lane.ledger.write, brakes.tell_driven, lane.id, lane.run, []
                    )
                    let_go.add(lane.id)


def _obey(lane: Lane, said: Mapping[int, Brake], heard: dict[int, int]) -> None:
    """`heard`: the newest that each campaign was told."""
    for campaign, brake in said.items():
        if heard.get(campaign) == brake.id:
            continue
        heard[campaign] = brake.id
        if brake.kind in BY_A_PERSON:
            lane.brake(campaign, brake)
        elif brake.kind is BrakeKind.RELEASED:
            lane.release(campaign, brake.by)
