"""A lane that keeps hours, in virtual time: over a weekend, over both changes of the clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runner.events import Waiting
from runner.message.outcome import Deferred, InDoubt
from runner.message.status import MessageStatus
from runner.pacing.forecast import BY_SCHEDULE, Share, forecast
from runner.pacing.pacer import make_pacer
from runner.schedule import Hours, is_open, make_week
from runner.sending import dispatcher, wakeups
from runner.sending.lane import Lane
from tests.lane import Setting, Told, for_person
from tests.pacing import limits, sender
from tests.support import SENDER
from tests.virtual import ScriptedApi, VirtualClock

S = MessageStatus
LONDON, NEW_YORK, TOKYO = "Europe/London", "America/New_York", "Asia/Tokyo"
WORK = make_week([(range(5), 540, 1050)])
HOUR = 3600.0


def at(zone: str, year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float:
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone)).timestamp()


FRIDAY = at(LONDON, 2026, 3, 6, 16)
MONDAY = at(LONDON, 2026, 3, 9, 9)


@pytest.fixture(autouse=True)
def _looking_at_the_clock_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nights and weekends pass faster."""
    monkeypatch.setattr(wakeups, "CLOCK_RECHECK", 7200.0)
    monkeypatch.setattr(dispatcher, "QUEUE_RECHECK", 7200.0)


def sent_at(setting: Setting) -> list[float]:
    """When each message arrived, by the wall."""
    assert setting.started is not None
    return [setting.started + when for when, _ in setting.api.sends]


def waits(told: Told) -> list[Waiting]:
    return [event for event in told.events if isinstance(event, Waiting)]


def test_a_weekend_is_waited_for_and_told(make: Callable[..., Setting]) -> None:
    setting = make(
        range(1, 41),
        hours=Hours(LONDON, WORK),
        started=FRIDAY,
        senders=[sender(SENDER, gap=180.0)],
    )
    told = setting.drive()
    times = sent_at(setting)
    assert setting.counts() == {"sent": 40}
    assert len(setting.api.accepted) == 40
    assert all(is_open(Hours(LONDON, WORK), "", when) for when in times)
    assert sum(when < FRIDAY + 1.5 * HOUR for when in times) == 30
    assert times[30] == pytest.approx(MONDAY, abs=1.0)
    [wait] = [event for event in waits(told) if "schedule" in event.why]
    assert wait.why == f"outside the schedule; opens at 2026-03-09 09:00 {LONDON}"
    assert wait.until == pytest.approx(MONDAY, abs=1.0)


def test_waiting_for_a_window_leaves_the_ledger_alone(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "CLOCK_RECHECK", 60.0)
    monkeypatch.setattr(dispatcher, "QUEUE_RECHECK", 600.0)
    setting = make(range(1, 4), hours=Hours(LONDON, WORK), started=at(LONDON, 2026, 3, 8, 19))
    reads: list[str] = []
    read, write = setting.ledger.read, setting.ledger.write

    def counting(what: Any, *rest: Any, **more: Any) -> Any:
        reads.append(what.__name__)
        return read(what, *rest, **more)

    writes: list[str] = []

    def writing(what: Any, *rest: Any) -> Any:
        writes.append(what.__name__)
        return write(what, *rest)

    monkeypatch.setattr(
        type(setting.ledger), "read", lambda _self, *rest, **more: counting(*rest, **more)
    )
    monkeypatch.setattr(type(setting.ledger), "write", lambda _self, *rest: writing(*rest))
    setting.drive()
    assert setting.counts() == {"sent": 3}
    hours = 14
    assert reads.count("due") <= 3  # none while it is closed
    assert reads.count("waiting") <= hours * 6 + 10
    assert writes.count("claim") == 3
    assert len(writes) < 15


@pytest.mark.parametrize(
    ("change", "lasts"),
    [((2026, 3, 29), 0.5), ((2026, 10, 25), 2.5)],  # 02:00 is 03:00, 03:00 is 02:00
)
def test_the_clock_changes_within_a_window(
    make: Callable[..., Setting], change: tuple[int, int, int], lasts: float
) -> None:
    berlin = "Europe/Berlin"
    hours = Hours(berlin, make_week([(range(7), 90, 180)]))
    setting = make(
        range(1, 31),
        hours=hours,
        started=at(berlin, *change),
        senders=[sender(SENDER, gap=600.0)],
    )
    setting.drive()
    times = sent_at(setting)
    assert len(times) == 30
    assert all(is_open(hours, "", when) for when in times)
    that_night = [when for when in times if when < at(berlin, *change, 12)]
    assert that_night[0] == pytest.approx(at(berlin, *change, 1, 30), abs=1.0)
    assert len(that_night) == int(lasts * 6)
    opens = [later for at, later in itertools.pairwise(times) if later - at > HOUR]
    assert opens
    for when in opens:
        there = datetime.fromtimestamp(when, ZoneInfo(berlin))
        assert (there.hour, there.minute) == (1, 30)


