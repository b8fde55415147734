"""Whom Inbox knows: the rules, and the question before a first message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from runner.channels.inbox_v2_people import PeopleV2, ThreadEnd
from runner.errors import ChannelError
from runner.ledger.messages import acquaintances
from runner.message.acquaintance import FRESH, Acquaintance, SkipRules, Talk, bar_of, one_name
from runner.sending.inbox.acquaintance_check import AcquaintanceCheck
from runner.sending.lane import Lane
from tests.lane import Setting
from tests.support import LANE
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

    async def by_id(self, ids: Sequence[str], at: float) -> Any:
        if self.fails:
            self.fails -= 1
            error = ChannelError("it is broken")
            error.status = self.status
            raise error
        self.asked += ids
        return {id: Acquaintance(id, at, contact=f"c{id}") for id in ids}, {
            f"c{id}": id for id in ids
        }

    async def threads_with(self, contacts: Sequence[str]) -> list[ThreadEnd]:
        return [
            ThreadEnd(f"t{each}", each, "link", "", self.at, True)
            for each in contacts
            if each[1:] in self.talks
        ]

    at = 0.0


def _checked(setting: Setting, people: _People, told_before: float | None = None) -> Any:
    """Drive a lane that asks before each first message. `told_before`: seconds since the last
    answers, None for none."""

    def before(lane: Lane, clock: VirtualClock) -> None:
        people.at = clock.now() - 60
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
