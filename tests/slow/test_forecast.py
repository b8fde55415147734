"""What is told beforehand about the end, against the run itself in virtual time: within 2 %."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runner.cli.output import finish_lines
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.messages import queue as message_queue
from runner.ledger.messages.plans import PlanWriter
from runner.message.plan import Change, Entry, PlannedMessage
from runner.pacing.forecast import BY_SCHEDULE, Forecast, Share, finish_as_json, forecast
from runner.pacing.pacer import make_pacer
from runner.pacing.projection import SenderProjection
from runner.planning.dates.eta import hours_of, when_done, zone_of
from runner.schedule import Hours, make_week
from runner.sending import dispatcher, wakeups
from runner.sending.lane import Lane
from tests.forecasts import LONDON, MONDAY, WORK, Known, Stopped, campaign_of
from tests.lane import Setting
from tests.pacing import limits, sender
from tests.support import make_campaign, recipient
from tests.virtual import VirtualClock

NEW_YORK, TOKYO = "America/New_York", "Asia/Tokyo"
FRIDAY = datetime(2026, 3, 6, 16, tzinfo=ZoneInfo(LONDON)).timestamp()
CHRISTMAS = datetime(2026, 12, 23, 9, tzinfo=ZoneInfo(LONDON)).timestamp()
WEEKEND = {
    "timezone": LONDON,
    "windows": (
        {"days": "sat,sun", "from": "10:00", "to": "12:00"},
        {"days": "mon", "from": "08:00", "to": "20:00"},
    ),
}
NEVER = Hours(LONDON, make_week([]))
LATER = {"timezone": LONDON, "start": "2026-03-09 12:00"}
NONE = {"per_hour": "none", "per_day": "none", "gap": "none"}


@pytest.fixture(autouse=True)
def _looking_at_the_clock_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "CLOCK_RECHECK", 7200.0)
    monkeypatch.setattr(dispatcher, "QUEUE_RECHECK", 7200.0)


def queue(setting: Setting, row: CampaignRow, people: Sequence[tuple[str, str]]) -> None:
    """Plan messages of these senders and zones, in this order."""
    base = row.id * 10_000
    entries = [
        Entry(
            PlannedMessage(n, recipient(base + n), who, "Hi", {"a": "b"}, zone=zone),
            Change.NEW,
            None,
        )
        for n, (who, zone) in enumerate(people, 2)
    ]
    with setting.ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write(entries)
        writer.finish("fingerprint", 2.0)


def told_and_true(
    make: Callable[..., Setting],
    plans: Sequence[tuple[dict[str, Any], Sequence[tuple[str, str]]]],
    senders: list[dict[str, Any]],
    begins: float = FRIDAY,
    before: int = 0,
) -> tuple[Forecast, float]:
    """The forecast of campaigns (their settings and queues), and how long they then took; made
    when so many messages were sent `before`."""
    setting = make([], started=begins)
    known = []
    for number, (more, people) in enumerate(plans):
        name = ("autumn", "winter")[number]
        row = make_campaign(setting.ledger, name)
        setting.ledger.write(bound_team.bind, row.id, "https://api.example", "team1")
        queue(setting, row, people)
        found = setting.ledger.read(registry.find_campaign, name)
        assert found is not None
        known.append(Known(campaign_of(name, more, senders), found))
    setting.limits = known[0].campaign.limits
    setting.senders = list(known[0].campaign.senders)
    luck, zone = random.Random(7), zone_of([each.campaign for each in known])

    def prepare(lane: Lane, _clock: VirtualClock) -> None:
        [settings] = lane.campaigns.values()
        lane.campaigns.clear()
        for each in known:
            hours = hours_of(each)
            lane.campaigns[each.row.id] = replace(settings, name=each.row.name, hours=hours)

    setting.before = prepare
    setting.pacer = lambda: make_pacer(
        [setting.limits], setting.senders, zone=zone, jitter=luck.random
    )
    if before:
        setting.drive(limit=before)
        setting.started = begins + setting.api.sends[-1][0] + 60.0
    assert setting.started is not None
    clock = Stopped(setting.started)
    queues = [(each, setting.ledger.read(message_queue.waiting, [each.row.id])) for each in known]
    told = when_done(queues, setting.ledger, clock)
    setting.api.sends.clear()
    setting.drive()
    assert len(setting.api.sends) == sum(len(people) for _, people in plans) - before
    return told, setting.api.sends[-1][0]


def one(count: int, zone: str = "") -> list[tuple[str, str]]:
    return [("a1", zone)] * count


FEW = {"id": "a1", "per_hour": 8, "per_day": 30}
FREE = {"id": "a1", "per_hour": 5, "per_day": "none"}
TWO_ZONES = [*one(65, LONDON), *one(65, NEW_YORK)]


@pytest.mark.parametrize(
    ("plans", "senders", "begins", "before"),
    [
        pytest.param(
            [({"limits": {"per_hour": 40}}, one(90))], [{"id": "a1", **NONE}], FRIDAY, 0, id="team"
        ),
        pytest.param(
            [({}, one(70))], [{"id": "a1", **NONE, "gap": "60s..80s"}], FRIDAY, 0, id="pauses"
        ),
        pytest.param(
            [({}, one(50))],
            [{"id": "a1", "per_hour": 20, "ramp": {"start": 10, "step": 5}}],
            FRIDAY,
            0,
            id="warm-up",
        ),
        pytest.param([({"schedule": WORK}, one(80))], [FEW], FRIDAY, 0, id="weekend"),
        pytest.param([({"schedule": LATER}, one(20))], [FEW], FRIDAY, 0, id="start to come"),
        pytest.param(
            [({"schedule": {**WORK, "skip_holidays": "GB-ENG"}}, one(80))],
            [FEW],
            CHRISTMAS,
            0,
            id="holidays",
        ),
        pytest.param([({"schedule": WORK}, one(70, TOKYO))], [FEW], FRIDAY, 0, id="far away"),
        pytest.param([({"schedule": WORK}, TWO_ZONES)], [FREE], MONDAY, 0, id="zone after zone"),
        pytest.param(
            [({"schedule": WORK}, [*one(15, LONDON), *one(65, NEW_YORK), *one(40, TOKYO)])],
            [FREE],
            MONDAY,
            0,
            id="uneven zones",
        ),
        pytest.param(
            [({"schedule": WORK}, [*one(60), *[("b2", TOKYO)] * 20])],
            [FREE, {**FREE, "id": "b2"}],
            FRIDAY,
            0,
            id="uneven senders",
        ),
        pytest.param(
            [({"schedule": WORK}, one(60)), ({}, one(60, TOKYO))],
            [FREE],
            MONDAY,
            0,
            id="two campaigns",
        ),
        pytest.param(
            [({"schedule": WEEKEND}, one(20)), ({"schedule": WORK}, one(40))],
            [{"id": "a1", "per_hour": 20, "per_day": 15}],
            FRIDAY,
            0,
            id="two campaigns take turns",
        ),
        pytest.param(
            [
                ({"limits": {"per_hour": 12}}, [*one(60), *[("b2", "")] * 60]),
                ({"schedule": WORK}, one(60)),
            ],
            [{"id": "a1", **NONE}, {"id": "b2", **NONE}],
            MONDAY,
            0,
            id="two campaigns share a team",
        ),
        pytest.param([({"schedule": WORK}, one(90))], [FEW], MONDAY, 45, id="resumed"),
    ],
)
def test_it_is_done_when_it_was_told_to_be(
    make: Callable[..., Setting],
    plans: Sequence[tuple[dict[str, Any], Sequence[tuple[str, str]]]],
    senders: list[dict[str, Any]],
    begins: float,
    before: int,
) -> None:
    told, took = told_and_true(make, plans, senders, begins, before)
    assert told.seconds == pytest.approx(took, rel=0.02)
    assert max(told.by_sender.values()) == told.seconds
    assert told.binds


@pytest.mark.parametrize("count", [400_000, 1_000_000])
def test_what_is_beyond_the_simulated_messages_keeps_the_schedule(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundredth of everything, so that it can be played to its end as well."""
    monkeypatch.setattr("runner.pacing.forecast.SIMULATED", 2_200)
    hours = Hours(LONDON, make_week([(range(5), 540, 1050)]))
    shares = [Share("a1", count // 100, hours)]
    pace = [limits(per_hour=100, per_day=1000)], [sender()]
    told = forecast(make_pacer(*pace), shares, 5.0, MONDAY)
    monkeypatch.setattr("runner.pacing.forecast.SIMULATED", count)
    assert told.seconds == pytest.approx(
        forecast(make_pacer(*pace), shares, 5.0, MONDAY).seconds, rel=0.02
    )
    assert told.binds == BY_SCHEDULE


def test_each_senders_end_is_told() -> None:
    pace = make_pacer([limits()], [sender(gap=60.0), sender("b2", gap=600.0)])
    told = forecast(pace, [Share("a1", 11), Share("b2", 11)], 0.0)
    first, a1, b2 = finish_lines(told, MONDAY)
    assert first.startswith("done about ")
    assert first.endswith(" (in 1 h 40 min); slowest limit: pause of 600 s of b2")
    assert a1.startswith("  a1: done about ")
    assert a1.endswith("(in 10 min)")
    assert b2.endswith("(in 1 h 40 min)")
    assert finish_as_json(told, MONDAY) == {
        "finish_at": "2026-03-02T10:40:00Z",
        "finish_earliest_at": "2026-03-02T10:40:00Z",
        "finish_by_sender": {"a1": "2026-03-02T09:10:00Z", "b2": "2026-03-02T10:40:00Z"},
        "binds": told.binds,
    }
    alone = forecast(make_pacer([limits()], [sender()]), [Share("a1", 9)], 0.0)
    assert len(list(finish_lines(alone, MONDAY))) == 1
    never = forecast(make_pacer([limits()], [sender()]), [Share("a1", 9, NEVER)], 0.0)
    assert list(finish_lines(never, MONDAY)) == [
        "never done: the schedule does not open within two years"
    ]


def test_many_senders_that_may_go_at_once_are_not_all_looked_at_for_each_message() -> None:
    """A hundred senders took minutes: each message made all of them be looked at again."""
    names = [f"s{n:02}" for n in range(60)]
    pace = make_pacer([limits()], [sender(name, per_hour=20, per_day=150) for name in names])
    looks = 0

    def counting(self: SenderProjection, now: float) -> tuple[float, str]:
        nonlocal looks
        looks += 1
        return ready(self, now)

    ready = SenderProjection.ready
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SenderProjection, "ready", counting)
        told = forecast(pace, [Share(name, 40) for name in names], 0.0)
    assert told.seconds == 3600.0
    assert looks < 5 * 60 * 40


def test_many_senders_of_several_campaigns_are_told_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long campaigns are made to take turns exactly."""
    hours = Hours(LONDON, make_week([(range(5), 540, 1050)]))
    names = [f"s{n}" for n in range(8)]
    shares = [Share(name, 40, hours, turn=turn) for name in names for turn in (0, 1)]

    def told() -> Forecast:
        senders = [sender(name, per_hour=6, per_day=30) for name in names]
        return forecast(make_pacer([limits(per_hour=40)], senders), shares, 0.0, MONDAY)

    exact = told()
    monkeypatch.setattr("runner.pacing.forecast.TURN_CHECKS", 100)
    assert told().seconds == pytest.approx(exact.seconds, rel=0.02)
