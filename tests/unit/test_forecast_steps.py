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
from runner.ledger.queries import steps
from runner.message.outcome import Accepted
from runner.message.plan import Change, Entry, PlannedMessage
from runner.pacing.forecast import BY_STEPS, Following, Share, forecast
from runner.pacing.pacer import make_pacer
from runner.planning.dates.eta import hours_of, pace_of, shares_of, when_done, with_follow_ups
from runner.sending import dispatcher, wakeups
from runner.sending.lane import Lane
from tests.forecasts import MONDAY, WORK, Known, Stopped, campaign_of
from tests.lane import S, Setting
from tests.pacing import limits, sender
from tests.support import LANE, make_campaign, recipient
from tests.virtual import ScriptedApi, VirtualClock

DAY = 86_400.0
PEOPLE = 90
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
        newest = last or "answer"
        return ThreadState("a1", (person,), newest, False, not last, math.inf, "", False)


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "settings", "before"),
    [
        pytest.param(0.0, {"schedule": WORK}, 0, id="nobody answers"),
        pytest.param(0.1, {"schedule": WORK}, 0, id="one in ten answers"),
        pytest.param(0.5, {"schedule": WORK}, 0, id="half of them answer"),
        pytest.param(0.0, {}, 120, id="from the middle on"),
    ],
)
def test_the_end_holds_however_many_answer(
    make: Callable[..., Setting], settings: dict[str, object], rate: float, before: int
) -> None:
    api = Talking(answering=rate)
    setting, known = planned(make, api, settings)
    if before:
        setting.drive(limit=before)
        setting.started = MONDAY + api.sends[-1][0] + 60.0
        api.sends.clear()
    assert setting.started is not None
    clock = Stopped(setting.started)
    queued = setting.ledger.read(message_queue.waiting, [known.row.id])
    queue = with_follow_ups(setting.ledger, known.row.id, queued)
    told = when_done([(known, queue)], setting.ledger, clock)
    pacer = pace_of([known], setting.ledger, clock)
    shares = shares_of(queue, hours_of(known))
    at_rate = forecast(pacer, shares, 0.0, setting.started, answering=rate)
    setting.drive()
    took = api.sends[-1][0]
    assert at_rate.seconds == pytest.approx(took, rel=0.02)
    assert told.earliest is not None
    assert told.earliest <= took <= told.seconds * 1.02
    if not rate:
        assert len(api.sends) == 3 * PEOPLE - before
        assert told.seconds == at_rate.seconds


def test_what_follows_waits_for_its_time_and_goes_before_first_messages() -> None:
    pace = [limits()], [sender(gap=60.0)]
    share = Share("a1", 10, then=(Following(120.0),))
    told = forecast(make_pacer(*pace), [share], 0.0)
    assert told.seconds == 19 * 60.0  # twenty messages, and none had to be waited for
    one = Share("a1", 1, then=(Following(3 * DAY), Following(5 * DAY, 0.4)))
    told = forecast(make_pacer(*pace), [one], 0.0)
    assert told.seconds == 3 * DAY  # four of ten get the last one: of one, nobody
    assert told.binds == BY_STEPS
    due = Share("a1", 3, due=(DAY, 2 * DAY))
    assert forecast(make_pacer(*pace), [due], 0.0).seconds == 2 * DAY
    free = make_pacer([limits()], [sender()])
    assert forecast(free, [replace(one, count=2)], 0.0).seconds == 8 * DAY


def test_figures_of_steps_tell_what_follows(make: Callable[..., Setting]) -> None:
    setting, known = planned(make, Talking(), {})
    setting.drive(limit=40)
    figures = setting.ledger.read(steps.step_figures, known.row.id)
    assert [each.name for each in figures] == ["1", "nudge", "last"]
    first, nudge, last = figures
    assert (first.to_come, nudge.to_come, last.to_come) == (PEOPLE - 40, PEOPLE, PEOPLE)
    assert (nudge.counts[S.QUEUED], nudge.counts[S.WAITING]) == (40, PEOPLE - 40)
    assert nudge.next_at is not None
    assert last.next_at is None
    assert steps.following(figures, "1") == [(3 * DAY, 1.0), (5 * DAY, 1.0)]
    assert steps.following(figures, "nudge") == [(5 * DAY, 1.0)]
    assert steps.following(figures, "last") == []
    due = setting.ledger.read(steps.due_follow_ups, known.row.id)
    assert sum(each.messages for each in due) == 40
    assert min(each.first for each in due) == nudge.next_at
    gone = setting.ledger.read(steps.removed, known.row.id, ["nudge"])
    assert [(each.name, each.to_come) for each in gone] == [("last", PEOPLE)]
