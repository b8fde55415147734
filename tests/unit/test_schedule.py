"""Schedules against the clock on the wall: the definition itself, over many zones and years."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.schedule import (
    ALWAYS,
    Hours,
    is_open,
    is_region,
    local_time,
    make_week,
    next_close,
    next_open,
    parse_days,
    parse_time,
)

WORK = Hours("Europe/London", make_week([(range(5), 540, 1050)]))
NIGHT = Hours("Europe/Berlin", make_week([(range(7), 90, 180)]))

ZONES = (
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Asuncion",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "America/Scoresbysund",
    "Asia/Tehran",
    "UTC",
)


def at(zone: str, *parts: int, fold: int = 0) -> float:
    year, month, day, hour, minute = (*parts, 0, 0)[:5]
    there = datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold)
    return there.timestamp()


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("mon,wed", {0, 2}),
        ("sat", {5}),
        ("fri-mon", {4, 5, 6, 0}),
        ("Sun-Sun", {6}),
        ("mon-tue, sat", {0, 1, 5}),
    ],
)
def test_days(text: str, days: set[int]) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize("text", ["", "monday", "mon-", "-fri", "mon,,wed", "mon-fri-sat", "1"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match="not a day"):
        parse_days(text)


def test_times() -> None:
    assert [parse_time(each) for each in ("09:00", "9:05", "00:00", "24:00")] == [540, 545, 0, 1440]
    for text in ("24:01", "9", "09:60", "25:00", "9:5", "09:00:00", ""):
        with pytest.raises(ValueError, match="not a time"):
            parse_time(text)


def test_windows_that_overlap_or_touch_are_one() -> None:
    week = make_week([({0}, 600, 700), ({0, 1}, 540, 610), ({0}, 700, 720), ({0}, 800, 900)])
    assert week == (((540, 720), (800, 900)), ((540, 610),), (), (), (), (), ())


def test_a_working_week() -> None:
    friday = at("Europe/London", 2026, 3, 6, 17, 29)
    assert is_open(WORK, "", friday)
    assert next_open(WORK, "", friday) == friday
    assert next_close(WORK, "", friday) == friday + 60
    assert not is_open(WORK, "", friday + 60)
    assert next_open(WORK, "", friday + 60) == at("Europe/London", 2026, 3, 9, 9, 0)


def test_the_prospects_own_zone_wins() -> None:
    noon = at("Europe/London", 2026, 3, 4, 12, 0)
    assert is_open(WORK, "", noon)
    assert not is_open(WORK, "America/Los_Angeles", noon)
    assert next_open(WORK, "America/Los_Angeles", noon) == at("America/Los_Angeles", 2026, 3, 4, 9)


def test_a_gap_takes_its_part_of_the_window() -> None:
    opens = at("Europe/Berlin", 2026, 3, 29, 1, 30)
    assert next_close(NIGHT, "", opens) == opens + 1800  # 02:00 is 03:00
    inside = Hours("Europe/Berlin", make_week([(range(7), 135, 165)]))
    assert next_open(inside, "", opens) == at("Europe/Berlin", 2026, 3, 30, 2, 15)


def test_a_fold_adds_to_the_window() -> None:
    opens = at("Europe/Berlin", 2026, 10, 25, 1, 30)
    assert next_close(NIGHT, "", opens) == opens + 2.5 * 3600
    twice = Hours("Europe/Berlin", make_week([(range(7), 90, 150)]))
    closes = next_close(twice, "", opens)
    assert (closes, next_open(twice, "", closes)) == (opens + 3600, opens + 5400)


def test_a_window_through_midnight_is_one() -> None:
    hours = Hours("UTC", make_week([({4}, 1200, 1440), ({5}, 0, 120)]))
    assert next_close(hours, "", at("UTC", 2026, 3, 6, 21)) == at("UTC", 2026, 3, 7, 2)


def test_holidays_are_left_out_by_the_local_date() -> None:
    hours = Hours("America/New_York", make_week([(range(5), 540, 1050)]), "US")
    thanksgiving = at("America/New_York", 2026, 11, 26, 10)
    assert not is_open(hours, "", thanksgiving)
    assert next_open(hours, "", thanksgiving) == at("America/New_York", 2026, 11, 27, 9)
    assert is_open(Hours("America/New_York", hours.week), "", thanksgiving)
    epiphany = at("Europe/Berlin", 2026, 1, 6, 10)
    assert is_open(Hours("Europe/Berlin", ALWAYS, "DE"), "", epiphany)
    assert not is_open(Hours("Europe/Berlin", ALWAYS, "DE-BY"), "", epiphany)
    late = at("Asia/Tokyo", 2026, 1, 2, 1)  # New Year's Day is over there, not in New York
    assert is_open(Hours("America/New_York", ALWAYS, "US"), "Asia/Tokyo", late)
    assert not is_open(Hours("America/New_York", ALWAYS, "US"), "", late)


def test_regions() -> None:
    assert all(is_region(region) for region in ("US", "DE", "DE-BY", "GB-SCT"))
    assert not any(is_region(region) for region in ("us", "XX", "DE-XX", "DE-", "", "Germany"))


def test_nothing_before_the_start() -> None:
    start = local_time(datetime(2026, 3, 2, 12, 0), "Europe/London")  # noqa: DTZ001
    hours = Hours("Europe/London", WORK.week, begins=start)
    assert next_open(hours, "", at("Europe/London", 2026, 3, 2, 9)) == start
    assert not is_open(hours, "", start - 1)
    assert is_open(hours, "", start)
    always = Hours("Europe/London", begins=start)
    assert next_close(always, "", start) == math.inf


def test_what_never_opens() -> None:
    far = Hours("UTC", begins=at("UTC", 2030, 1, 1))
    assert next_open(far, "", at("UTC", 2026, 1, 1)) == math.inf
    assert next_open(Hours("UTC", ((),) * 7), "", 0.0) == math.inf


def test_a_start_in_a_gap_or_a_fold() -> None:
    gap = local_time(datetime(2026, 3, 29, 2, 30), "Europe/Berlin")  # noqa: DTZ001
    assert gap == at("Europe/Berlin", 2026, 3, 29, 3, 30)
    fold = local_time(datetime(2026, 10, 25, 2, 30), "Europe/Berlin")  # noqa: DTZ001
    assert fold == at("Europe/Berlin", 2026, 10, 25, 2, 30, fold=0)


minutes = st.integers(0, 1439)
windows = st.lists(
    st.tuples(st.frozensets(st.integers(0, 6), min_size=1), minutes, minutes).map(
        lambda each: (each[0], min(each[1:]), max(each[1:]) + 1)
    ),
    min_size=1,
    max_size=4,
)
moments = st.integers(
    int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()),
    int(datetime(2035, 12, 31, tzinfo=UTC).timestamp()),
)


def says(wanted: list[tuple[frozenset[int], int, int]], zone: str, moment: float) -> bool:
    """The definition: the clock and the calendar on the wall there."""
    there = datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(zone))
    clock = there.hour * 3600 + there.minute * 60 + there.second
    return any(
        there.weekday() in days and begin * 60 <= clock < end * 60 for days, begin, end in wanted
    )


def near_a_change(zone: str, moment: int) -> int:
    """A moment within a day of when the clock there is next set, where it ever is."""
    there = ZoneInfo(zone)
    for day in range(370):
        here, then = (
            datetime.fromtimestamp(moment + (day + more) * 86400, there) for more in (0, 1)
        )
        if here.utcoffset() != then.utcoffset():
            return moment + day * 86400 + moment % 86400
    return moment


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(windows, st.sampled_from(ZONES), moments, st.booleans())
def test_open_and_closed_are_what_the_clock_on_the_wall_says(
    wanted: list[tuple[frozenset[int], int, int]], zone: str, moment: int, changing: bool
) -> None:
    hours = Hours("UTC", make_week(wanted))
    moment = near_a_change(zone, moment) if changing else moment
    assert is_open(hours, zone, moment) == says(wanted, zone, moment)
    opens = next_open(hours, zone, moment)
    assert opens >= moment
    if opens < math.inf:
        assert is_open(hours, zone, opens)
        assert opens == moment or not is_open(hours, zone, opens - 1)
        # Nothing between was open, and nothing later opens earlier.
        for part in range(1, 20):
            between = moment + (opens - moment) * part // 20
            assert between == opens or not is_open(hours, zone, between)
            assert next_open(hours, zone, between) == opens
        closes = next_close(hours, zone, opens)
        assert closes > opens
        if closes < math.inf:
            assert not is_open(hours, zone, closes)
            assert is_open(hours, zone, closes - 1)
            for part in range(20):
                assert is_open(hours, zone, opens + (closes - 1 - opens) * part // 20)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), moments)
def test_holidays_are_closed_from_midnight_to_midnight_there(zone: str, moment: int) -> None:
    hours, there = Hours("UTC", ALWAYS, "US"), ZoneInfo(zone)
    days = holidays.country_holidays("US")
    assert is_open(hours, zone, moment) == (
        datetime.fromtimestamp(moment, there).date() not in days
    )
    closes = next_close(hours, zone, next_open(hours, zone, moment))
    assert datetime.fromtimestamp(closes, there).date() in days
    opens = next_open(hours, zone, closes)
    assert datetime.fromtimestamp(opens - 1, there).date() in days
    assert datetime.fromtimestamp(opens, there).date() not in days


@settings(max_examples=40, deadline=None)
@given(windows, st.sampled_from(ZONES), moments, st.data())
def test_no_minute_near_a_change_of_the_clock_is_open_too_early_or_too_late(
    wanted: list[tuple[frozenset[int], int, int]], zone: str, moment: int, data: st.DataObject
) -> None:
    """Against every minute of three days, with nothing left out between two looks."""
    hours = Hours("UTC", make_week(wanted))
    first = near_a_change(zone, moment) // 60 * 60 - 86400
    says_open = [says(wanted, zone, first + 60 * n) for n in range(3 * 1440)]
    for n in data.draw(st.lists(st.integers(0, 2 * 1440), min_size=5, max_size=5)):
        now = first + 60 * n + 30
        for turn, open_ in ((next_open, True), (next_close, False)):
            later = next((m for m in range(n, 3 * 1440) if says_open[m] is open_), None)
            found = turn(hours, zone, now)
            if later is None:
                assert found >= first + 3 * 86400
            else:
                assert found == (now if later == n else first + 60 * later)
