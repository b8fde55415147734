"""A sender's day, its warm-up and its pauses, on any day of any zone's calendar."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.campaign.senders import Ramp, Sender
from runner.pacing.forecast import Share, forecast
from runner.pacing.pacer import make_pacer
from runner.pacing.windows import DAY, HOUR
from tests.pacing import limits, sender

ODD_DAYS = [
    ("Europe/London", "2026-03-28"),  # 23 hours on the 29th
    ("Europe/London", "2026-10-24"),  # 25 hours on the 25th
    ("America/New_York", "2026-10-31"),
    ("Australia/Lord_Howe", "2026-04-04"),  # half an hour
    ("America/Santiago", "2026-09-05"),  # the midnight before the 6th is skipped
    ("Asia/Kathmandu", "2026-05-01"),
    ("UTC", "2026-12-31"),
]


class Account:
    """One sender, its ledger, and a process that can start again. `time` is Unix."""

    def __init__(self, who: Sender, zone: str, day: str, seed: int = 1) -> None:
        self.who, self.zone = who, ZoneInfo(zone)
        self.time = datetime.combine(
            date.fromisoformat(day), datetime.min.time(), self.zone
        ).timestamp()
        self.sent: list[float] = []
        self.luck = random.Random(seed)
        self.start()

    def start(self) -> None:
        self.up = self.time - 100.0
        self.pacer = make_pacer([limits()], [self.who], zone=self.zone.key, jitter=self.luck.random)
        self.pacer.restore(
            [],
            [(self.who.id, at, at, at) for at in self.sent if at > self.time - 2 * DAY],
            now=self.time - self.up,
            wall=self.time,
            timeout=60.0,
            server=self.time,
            days=[(self.who.id, at) for at in self.sent],
        )

    def send_until(self, end: float, most: int = 10**9) -> None:
        """As fast as the pacer lets, each answered at once."""
        while most:
            boot = self.pacer.ready(self.who.id, self.time - self.up).at
            if boot + self.up >= end:
                break
            self.time = max(self.time, boot + self.up)
            assert self.pacer.ready(self.who.id, boot).at == boot
            self.pacer.finish(self.pacer.take(self.who.id, boot), boot)
            self.sent.append(self.time)
            most -= 1
        self.time = max(self.time, end)

    def days(self) -> list[int]:
        """Messages per day of the calendar, in order."""
        days = Counter(datetime.fromtimestamp(at, self.zone).date() for at in self.sent)
        return [days[day] for day in sorted(days)]

    def most_in(self, seconds: float) -> int:
        return max(
            (sum(at <= each < at + seconds for each in self.sent) for at in self.sent), default=0
        )


@pytest.mark.parametrize(("zone", "day"), ODD_DAYS)
def test_a_new_account_warms_up_day_by_day(zone: str, day: str) -> None:
    account = Account(sender(per_day=45, ramp=Ramp(start=20, step=10), gap=60.0), zone, day)
    account.send_until(account.time + 5.2 * DAY)
    assert account.days()[:5] == [20, 30, 40, 45, 45]
    assert account.most_in(DAY) == 45


def test_only_days_on_which_it_has_sent_count() -> None:
    account = Account(sender(per_day=100, ramp=Ramp(start=2, step=3)), "UTC", "2026-05-01")
    began = account.time
    account.send_until(began + 9 * HOUR, most=1)
    account.time = began + 20 * DAY
    account.send_until(began + 21 * DAY)
    account.start()
    account.send_until(began + 22 * DAY)
    assert account.days() == [1, 5, 8]


def test_a_restart_goes_on_with_the_day_it_was_in() -> None:
    account = Account(sender(per_day=100, ramp=Ramp(start=7, step=1)), "UTC", "2026-05-01")
    began = account.time
    for hour in range(1, 48):
        account.send_until(began + hour * HOUR, most=3)
        account.start()
    assert account.days() == [7, 8]


def test_midnight_brings_no_second_day_at_once() -> None:
    account = Account(sender(per_day=10), "Europe/London", "2026-05-01")
    account.time += 23.9 * HOUR
    account.send_until(account.time + 3 * DAY)
    assert account.most_in(DAY) == 10


def test_what_binds_is_named() -> None:
    account = Account(sender(per_day=3, ramp=Ramp(start=1, step=1)), "UTC", "2026-05-01")
    account.send_until(account.time + HOUR)
    assert account.pacer.ready("a1", 3700.0).binds == "warm-up of a1 (1 on its day 1)"
    assert account.pacer.ready("a1", 3700.0).at == DAY + 100.0
    account.send_until(account.time + 4 * DAY)
    boot = account.time - account.up
    assert account.pacer.ready("a1", boot).binds == "3 a day of a1"


def test_a_warm_up_without_a_daily_limit_goes_on() -> None:
    account = Account(sender(ramp=Ramp(start=1, step=2)), "UTC", "2026-05-01")
    account.send_until(account.time + 6 * DAY - 1)
    assert account.days() == [1, 3, 5, 7, 9, 11]


def test_a_message_over_midnight_counts_for_both_days() -> None:
    pacer = make_pacer([limits()], [sender(per_day=1, ramp=Ramp(start=1, step=1))])
    permit = pacer.take("a1", DAY - 1.0)
    pacer.finish(permit, DAY + 1.0)
    assert pacer.ready("a1", DAY + 2.0).at == 2 * DAY + 1.0


def test_what_was_not_sent_gives_its_day_back() -> None:
    pacer = make_pacer([limits()], [sender(per_day=1)])
    pacer.finish(pacer.take("a1", 0.0), 1.0, sent=False)
    pacer.cancel(pacer.take("a1", 2.0))
    assert pacer.ready("a1", 3.0).at == 3.0


def test_of_several_campaigns_the_strictest_day_holds() -> None:
    same = [sender(per_day=9), sender(per_day=50, ramp=Ramp(start=4, step=4)), sender()]
    pacer = make_pacer([limits()], same)
    sent = 0
    while pacer.ready("a1", 10.0).at == 10.0:
        pacer.finish(pacer.take("a1", 10.0), 10.0)
        sent += 1
    assert sent == 4


plays = st.lists(
    st.tuples(
        st.sampled_from(["send", "rest", "restart"]),
        st.floats(0.1, 30.0).map(lambda hours: round(hours, 2)),
    ),
    max_size=14,
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(ODD_DAYS), st.integers(1, 6), st.integers(1, 3), plays)
def test_no_day_ever_sees_more_than_its_warm_up_allows(
    when: tuple[str, str], start: int, step: int, played: list[tuple[str, float]]
) -> None:
    account = Account(sender(per_day=8, ramp=Ramp(start=start, step=step)), *when)
    for what, hours in played:
        match what:
            case "send":
                account.send_until(account.time + hours * HOUR)
            case "rest":
                account.time += hours * HOUR
            case "restart":
                account.start()
    assert all(
        count <= min(8, start + step * number) for number, count in enumerate(account.days())
    )
    assert account.most_in(DAY) <= 8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100), st.integers(0, 200), st.integers(0, 9), st.sets(st.integers(0, 19)))
def test_pauses_are_in_their_range_over_restarts_too(
    shortest: int, more: int, seed: int, restarts: set[int]
) -> None:
    gap = (float(shortest), float(shortest + more))
    account = Account(sender(gap=gap), "UTC", "2026-05-01", seed)
    for number in range(20):
        account.send_until(10.0**11, most=1)
        account.time = account.sent[-1]
        if number in restarts:
            account.start()
    pauses = [later - earlier for earlier, later in pairwise(account.sent)]
    assert all(gap[0] - 1e-3 <= pause <= gap[1] + 1e-3 for pause in pauses)
    for number in restarts - {19}:
        assert pauses[number] == pytest.approx(gap[1], abs=1e-3)  # which was drawn is not known
    if more > 10 and len(restarts) < 10:
        assert len({round(pause, 3) for pause in pauses}) > 5


def test_a_forecast_takes_the_mean_pause_and_knows_the_warm_up() -> None:
    told = forecast(make_pacer([limits()], [sender(gap=(45.0, 120.0))]), [Share("a1", 11)], 0.0)
    assert told.seconds == pytest.approx(825.0)
    pacer = make_pacer([limits()], [sender(per_day=40, ramp=Ramp(start=20, step=10))])
    told = forecast(pacer, [Share("a1", 20 + 30 + 40 + 1)], 0.0)
    assert told.seconds == pytest.approx(3 * DAY)
    assert told.binds.startswith("warm-up of a1")


def test_of_several_campaigns_the_longest_pauses_hold() -> None:
    mine = make_pacer([limits()], [sender(gap=(10.0, 20.0)), sender(gap=(5.0, 40.0))])
    mine.take("a1", 0.0)
    assert mine.ready("a1", 0.0).at == 25.0
    assert mine.ready("a1", 0.0).binds == "pause of 10 to 40 s of a1"


def test_a_pause_counts_from_the_answer_to_the_message_before() -> None:
    mine = make_pacer([limits()], [sender(gap=45.0)])
    permit = mine.take("a1", 0.0)
    assert mine.ready("a1", 44.0).at == 45.0  # no earlier, whatever comes
    assert mine.ready("a1", 45.0).at == math.inf
    assert mine.ready("a1", 45.0).binds == "pause of 45 s of a1"
    mine.finish(permit, 50.0)
    assert mine.ready("a1", 50.0).at == 95.0
    refused = mine.take("a1", 95.0)
    mine.finish(refused, 145.0, sent=False)
    assert mine.ready("a1", 145.0).at == 145.0


def test_without_a_pause_nothing_waits_for_an_answer() -> None:
    mine = make_pacer([limits()], [sender(gap=0.0)])
    mine.take("a1", 0.0)
    assert mine.ready("a1", 0.0).at == 0.0


@pytest.mark.parametrize(("ended", "at"), [(1030.0, 1030.0), (None, 1040.0), (999.0, 1040.0)])
def test_after_a_restart_a_senders_past_counts_from_the_answers(
    ended: float | None, at: float
) -> None:
    who = sender(per_hour=1, gap=(10.0, 60.0))
    for changes, pause in (({}, HOUR), ({"per_hour": None}, 60.0)):
        mine = make_pacer([limits()], [who.model_copy(update=changes)])
        past = [("a1", 1000.0, ended, 1000.0)]
        mine.restore([], past, now=500.0, wall=1050.0, timeout=40.0, server=1050.0)
        # Its own 1000 is 450 by boot time; one second is lost to whole seconds.
        assert mine.ready("a1", 500.0).at == pytest.approx(at - 550.0 + pause)


@pytest.mark.parametrize(
    ("left", "at"),
    [(25.0, 525.0), (9.5, 510.0), (7.9, 560.0), (-90.0, 560.0), (300.0, 560.0)],
    ids=["drawn", "a clock apart", "sent since", "long over", "longer than any"],
)
def test_a_pause_that_was_drawn_before_goes_on(left: float, at: float) -> None:
    """Its last message was answered now: it may go after 10 to 60 s."""
    mine = make_pacer([limits()], [sender(per_hour=None, gap=(10.0, 60.0))])
    mine.restore(
        [], [("a1", 1049.0, 1050.0, 1049.0)], now=500.0, wall=1050.0, timeout=40.0, server=1050.0
    )
    latest = mine.ready("a1", 500.0).at
    mine.restore_gap("a1", left + latest - 560.0, now=500.0)
    assert mine.ready("a1", 500.0).at == pytest.approx(at + latest - 560.0)


def test_only_pauses_from_a_range_are_left_to_the_next_run() -> None:
    mine = make_pacer([limits()], [sender("a1", gap=(10.0, 60.0)), sender("a2", gap=30.0)])
    assert mine.gaps_left(0.0) == {}
    for who in ("a1", "a2"):
        mine.finish(mine.take(who, 0.0), 5.0)
    assert mine.gaps_left(10.0) == {"a1": 30.0}
    assert mine.gaps_left(100.0) == {}


def test_a_dead_process_sends_nothing_more() -> None:
    mine = make_pacer([limits()], [sender(gap=60.0)])
    past = [("a1", 1000.0, None, 1000.0)]
    mine.restore([], past, now=500.0, wall=1002.0, timeout=40.0, server=1002.0)
    assert mine.ready("a1", 500.0).at == 560.0


def test_after_a_restart_a_message_over_midnight_still_counts_for_both_days() -> None:
    mine = make_pacer([limits()], [sender(per_day=1, ramp=Ramp(start=1, step=1))])
    began, now = 10 * DAY - 1.0, 10 * DAY + 2.0
    past = [("a1", began, 10 * DAY + 1.0, began)]
    mine.restore([], past, now=now, wall=now, timeout=60.0, server=now)
    assert mine.ready("a1", now).at == 11 * DAY + 1.0


def test_a_day_with_nothing_proven_is_no_day_of_the_warm_up() -> None:
    mine = make_pacer([limits()], [sender(ramp=Ramp(start=1, step=5))])
    mine.finish(mine.take("a1", 0.0), 60.0, accepted=False)
    assert mine.ready("a1", 61.0).at == DAY + 60.0
    mine.finish(mine.take("a1", DAY + 60.0), DAY + 61.0)
    assert mine.ready("a1", DAY + 62.0).binds == "warm-up of a1 (1 on its day 1)"
