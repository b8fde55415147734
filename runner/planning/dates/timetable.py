"""The timetable of a campaign in words: on which days and hours it sends, by whose clock, and from
when until when, so that a person can judge a schedule by eye."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from runner.formats import number
from runner.pacing.forecast import Forecast
from runner.planning.preview import Preview
from runner.schedule import ALWAYS, DAYS, MIDNIGHT, Hours, Span, Week, holidays_between

HOLIDAYS_NAMED = 8
ZONES_NAMED = 4
ROUND_THE_CLOCK = "at any hour, at night and at weekends too"


def timetable(found: Preview, forecast: Forecast, now: float) -> Iterator[tuple[str, str]]:
    """Yield what a campaign's schedule comes to, each line with its label. `forecast`: of all the
    campaigns that are sent together."""
    hours, zone = found.hours, found.hours.zone if found.hours else ""
    if hours is None:
        yield "sends", f"{ROUND_THE_CLOCK} (schedule.windows in the campaign file sets hours)"
        return
    yield "first message", _time(now + forecast.first, zone)
    yield "sends", days_and_hours(hours.week)
    yield "clock", _clocks(found, zone)
    if hours.region:
        last = now + forecast.seconds if forecast.seconds < math.inf else now
        yield "not on", _holidays(hours, now + forecast.first, last)
    yield "last message", _time(now + forecast.seconds, zone)


def days_and_hours(week: Week) -> str:
    """Return `mon-fri 09:00-17:30, sat 10:00-12:00`."""
    if week == ALWAYS:
        return ROUND_THE_CLOCK
    told = []
    days = [(name, spans) for name, spans in zip(DAYS, week, strict=True) if spans]
    for spans, each in groupby(enumerate(days), key=lambda one: one[1][1]):
        names = [name for _, (name, _) in each]
        told += list(_runs(names, spans))
    return ", ".join(told)


def _runs(names: list[str], spans: tuple[Span, ...]) -> Iterator[str]:
    """Yield days in a row with the same hours, as `mon-fri 09:00-17:30`."""
    places = [DAYS.index(name) for name in names]
    times = " and ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in spans)
    for _, run in groupby(enumerate(places), key=lambda each: each[1] - each[0]):
        row = [DAYS[place] for _, place in run]
        yield f"{row[0]}-{row[-1]} {times}" if len(row) > 1 else f"{row[0]} {times}"


def _clock(minutes: int) -> str:
    return "24:00" if minutes == MIDNIGHT else f"{minutes // 60:02}:{minutes % 60:02}"


def _time(at: float, zone: str) -> str:
    if at == math.inf:
        return "never: the schedule does not open within two years"
    return f"about {datetime.fromtimestamp(at, ZoneInfo(zone)):%a %Y-%m-%d %H:%M} ({zone})"


def _clocks(found: Preview, zone: str) -> str:
    people: Counter[str] = Counter()
    for each in found.waiting:
        people[each.zone or zone] += each.count
    if set(people) <= {zone}:
        return f"of {zone}"
    named = [f"{name} ({number(count)})" for name, count in people.most_common(ZONES_NAMED)]
    rest = len(people) - ZONES_NAMED
    return (
        "each person's own: " + ", ".join(named) + (f" and {number(rest)} more" if rest > 0 else "")
    )


def _holidays(hours: Hours, first: float, last: float) -> str:
    if first == math.inf:
        return f"public holidays of {hours.region}"
    zone = ZoneInfo(hours.zone)
    begin, end = (datetime.fromtimestamp(at, zone).date() for at in (first, last))
    days = holidays_between(hours, begin, end)
    if not days:
        return f"public holidays of {hours.region}: none until then"
    named = [f"{_day(day)} {name}" for day, name in days[:HOLIDAYS_NAMED]]
    rest = len(days) - HOLIDAYS_NAMED
    more = f" and {number(rest)} more" if rest > 0 else ""
    return f"{', '.join(named)}{more} (public holidays of {hours.region})"


def _day(day: date) -> str:
    return f"{day:%a %Y-%m-%d}"