def test_each_zone_is_sent_to_in_its_own_hours(make: Callable[..., Setting]) -> None:
    zones = {id: (NEW_YORK, TOKYO, "")[id % 3] for id in range(1, 61)}
    setting = make(
        range(1, 61),
        zones=zones,
        hours=Hours(LONDON, WORK),
        started=at(LONDON, 2026, 3, 4, 8),
        senders=[sender(SENDER, gap=600.0)],
    )
    setting.drive()
    assert setting.counts() == {"sent": 60}
    for when, (_, person) in zip(sent_at(setting), setting.api.sends, strict=True):
        assert is_open(Hours(LONDON, WORK), zones[int(person)], when), person
    first = [int(person) for _, person in setting.api.sends[:2]]
    assert [zones[id] for id in first] == [TOKYO, TOKYO]  # 08:00 in London is 17:00 there


def test_what_was_read_ahead_is_looked_at_again_when_a_permit_comes(
    make: Callable[..., Setting],
) -> None:
    setting = make(
        range(1, 11),
        hours=Hours(LONDON, WORK),
        started=at(LONDON, 2026, 3, 5, 17),
        limits=limits(per_hour=3),
    )
    setting.drive()
    times = sent_at(setting)
    assert sum(when < at(LONDON, 2026, 3, 5, 17, 30) for when in times) == 3
    assert times[3] == pytest.approx(at(LONDON, 2026, 3, 6, 9), abs=1.0)


def test_what_is_under_way_at_closing_time_ends(make: Callable[..., Setting]) -> None:
    closes = at(LONDON, 2026, 3, 5, 17, 30)
    setting = make(
        range(1, 9),
        hours=Hours(LONDON, WORK),
        started=closes - 1.0,
        api=ScriptedApi(latency=5.0),
    )
    told = setting.drive(idle_after=600.0)
    assert len(setting.api.sends) == 4
    assert setting.counts() == {"sent": 4, "queued": 4}
    assert told.took < 600.0


def test_until_idle_ends_before_a_window_that_is_far(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 4), hours=Hours(LONDON, WORK), started=at(LONDON, 2026, 3, 7))
    told = setting.drive(idle_after=600.0)
    assert (told.took, setting.counts()) == (0.0, {"queued": 3})
    assert told.lane.stops.is_draining
    near = at(LONDON, 2026, 3, 9, 8, 55)
    setting.started = near
    setting.drive(idle_after=600.0)
    assert setting.counts() == {"sent": 3}
    assert sent_at(setting)[0] == pytest.approx(near + 300.0, abs=1.0)


def test_a_schedule_that_never_opens_stops_with_a_word(make: Callable[..., Setting]) -> None:
    setting = make(range(1, 4), hours=Hours(LONDON, begins=at(LONDON, 2040, 1, 1)), started=FRIDAY)
    told = setting.drive()
    assert "does not open within two years" in told.lane.stops.lane
    assert setting.counts() == {"queued": 3}


def test_nothing_goes_before_the_start(make: Callable[..., Setting]) -> None:
    start = at(LONDON, 2026, 3, 5, 20)
    setting = make(range(1, 4), hours=Hours(LONDON, begins=start), started=start - 5 * HOUR)
    setting.drive()
    assert sent_at(setting)[0] == pytest.approx(start, abs=1.0)
    assert min(sent_at(setting)) >= start


@pytest.mark.parametrize(("asleep", "sent"), [(5.0, 3), (10.0, 0)])
def test_a_start_that_the_machine_slept_over_is_not_made_up_for_unasked(
    make: Callable[..., Setting], asleep: float, sent: int
) -> None:
    start = at(LONDON, 2026, 3, 5, 20)

    def before(lane: Lane, clock: VirtualClock) -> None:
        def sleep() -> None:
            clock.frozen += asleep * HOUR

        clock.loop.call_later(HOUR, sleep)

    setting = make(
        range(1, 4), hours=Hours(LONDON, begins=start), started=start - 5 * HOUR, before=before
    )
    told = setting.drive()
    assert len(setting.api.accepted) == sent
    assert ("start was missed" in told.lane.stops.lane) == (not sent)


