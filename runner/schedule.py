"""Schedules: windows of the week in local time, no holidays, from a start on.

Pure: Unix seconds in and out. A zone of "" is the schedule's own; any other is an IANA name.
Daylight saving needs no rule of its own: open is what the clock on the wall there says, however
often it says it. What does not open within `HORIZON` never does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T", int, float)

DAY = 86400
HORIZON = 2 * 366 * DAY
"""Seconds ahead beyond which nothing is looked for."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
"""The end of a day, in minutes after its beginning."""

_FURTHEST = 16 * 3600
"""Seconds by which no zone's clock differs more from UTC."""
_STEP = 8 * 3600
"""Seconds in which no zone changes its clock twice."""

Span = tuple[int, int]
"""From and to within a day, in minutes after midnight; `to` is outside."""
Week = tuple[tuple[Span, ...], ...]
"""The spans of Monday to Sunday, in order and apart from each other."""

ALWAYS: Week = (((0, MIDNIGHT),),) * 7


@dataclass(frozen=True, slots=True)
class Hours:
    """A campaign's schedule. `region`: whose public holidays are left out, such as `US` or `DE-BY`;
    `begins`: the start (Unix seconds)."""

    zone: str
    week: Week = ALWAYS
    region: str = ""
    begins: float = -math.inf


def parse_days(text: str) -> frozenset[int]:
    """Parse `mon-fri`, `mon,wed`, `sat` or `fri-mon` into days, Monday 0. Raises ValueError."""
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = (name.strip() for name in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError("is not a day of the week; write mon-fri, mon,wed or sat")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        days.update((begin + more) % 7 for more in range(length + 1))
    return frozenset(days)


def parse_time(text: str) -> int:
    """Parse `09:00` into minutes after midnight, up to `24:00`. Raises ValueError."""
    match = re.fullmatch(r"([0-2]?[0-9]):([0-5][0-9])", text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match else MIDNIGHT + 1
    if minutes > MIDNIGHT:
        raise ValueError('is not a time of day; write one such as "09:00" or "17:30"')
    return minutes


def make_week(windows: Iterable[tuple[Iterable[int], int, int]]) -> Week:
    """Make the week of windows (days, from, to); those that overlap or touch become one."""
    spans: list[list[Span]] = [[] for _ in DAYS]
    for days, begin, end in windows:
        for day in days:
            spans[day].append((begin, end))
    return tuple(tuple(_merged(each)) for each in spans)


def local_time(at: datetime, zone: str) -> float:
    """Return a naive local time in Unix seconds. One that is there twice is the first; one that is
    not there is as much after the change as it would have been."""
    return at.replace(tzinfo=ZoneInfo(zone)).timestamp()


def local_moment(at: float, zone: str) -> str:
    """Format Unix seconds as people in `zone` read them, to the minute."""
    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def is_region(region: str) -> bool:
    """Return whether the public holidays of a country (`US`) or a part of it (`DE-BY`) are
    known."""
    import holidays  # noqa: PLC0415  # takes longer than the rest; most campaigns have none

    country, dash, part = region.partition("-")
    known = holidays.list_supported_countries()
    return country in known and (not dash or part in known[country])


def is_open(hours: Hours, zone: str, at: float) -> bool:
    """Return whether a message to a person in `zone` may go at `at`."""
    if at < hours.begins:
        return False
    there = datetime.fromtimestamp(at, ZoneInfo(zone or hours.zone))
    minute = there.hour * 60 + there.minute
    return any(
        begin <= minute < end for begin, end in hours.week[there.weekday()]
    ) and not _is_holiday(hours.region, there.date())


def next_open(hours: Hours, zone: str, at: float) -> float:
    """Return the first moment from `at` on that is open; infinity if there is none within
    `HORIZON`."""
    first = max(at, hours.begins)
    last = at + HORIZON
    if first > last:
        return math.inf
    if is_open(hours, zone, first):
        return first
    for begin, end in _openings(hours, zone, first, last):
        if end > first:
            return max(begin, first)
    return math.inf


def next_close(hours: Hours, zone: str, at: float) -> float:
    """Return the first moment from `at` on that is not open; infinity if there is none in
    `HORIZON`."""
    if not is_open(hours, zone, at):
        return at
    if hours.week == ALWAYS and not hours.region:
        return math.inf
    closes = at
    for begin, end in _openings(hours, zone, at, at + HORIZON):
        if begin > closes:
            return closes
        closes = max(closes, end)
    return math.inf


def _openings(hours: Hours, zone: str, first: float, last: float) -> Iterator[tuple[float, float]]:
    """Yield the open spans from `first` to `last`, in order; some may be over."""
    name = zone or hours.zone
    day = datetime.fromtimestamp(first, ZoneInfo(name)).toordinal() - 1
    final = datetime.fromtimestamp(last, ZoneInfo(name)).toordinal()
    # A clock set back over midnight brings the end of a day back after the next one's beginning.
    held: list[tuple[float, float]] = []
    while day <= final:
        coming = _opened(hours.week, hours.region, name, day)
        if coming:
            held = sorted([*held, *coming])
            settled = held[: -len(coming)]
            yield from settled
            held = held[len(settled) :]
        day += 1
    yield from held


@lru_cache(maxsize=50_000)
def _opened(week: Week, region: str, zone: str, day: int) -> tuple[tuple[float, float], ...]:
    """Return the open spans while the calendar in `zone` shows the day of this ordinal."""
    of = date.fromordinal(day)
    spans = week[of.weekday()]
    if not spans or _is_holiday(region, of):
        return ()
    midnight = (of - date(1970, 1, 1)).days * DAY  # as if there were no zones
    spans_open = []
    for begin, end, offset in _clocks(zone, midnight - _FURTHEST, midnight + DAY + _FURTHEST):
        for opens, closes in spans:
            start = max(begin, midnight + opens * 60 - offset)
            stop = min(end, midnight + closes * 60 - offset)
            if start < stop:
                spans_open.append((float(start), float(stop)))
    return tuple(_merged(sorted(spans_open)))


def _clocks(zone: str, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Yield (from, to, seconds ahead of UTC) of each way that the clock in `zone` is set
    between."""
    begin, ahead = first, _ahead(zone, first)
    for left in range(first, last, _STEP):
        low, high = left, min(left + _STEP, last)
        then = _ahead(zone, high)
        if then == ahead:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _ahead(zone, middle) == ahead else (low, middle)
        yield begin, high, ahead
        begin, ahead = high, then
    yield begin, last, ahead


def _ahead(zone: str, at: int) -> int:
    there = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert there is not None
    return there // timedelta(seconds=1)


def _is_holiday(region: str, day: date) -> bool:
    return bool(region) and day in _holidays(region, day.year)


def holidays_between(hours: Hours, first: date, last: date) -> list[tuple[date, str]]:
    """List the public holidays from `first` to `last` on which messages would go otherwise."""
    import holidays  # noqa: PLC0415  # the same

    country, _, part = hours.region.partition("-")
    years = range(first.year, last.year + 1)
    found = holidays.country_holidays(country, subdiv=part or None, years=years)
    return sorted(
        (day, name)
        for day, name in found.items()
        if first <= day <= last and hours.week[day.weekday()]
    )


@lru_cache(maxsize=200)
def _holidays(region: str, year: int) -> frozenset[date]:
    import holidays  # noqa: PLC0415  # the same

    country, _, part = region.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def _merged(spans: Iterable[tuple[T, T]]) -> list[tuple[T, T]]:
    merged: list[tuple[T, T]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
