"""A ledger with a campaign, and a lane driven over it in virtual time as often as one likes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runner.campaign.schema import Limits
from runner.campaign.senders import Sender
from runner.events import Event, EventBus
from runner.ledger import lanes
from runner.ledger.campaigns import registry
from runner.ledger.engine import open_engine
from runner.ledger.queries import totals
from runner.message.outcome import Outcome
from runner.message.status import MessageStatus
from runner.pacing.pacer import Pacer, make_pacer
from runner.schedule import Hours
from runner.sending.controls.guard import GuardLimits
from runner.sending.controls.message_limit import MessageLimit
from runner.sending.drive import drive_lane, restore_limits
from runner.sending.lane import Lane, Settings
from tests.databases import put_new_ledger
from tests.pacing import limits, sender
from tests.support import LANE, SENDER, make_campaign, make_queue, plan_again
from tests.virtual import (
    InlineLedger,
    ScriptedApi,
    ScriptedChannel,
    VirtualClock,
    run_virtually,
)

S = MessageStatus


@dataclass(slots=True)
class Told:
    """How a drive ended."""

    lane: Lane
    took: float
    left: int  # tasks that outlived it
    events: list[Event] = field(default_factory=list)

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]


@dataclass(slots=True)
class Setting:
    """A ledger with one campaign, driven as often as a test likes."""

    ledger: InlineLedger
    campaign: int
    api: ScriptedApi
    senders: list[Sender] = field(default_factory=lambda: [sender(SENDER)])
    limits: Limits = field(default_factory=limits)
    concurrency: int = 4
    absent: str = "hold"
    attempts: int = 5
    hours: Hours | None = None
    started: float | None = None  # wall time at which a drive begins
    pacer: Callable[[], Pacer] | None = None  # None: of `limits` and `senders`
    before: Callable[[Lane, VirtualClock], None] = lambda _lane, _clock: None

    def drive(self, limit: int | None = None, **lane_changes: Any) -> Told:
        return run_virtually(lambda clock: self._drive(clock, limit, lane_changes))

    async def _drive(self, clock: VirtualClock, limit: int | None, changes: dict[str, Any]) -> Told:
        # Each drive is a new process: later by the wall, with a boot time of its own.
        clock.started += 1000.0 * (1 + (self.ledger.read(lanes.last_run) is not None))
        if self.started is not None:
            clock.started = self.started
        run = self.ledger.write(lanes.begin_run, clock.now(), "test")
        events: list[Event] = []
        bus = EventBus()
        bus.watch(events.append)
        channel = ScriptedChannel(self.api, clock)
        lane = Lane(
            id=LANE,
            ledger=self.ledger,
            channel_for=lambda _version, _base_url: channel,
            pacer=self.pacer() if self.pacer else make_pacer([self.limits], self.senders),
            clock=clock,
            bus=bus,
            run=run,
            epoch=self.ledger.write(lanes.take_lane, LANE, run),
            campaigns={
                self.campaign: Settings(
                    "spring",
                    "v2",
                    channel.base_url,
                    self.attempts,
                    120.0,
                    self.absent,
                    3600.0,
                    hours=self.hours,
                    grace=7200.0,
                )
            },
            concurrency=self.concurrency,
            timeout=60.0,
            limit=MessageLimit(limit),
        )
        if changes:
            lane = replace(lane, **changes)
        self.before(lane, clock)
        began = clock.boot()
        await restore_limits(lane)
        await drive_lane(lane)
        left = len(asyncio.all_tasks()) - 1
        return Told(lane, clock.boot() - began, left, events)

    def another_campaign(self, name: str, ids: Sequence[int]) -> int:
        """Plan another campaign in the same ledger; its number."""
        row = make_campaign(self.ledger, name)
        make_queue(self.ledger, row, ids)
        return row.id

    def plan_again(self) -> None:
        row = self.ledger.read(registry.find_campaign, "spring")
        assert row is not None
        plan_again(self.ledger, row)

    def counts(self) -> dict[str, int]:
        found = self.ledger.read(totals.counts, self.campaign)
        return {str(status): count for status, count in found.items() if count}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Setting]:
    def build(ids: Sequence[int] = range(1, 11), **changes: Any) -> Setting:
        location = str(tmp_path / "state.db")
        put_new_ledger(Path(location))
        ledger = InlineLedger(open_engine(location), location)
        row = make_campaign(ledger)
        make_queue(ledger, row, ids, changes.pop("zones", None))
        api = changes.pop("api", None) or ScriptedApi()
        return Setting(ledger, row.id, api, **changes)

    return build


def for_person(who: str, outcome: Outcome, times: int = 1, accept: bool = False) -> Any:
    """A script: `who` gets `outcome` so many times (accepted all the same, if `accept`)."""
    left = [times]

    def script(api: ScriptedApi, person: str, _body: bytes, key: str) -> Outcome | None:
        if person != who or left[0] == 0:
            return None
        left[0] -= 1
        if accept:
            api.accept(person, key)
        return outcome

    return script


def with_another(setting: Setting, ids: range, **limits: Any) -> int:
    """A second campaign in the same lane; `limits` are of the first one's guard."""
    other = setting.another_campaign("autumn", ids)

    def add(lane: Lane, _clock: VirtualClock) -> None:
        first = lane.campaigns[setting.campaign]
        common = (first.version, first.base_url, 5, 120.0, "hold", 3600.0)
        guarded = Settings("spring", *common, guard=GuardLimits(**limits))
        lane.campaigns.update({setting.campaign: guarded, other: Settings("autumn", *common)})

    setting.before = add
    return other
