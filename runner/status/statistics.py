"""A campaign's statistics: how far it is, how fast it went, by sender and by column, and what needs
a person. From the ledger; the campaign file only tells what was allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from itertools import pairwise
from operator import sub
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from runner.clock import Clock, iso
from runner.errors import RunnerError, UsageError
from runner.formats import number
from runner.ledger.campaigns import account_links, brakes
from runner.ledger.campaigns.brakes import Brake
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Connection, Ledger
from runner.ledger.queries import replied, statistics, totals
from runner.ledger.queries.replied import Figures
from runner.ledger.queries.statistics import SenderCount, Slot
from runner.message.status import MessageStatus
from runner.pacing.capacity import SpeedRules, capacities
from runner.planning.dates.eta import hours_of, zone_of
from runner.project.campaign_files import campaign_of
from runner.project.open import file_of
from runner.status.outlook import LoadedCampaign, outlook_of
from runner.status.status import Need, Status, needs_of, status_of
from runner.status.variants import verdict_of

_S = MessageStatus
Counts = Mapping[MessageStatus, int]
"""Messages, and rows without one, per status; a status may be left out for none."""

MOST_BUCKETS = 96
"""Buckets of one chart. Our own choice: bars that can still be told apart."""
STEPS = (
    ("minute", 60),
    ("5 minutes", 300),
    ("15 minutes", 900),
    ("hour", 3600),
    ("day", 86_400),
    ("week", 7 * 86_400),
)
QUARTER = 900
"""Seconds: days of every zone begin with a whole quarter of an hour."""
MOST_VALUES = 20
MOST_ZONES = 50
"""Zones whose hours are read for what was allowed: more would take long to compute."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The time from `begin` to `end` (Unix s). `counts`: messages sent, and those rejected,
    failed or in doubt by their last attempt; `allowed`: the most that might have been sent by the
    campaign file's limits and schedule, None where there are none or the file cannot be read."""

    begin: float
    end: float
    counts: Counts
    allowed: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Sends over time; `every`: the length of a bucket in words, `zone`: whose clock cuts them."""

    every: str
    zone: str
    buckets: Sequence[Bucket]


@dataclass(frozen=True, slots=True)
class SenderFigures:
    """One sender: its messages, when the last was sent (Unix s), and what stops it. `answers`: its
    people, None where replies were never read."""

    sender: str
    counts: Counts
    last_sent_at: float | None
    stopped: Brake | None
    answers: Figures | None = None


@dataclass(frozen=True, slots=True)
class ValueFigures:
    """The rows and people of one value of a column: empty for a blank cell, None for all other
    values. `answers`: None where replies were never read."""

    value: str | None
    counts: Counts
    answers: Figures | None = None


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """The rows by their value in a column, its most frequent values first."""

    column: str
    values: Sequence[ValueFigures]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A campaign at the moment `at` (Unix s). `columns`: those of the sheet, as far as its first
    rows tell."""

    at: float
    status: Status
    series: Series
    senders: Sequence[SenderFigures]
    by: Sequence[ColumnFigures] = ()
    needs: Sequence[Need] = ()
    columns: Sequence[str] = ()
    answers: Figures | None = None  # None: replies were never read


Progress = Callable[[Callable[[], str]], None]
"""Told how far the work is, by a function that makes the words."""


def answers_text(people: Figures) -> str:
    """Return who has answered and opted out, in words."""
    return (
        f"{number(people.replied)} of {number(people.written_to)} people written to have "
        f"answered: {people.rate or '–'}; opted out: {number(people.opted_out)}"
    )


