"""Whom Inbox knows: the rules, and the question before a first message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

import pytest

from runner.channels.v2.inbox_v2_people import PeopleV2, ThreadEnd
from runner.errors import ChannelError
from runner.ledger.people import acquaintances
from runner.message.acquaintance import FRESH, Acquaintance, SkipRules, Talk, bar_of, one_name
from runner.schedule import Hours, is_open, make_week
from runner.sending.inbox.acquaintance_check import AcquaintanceCheck
from runner.sending.lane import Lane
from tests.lane import Setting
from tests.pacing import sender
from tests.support import LANE, SENDER
from tests.virtual import VirtualClock

NOW = 1_800_000_000.0
DAY = 86_400.0
ADA = Acquaintance("1", NOW, contact="c1", state="active")


@pytest.mark.parametrize(
    ("known", "rules", "reason"),
    [
        (ADA, SkipRules(90 * DAY, True, frozenset({"customer"}), frozenset({"vip"})), None),
        (ADA._replace(talk=Talk(NOW - DAY, "l", True)), SkipRules(90 * DAY), "in_talks"),
        (ADA._replace(talk=Talk(NOW - 91 * DAY, "l", True)), SkipRules(90 * DAY), None),
        (ADA._replace(talk=Talk(NOW - DAY, "l", True)), SkipRules(assigned=True), None),
        (ADA._replace(assignee="m"), SkipRules(assigned=True), "assigned"),
        (ADA._replace(assignee="m"), SkipRules(90 * DAY), None),
        (ADA._replace(status="CUSTOMÉR"), SkipRules(statuses=frozenset({"customer"})), "status"),
        (ADA._replace(status="Lead"), SkipRules(statuses=frozenset({"customer"})), None),
        (ADA._replace(tags=("a", "ViP")), SkipRules(tags=frozenset({"vip"})), "tag"),
        (ADA._replace(state="suspended"), SkipRules(90 * DAY), "account_gone"),
        (ADA._replace(state="notFound"), SkipRules(90 * DAY), "account_gone"),
        (Acquaintance("1", NOW), SkipRules(90 * DAY, True), None),
    ],
)
def test_rules(known: Acquaintance, rules: SkipRules, reason: str | None) -> None:
    bar = bar_of(known, rules, NOW, {})
    assert (None if bar is None else str(bar.reason)) == reason


def test_a_talk_is_told_with_who_when_and_until_when() -> None:
    bar = bar_of(
        ADA._replace(talk=Talk(NOW - DAY, "l1", True)), SkipRules(2 * DAY), NOW, {"l1": "a"}
    )
    assert bar is not None
    assert bar.detail.startswith("they wrote to @a on 2027-01-14; free from 2027-01-16 ")
    assert bar.free_at == NOW + DAY


def test_names_are_compared_as_inbox_does() -> None:
    assert one_name(" Café ") == one_name("CAFE")


class _People:
    """Inbox, as far as it is asked about people."""

    def __init__(self, talks: Sequence[str] = (), fails: int = 0, status: int = 500) -> None:
        self.talks, self.fails, self.status = talks, fails, status
        self.asked: list[str] = []
        self.takes: list[float] = []

    async def by_id(self, ids: Sequence[str], at: float) -> Any:
        if self.ends and self.lane is not None:
            self.lane.stops.interrupt()
            await self.lane.permit()
        if self.takes:
            await asyncio.sleep(self.takes.pop())
        if self.fails:
            self.fails -= 1
            error = ChannelError("it is broken")
            error.status = self.status
            raise error
        self.asked += ids
        return {id: Acquaintance(id, at, contact=f"c{id}") for id in ids}, {
            f"c{id}": [id] for id in ids
        }

    async def threads_with(self, contacts: Sequence[str]) -> list[ThreadEnd]:
        return [
            ThreadEnd(each, "link", "", "m", self.at, True)
            for each in contacts
            if each[1:] in self.talks
        ]

    at = 0.0
    ends = False
    lane: Lane | None = None


def _checked(setting: Setting, people: _People, told_before: float | None = None) -> Any:
    """Drive a lane that asks before each first message. `told_before`: seconds since the last
    answers, None for none."""

    def before(lane: Lane, clock: VirtualClock) -> None:
        people.at, people.lane = clock.now() - 60, lane
        check = AcquaintanceCheck(cast(PeopleV2, people), SkipRules(DAY), "twitter", {})
        lane.campaigns[setting.campaign] = replace(
            lane.campaigns[setting.campaign], acquaintances=check
        )
        if told_before is not None:
            ids = [str(each) for each in range(1, 4)]
            told = [Acquaintance(id, clock.now() - told_before) for id in ids]
            setting.ledger.write(acquaintances.keep, told, LANE, "twitter")

    setting.before = before
    return setting.drive()


def test_fresh_answers_are_believed(make: Callable[..., Setting]) -> None:
    setting, people = make([1, 2, 3]), _People(talks=["2"])
    _checked(setting, people, told_before=60.0)
    assert people.asked == []
    assert setting.counts() == {"sent": 3}


def test_old_ones_are_asked_for_again(make: Callable[..., Setting]) -> None:
    setting, people = make([1, 2, 3]), _People(talks=["2"])
    told = _checked(setting, people, told_before=FRESH + 60)
    assert sorted(people.asked) == ["1", "2", "3"]
    assert setting.counts() == {"sent": 2, "skipped": 1}
    [skipped] = told.named("skipped")
    assert (skipped.recipient, str(skipped.reason)) == ("2", "in_talks")
    assert sorted(setting.api.accepted) == ["1", "3"]


def test_answers_of_the_future_are_not_believed(make: Callable[..., Setting]) -> None:
    """The clock was set back."""
    setting, people = make([1, 2, 3]), _People(talks=["2"])
    _checked(setting, people, told_before=-2 * FRESH)
    assert sorted(people.asked) == ["1", "2", "3"]
    assert setting.counts() == {"sent": 2, "skipped": 1}


def test_an_answer_that_comes_late_brings_no_two_messages_together(
    make: Callable[..., Setting],
) -> None:
    setting, people = make([1, 2, 3]), _People()
    setting.senders = [sender(SENDER, gap=60.0)]
    people.takes = [50.0]
    _checked(setting, people)
    assert setting.counts() == {"sent": 3}
    assert setting.api.accepted == ["1", "2", "3"]
    times = [at for at, _ in setting.api.sends]
    assert min(b - a for a, b in pairwise(times)) >= 59.0


def test_no_message_goes_after_hours_since_the_answer_came_late(
    make: Callable[..., Setting],
) -> None:
    hours = Hours("UTC", make_week([(range(7), 540, 1050)]))  # until 17:30
    closes = datetime(2026, 3, 6, 17, 30, tzinfo=UTC).timestamp()
    setting, people = make([1, 2, 3], hours=hours, started=closes - 30), _People(talks=["2"])
    people.takes = [60.0, 60.0, 60.0]
    _checked(setting, people)
    assert setting.counts() == {"sent": 2, "skipped": 1}
    assert [is_open(hours, "", closes - 30 + at) for at, _ in setting.api.sends] == [True, True]


def test_ctrl_c_while_inbox_is_asked_is_no_error(make: Callable[..., Setting]) -> None:
    setting, people = make([1, 2, 3]), _People()
    people.ends = True
    told = _checked(setting, people)
    assert told.lane.stops.is_interrupted
    assert setting.counts() == {"queued": 3}
    assert told.lane.in_flight.count == 0


def test_questions_that_fail_together_are_one_failure(make: Callable[..., Setting]) -> None:
    ids = [*range(1, 9)]
    setting, people = make(ids, concurrency=8), _People(fails=8)
    _checked(setting, people)
    assert setting.counts() == {"sent": 8}


def test_a_short_trouble_is_waited_out(make: Callable[..., Setting]) -> None:
    setting, people = make([1, 2, 3], concurrency=1), _People(fails=2)
    _checked(setting, people)
    assert setting.counts() == {"sent": 3}


def test_where_inbox_cannot_be_asked_the_campaign_stops(make: Callable[..., Setting]) -> None:
    setting, people = make([1, 2, 3]), _People(fails=1000)
    told = _checked(setting, people)
    assert setting.counts() == {"queued": 3}
    [stopped] = told.named("braked")
    assert "Inbox cannot be asked who is in talks already" in stopped.why