@pytest.mark.parametrize("forward", [True, False])
def test_a_wall_clock_set_by_hand_is_believed_where_it_is_closed(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch, forward: bool
) -> None:
    """Set back into the night while it waits, or forward over the opening."""
    skew = 12 * HOUR if forward else -4 * HOUR
    opens = at(LONDON, 2026, 3, 5, 9)

    def before(lane: Lane, clock: VirtualClock) -> None:
        def set_by_hand() -> None:
            clock.skew = skew

        clock.loop.call_later(600.0, set_by_hand)

    setting = make(range(1, 4), hours=Hours(LONDON, WORK), started=opens - 11 * HOUR, before=before)
    monkeypatch.setattr(wakeups, "CLOCK_RECHECK", 60.0)
    setting.drive()
    shown = sent_at(setting)[0] + skew
    assert is_open(Hours(LONDON, WORK), "", shown)
    expected = opens - 11 * HOUR + 600.0 if forward else opens + 4 * HOUR
    assert sent_at(setting)[0] == pytest.approx(expected, abs=61.0)


# Messages in doubt ------------------------------------------------------------------------------


def lost(person: str) -> Any:
    return for_person(person, InDoubt("reset"))


def test_a_repeat_waits_for_the_window(make: Callable[..., Setting]) -> None:
    """The lost one may never have arrived: its repeat could be the first that the person gets."""
    closes = at(LONDON, 2026, 3, 5, 17, 30)
    short = make_week([(range(5), 17 * 60 + 45, 18 * 60), (range(5), 540, 1050)])
    hours = Hours(LONDON, short)
    setting = make(
        [1], hours=hours, started=closes - 0.1, api=ScriptedApi(latency=1.0, script=lost("1"))
    )
    told = setting.drive()
    first, again = sent_at(setting)
    assert first < closes
    assert again == pytest.approx(closes + 900.0, abs=1.0)  # at once, within its key's life
    assert setting.counts() == {"sent": 1}
    assert any("1 in doubt" in event.why for event in waits(told))


@pytest.mark.parametrize("absent", ["hold", "resend"])
def test_a_key_that_ages_over_night_is_looked_up(make: Callable[..., Setting], absent: str) -> None:
    closes = at(LONDON, 2026, 3, 5, 17, 30)
    setting = make(
        [1],
        hours=Hours(LONDON, WORK),
        started=closes - 0.1,
        absent=absent,
        api=ScriptedApi(latency=1.0, script=lost("1")),
    )
    setting.drive()
    times = sent_at(setting)
    if absent == "hold":
        assert (len(times), setting.counts()) == (1, {"in_doubt": 1})
    else:
        assert times[1:] == [pytest.approx(at(LONDON, 2026, 3, 6, 9), abs=1.0)]
        assert setting.counts() == {"sent": 1}


def test_a_doubt_that_waits_for_the_window_keeps_no_idle_run_alive(
    make: Callable[..., Setting],
) -> None:
    closes = at(LONDON, 2026, 3, 5, 17, 30)
    setting = make(
        [1, 2],
        hours=Hours(LONDON, WORK),
        started=closes - 0.1,
        api=ScriptedApi(latency=1.0, script=lost("1")),
    )
    told = setting.drive(idle_after=600.0)
    assert setting.counts() == {"in_doubt": 1, "sent": 1}
    assert told.took < 600.0


def test_a_look_up_needs_no_window(make: Callable[..., Setting]) -> None:
    closes = at(LONDON, 2026, 3, 5, 17, 30)
    api = ScriptedApi(
        idempotent=False,
        latency=1.0,
        script=for_person("1", InDoubt("reset"), accept=True),
    )
    setting = make([1], hours=Hours(LONDON, WORK), started=closes - 0.1, api=api)
    told = setting.drive()
    assert setting.counts() == {"sent": 1}
    assert told.took < 300.0


def test_a_deferred_message_waits_for_the_window_too(make: Callable[..., Setting]) -> None:
    closes = at(LONDON, 2026, 3, 5, 17, 30)
    setting = make(
        [1],
        hours=Hours(LONDON, WORK),
        started=closes - 0.1,
        api=ScriptedApi(latency=1.0, script=for_person("1", Deferred("busy"))),
    )
    setting.drive()
    assert sent_at(setting)[1] == pytest.approx(at(LONDON, 2026, 3, 6, 9), abs=1.0)


# Forecast ---------------------------------------------------------------------------------------


def test_a_forecast_of_what_never_opens() -> None:
    never = Hours(LONDON, begins=FRIDAY + 3 * 366 * 86400)
    shares = [Share("a1", 5, never), Share("b2", 5)]
    told = forecast(make_pacer([limits()], [sender(), sender("b2")]), shares, 5.0, FRIDAY)
    assert (told.seconds, told.by_sender, told.binds) == (
        math.inf,
        {"a1": math.inf, "b2": 0.0},
        BY_SCHEDULE,
    )
    assert told.finish_at(FRIDAY) is None