def statistics_of(
    ledger: Ledger,
    row: CampaignRow,
    path: Path | None,
    clock: Clock,
    *,
    by: Sequence[str] = (),
    zone: str | None = None,
    progress: Progress = lambda words: None,
    with_outlook: bool = True,
) -> Statistics:
    """Return a campaign's statistics. `path`: its file, if that is known better than by the ledger;
    `by`: columns to count by; `zone`: whose clock cuts the buckets, None for this machine's; not
    `with_outlook`, which takes longest where much is queued.

    Raises UsageError for a column that no row has.
    """

    def counting(what: str) -> None:
        progress(lambda: f"{row.name}: counting by {what}")

    now = clock.now()
    file = path or file_of(ledger, row)
    with ledger.reading() as connection:  # one look, so that all of it agrees
        status = replace(
            status_of(connection, row, now, str(file)),
            handles=account_links.handles(connection, rehearsal=row.rehearsal),
        )
        counting("time")
        span = statistics.ended_between(connection, row.id)
        step = STEPS[0] if span is None else step_for(span[1] - span[0])
        every = min(step[1], QUARTER)
        sent = statistics.sent(connection, row.id, every)
        slots = statistics.ended(connection, row.id, every, sent)
        counting("sender")
        sender_counts = statistics.by_sender(connection, row.id, sent)
        stopped = brakes.stopped_senders(connection, {each.sender for each in sender_counts})
        names = statistics.column_names(connection, row.id)
        was_read = status.read_up_to is not None and status.read_up_to.at is not None
        people = replied.figures_by_sender(connection, row.id) if was_read else None
        answers = None if people is None else replied.total_of(people.values())
        columns = []
        for name in by:
            counting(name)
            columns.append(_column(connection, row.id, name, status.counts, answers))
    if with_outlook:
        progress(lambda: f"{row.name}: estimating when it will be done")
        status = replace(status, outlook=outlook_of(ledger, row, status, clock))
    rules = _rules(ledger, row, file, sender_counts)
    return Statistics(
        at=now,
        status=replace(status, verdict=ledger.read(verdict_of, row, now)),
        series=series(slots, span, step, rules, zone),
        senders=_senders(sender_counts, stopped, people),
        by=columns,
        needs=needs_of(status),
        columns=names,
        answers=answers,
    )


