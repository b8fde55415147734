"""What is told beforehand about the end of a campaign with follow-ups, against the run itself in
virtual time: within 2 %, however many answer."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from sqlalchemy import insert

from runner.campaign.schema import Campaign
from runner.channels.base import Conversations, ThreadState
from runner.ledger import schema
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.messages import queue as message_queue
from runner.ledger.messages.plans import PlanWriter
from runner.message.outcome import Accepted
from runner.message.plan import Change, Entry, PlannedMessage
from runner.pacing.forecast import forecast
from runner.pacing.pacer import make_pacer
from runner.planning.eta import hours_of, pace_of, shares_of, when_done, with_follow_ups
from runner.sending import dispatcher, wakeups
from runner.sending.lane import Lane
from tests.lane import Setting
from tests.support import LANE, make_campaign, recipient
from tests.unit.test_forecast import MONDAY, WORK, Known, Stopped, campaign_of
from tests.virtual import ScriptedApi, VirtualClock

DAY = 86_400.0
PEOPLE = 150
STEPS = (("nudge", "1", 3 * DAY), ("last", "nudge", 5 * DAY))
SLOW = {"id": "a1", "per_hour": 12, "per_day": 40, "gap": "20s"}


@pytest.fixture(autouse=True)
def _looking_at_the_clock_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "CLOCK_RECHECK", 7200.0)
    monkeypatch.setattr(dispatcher, "QUEUE_RECHECK", 7200.0)


@dataclass(slots=True)
class Talking(ScriptedApi):
    """An API where a share of the people answers each message; threads say so."""

    answering: float = 0.0
    luck: random.Random = field(default_factory=lambda: random.Random(5))
    threads: dict[str, str] = field(default_factory=dict)  # person: the newest message

    def accept(self, person: str, key: str) -> Accepted:
        done = ScriptedApi.accept(self, person, key)
        answers = self.luck.random() < self.answering
        self.threads[person] = "" if answers else done.message_id
        return replace(done, thread_id=person)

    async def thread(self, person: str) -> ThreadState:
        last = self.threads[person]
        return ThreadState("a1", (person,), last or "answer", False, not last, math.inf)


def planned(
    make: Callable[..., Setting], api: Talking, settings: dict[str, object]
) -> tuple[Setting, Known]:
    """A campaign with two follow-ups, planned and not begun."""
    setting = make([], started=MONDAY, api=api)
    row = make_campaign(setting.ledger, "autumn")
    setting.ledger.write(bound_team.bind, row.id, "https://api.example", "team1")

    def message(n: int) -> PlannedMessage:
        return PlannedMessage(n, recipient(n), "a1", "Hi", {"a": "b"})

    def later(n: int) -> tuple[Entry, ...]:
        return tuple(
            Entry(message(n)._replace(step=name, previous=previous, after=after), Change.NEW)
            for name, previous, after in STEPS
        )

    with setting.ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write([Entry(message(n), Change.NEW, None, later(n)) for n in range(1, PEOPLE + 1)])
        writer.finish("fingerprint", 2.0, [name for name, *_ in STEPS], "reply")
        heard = {"lane": LANE, "read_at": math.inf}
        connection.execute(insert(schema.feed), [heard])
    found = setting.ledger.read(registry.find_campaign, "autumn")
    assert found is not None
    known = Known(campaign_of("autumn", settings, [SLOW]), found)
    drive_as(setting, known, api)
    return setting, known


def drive_as(setting: Setting, known: Known, api: Talking) -> None:
    campaign: Campaign = known.campaign
    setting.limits, setting.senders = campaign.limits, list(campaign.senders)

    def prepare(lane: Lane, _clock: VirtualClock) -> None:
        [before] = lane.campaigns.values()
        lane.campaigns.clear()
        hours = hours_of(known)
        lane.campaigns[known.row.id] = replace(
            before, name=known.row.name, hours=hours, has_steps=True
        )
        channel = lane.channel(known.row.id)
        channel.conversations = cast(Conversations, api)  # as much of it as a follow-up asks

    setting.before = prepare
    luck = random.Random(7)
    setting.pacer = lambda: make_pacer(
        [setting.limits], setting.senders, zone="Europe/London", jitter=luck.random
    )


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("settings", [{}, {"schedule": WORK}], ids=["always", "work hours"])
def test_the_end_holds_however_many_answer(
    make: Callable[..., Setting], settings: dict[str, object], rate: float
) -> None:
    api = Talking(answering=rate)
    setting, known = planned(make, api, settings)
    clock = Stopped(MONDAY)
    queued = setting.ledger.read(message_queue.waiting, [known.row.id])
    queue = with_follow_ups(setting.ledger, known.row.id, queued)
    told = when_done([(known, queue)], setting.ledger, clock)
    pacer = pace_of([known], setting.ledger, clock)
    shares = shares_of(queue, hours_of(known))
    at_rate = forecast(pacer, shares, 0.0, MONDAY, answering=rate)
    setting.drive()
    took = api.sends[-1][0]
    assert at_rate.seconds == pytest.approx(took, rel=0.02)
    assert told.earliest is not None
    assert told.earliest <= took <= told.seconds * 1.02
    if not rate:
        assert len(api.sends) == 3 * PEOPLE