def _no_column(name: str, names: Sequence[str]) -> UsageError:
    near = get_close_matches(name, names, 2, 0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"its columns: {', '.join(names)}"
    return UsageError(f"--by {name}: the sheet has no such column", hint if names else "")


def _rules(
    ledger: Ledger, row: CampaignRow, file: Path, sender_counts: Sequence[SenderCount]
) -> SpeedRules | None:
    try:
        campaign = campaign_of(ledger, row, file)
    except (RunnerError, OSError):
        return None  # gone or broken, or on another host
    zones = {each.zone for each in sender_counts if each.status in statistics.ENDED}
    return SpeedRules(
        campaign.limits,
        campaign.senders,
        hours_of(LoadedCampaign(campaign, row)),
        sorted(zones)[:MOST_ZONES] or [""],
        zone_of([campaign]),
    )


def step_for(seconds: float) -> tuple[str, int]:
    """Return the name and seconds of the shortest bucket of which not too many are needed."""
    fitting = (step for step in STEPS if seconds / step[1] < MOST_BUCKETS)
    return next(fitting, STEPS[-1])


def series(
    slots: Sequence[Slot],
    span: tuple[float, float] | None,
    step: tuple[str, int],
    rules: SpeedRules | None = None,
    zone: str | None = None,
) -> Series:
    """Put slots together to buckets of `step` by the clock of `zone`, empty ones between them
    too."""
    name, seconds = step
    if span is None:
        return Series(name, zone or "", [])
    edges = _edges(*span, seconds, zone)
    counts: list[Counter[MessageStatus]] = [Counter() for _ in edges]
    sent: list[Counter[str]] = [Counter() for _ in edges]
    number = 0
    for slot in sorted(slots, key=lambda slot: slot.begin):
        # A slot is never cut by an edge; the first may begin before its bucket.
        while number < len(edges) - 1 and slot.begin >= edges[number][1]:
            number += 1
        counts[number][slot.status] += slot.messages
        if slot.status is _S.SENT:
            sent[number][slot.sender] += slot.messages
    most = None if rules is None else capacities(rules, edges, sent)
    return Series(
        name,
        zone or "",
        [
            Bucket(begin, end, dict(counts[at]), None if most is None else most[at])
            for at, (begin, end) in enumerate(edges)
        ],
    )


def _edges(first: float, last: float, step: int, zone: str | None) -> list[tuple[float, float]]:
    """Return the begin and end of the buckets from `first` to `last`: days as the calendar has
    them."""
    there = ZoneInfo(zone) if zone else None  # None: this machine's own
    begin = datetime.fromtimestamp(first, there)
    if step % 86_400 == 0:
        day = begin.date() - timedelta(days=begin.weekday() if step > 86_400 else 0)
        starts = [datetime.combine(day, time(), there).timestamp()]
        while starts[-1] <= last:
            day += timedelta(seconds=step)
            starts.append(datetime.combine(day, time(), there).timestamp())
    else:
        midnight = datetime.combine(begin.date(), time(), there).timestamp()
        starts = [midnight + (first - midnight) // step * step]
        while starts[-1] <= last:
            starts.append(starts[-1] + step)
    return list(pairwise(starts))


def _senders(
    sender_counts: Sequence[SenderCount],
    stopped: Mapping[str, Brake],
    people: Mapping[str, Figures] | None,
) -> Sequence[SenderFigures]:
    counts: dict[str, Counter[MessageStatus]] = {}
    last: dict[str, float] = {}
    for each in sender_counts:
        counts.setdefault(each.sender, Counter())[each.status] += each.messages
        if each.last_at is not None and each.status is _S.SENT:
            last[each.sender] = max(each.last_at, last.get(each.sender, each.last_at))
    return [
        SenderFigures(
            sender,
            dict(counted),
            last.get(sender),
            stopped.get(sender),
            None if people is None else people.get(sender, replied.NOBODY),
        )
        for sender, counted in sorted(counts.items())
    ]


def _column(
    connection: Connection, id: int, name: str, all_: Counts, answers: Figures | None
) -> ColumnFigures:
    """Return a column's figures; what is not of its frequent values is of all others together.
    Raises UsageError for a column that no row has."""
    if not statistics.has_column(connection, id, name):
        raise _no_column(name, statistics.column_names(connection, id))
    found = statistics.by_column(connection, id, name, MOST_VALUES)
    values = [
        ValueFigures(each.value, each.counts, None if answers is None else each.people)
        for each in found
    ]
    left = Counter({status: count for status, count in all_.items() if count})
    for each in found:
        left.subtract(each.counts)
    if others := {status: count for status, count in left.items() if count > 0}:
        known = replied.total_of(each.people for each in found)
        rest = None if answers is None else Figures(*map(sub, answers, known))
        values.append(ValueFigures(None, others, rest))
    return ColumnFigures(name, values)


def column_of(ledger: Ledger, row: CampaignRow, name: str) -> ColumnFigures:
    """Return a campaign's figures by one column. Raises UsageError for one that no row has."""
    with ledger.reading() as connection:
        up_to = None if row.lane is None else replied.read_up_to(connection, row.lane)
        answers = replied.figures(connection, row.id) if up_to and up_to.at else None
        return _column(connection, row.id, name, totals.counts(connection, row.id), answers)


def as_json(found: Statistics) -> dict[str, Any]:
    """Return the public form, whose names stay."""
    status = found.status
    told = status.as_json() | {"at": iso(found.at)}
    told["answers"] = _answers(found.answers)
    told["sends"] = {
        "every": found.series.every,
        "buckets": [
            {
                "begin": iso(each.begin),
                "end": iso(each.end),
                "allowed": each.allowed,
                **{str(kind): each.counts.get(kind, 0) for kind in statistics.ENDED},
            }
            for each in found.series.buckets
        ],
    }
    told["senders"] = [
        {
            "sender": each.sender,
            "counts": _counts(each.counts),
            "last_sent_at": iso(each.last_sent_at) or None,
            "stopped": None
            if each.stopped is None
            else {"at": iso(each.stopped.at), "why": each.stopped.why},
            "answers": _answers(each.answers),
        }
        for each in found.senders
    ]
    told["by"] = [
        {
            "column": each.column,
            "values": [
                {
                    "value": value.value,
                    "counts": _counts(value.counts),
                    "answers": _answers(value.answers),
                }
                for value in each.values
            ],
        }
        for each in found.by
    ]
    told["columns"] = list(found.columns)
    return told


def _counts(counts: Counts) -> dict[str, int]:
    return {str(status): counts.get(status, 0) for status in _S}


def _answers(people: Figures | None) -> dict[str, Any] | None:
    return None if people is None else people.as_json()
