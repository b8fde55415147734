"""The content of a report, in whatever format: sections of tables, charts and notes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from runner.clock import iso
from runner.formats import by_handle, duration, number, safe
from runner.ledger.queries.replied import Figures
from runner.ledger.queries.statistics import ENDED
from runner.message.status import MessageStatus
from runner.status.outlook import outlook_as_json
from runner.status.statistics import Bucket, Counts, Series, Statistics, answers_text, as_json
from runner.status.status import Need, waits_for_text
from runner.status.variants import UNEQUAL

_S = MessageStatus
NAMES = {_S.SENDING: "being sent", _S.IN_DOUBT: "in doubt"}
ORDER = (
    _S.SENT,
    _S.REJECTED,
    _S.FAILED,
    _S.IN_DOUBT,
    _S.SENDING,
    _S.QUEUED,
    _S.WAITING,
    _S.CANCELLED,
    _S.SKIPPED,
)
BLANK, OTHERS = "(blank)", "(all others)"


def name_of(status: MessageStatus) -> str:
    """Return a status in words."""
    return NAMES.get(status, str(status))


@dataclass(frozen=True, slots=True)
class Moment:
    """A time (Unix s), shown by this machine's clock."""

    at: float

    @property
    def utc(self) -> str:
        return iso(self.at)

    def __str__(self) -> str:
        return f"{datetime.fromtimestamp(self.at, UTC).astimezone():%Y-%m-%d %H:%M}"


Cell = str | int | Moment | None


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table; one without rows is not shown."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class BarChart:
    """A chart of a bar for each label, made up of its counts per status."""

    title: str
    labels: Sequence[str]
    counts: Sequence[Counts]

    @property
    def statuses(self) -> list[MessageStatus]:
        """Return the statuses of which there are any."""
        return [each for each in ORDER if any(counts.get(each) for counts in self.counts)]

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Return the legend: (name of the colour, words)."""
        return [(str(each), name_of(each)) for each in self.statuses]


@dataclass(frozen=True, slots=True)
class TimeChart:
    """A chart of sends over time beside what was allowed."""

    title: str
    series: Series

    @property
    def is_limited(self) -> bool:
        """Return whether anything is known of what was allowed."""
        return any(each.allowed is not None for each in self.series.buckets)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Return the legend: (name of the colour, words)."""
        told = [("sent", "sent")]
        if any(not_sent(each) for each in self.series.buckets):
            told.append(("rejected", "rejected, failed or in doubt"))
        return [*told, *([("allowed", "allowed")] if self.is_limited else [])]


def not_sent(bucket: Bucket) -> int:
    """Return how many messages of a bucket came to an end without being known as sent."""
    return sum(bucket.counts.values()) - bucket.counts.get(_S.SENT, 0)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report."""

    title: str
    tables: Sequence[ReportTable]
    chart: BarChart | TimeChart | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report. `needs`: what needs a person, and the command that sees to it, empty if none does;
    `public`: the form for programs, whose names stay."""

    campaign: str
    at: Moment
    zone: str
    version: str
    counts: Counts
    total: int
    summary: Sequence[str]
    needs: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    public: Mapping[str, Any]


def report_of(found: Statistics, command: Callable[..., str], version: str) -> Report:
    """Return the report of a campaign. `command` makes a command line of its words."""
    needs = [(_need(each), command(*each.words) if each.words else "") for each in found.needs]
    sections = [_funnel(found, command), *_steps(found), *_variants(found)]
    sections += [_over_time(found), _senders(found)]
    sections += _columns(found)
    public = {
        "report": "run-campaign",
        **as_json(found),
        **outlook_as_json(found.status.outlook, found.at),
        "needs": [{"what": what, "command": line or None} for what, line in needs],
    }
    here = datetime.fromtimestamp(found.at).astimezone()
    ahead = f"{here:%z}"
    return Report(
        campaign=safe(found.status.campaign),
        at=Moment(found.at),
        zone=f"{here:%Z} (UTC{ahead[:3]}:{ahead[3:5]})",
        version=version,
        counts=found.status.shown_counts,
        total=found.status.total,
        summary=list(_summary(found)),
        needs=needs,
        sections=sections,
        public=public,
    )


def _need(need: Need) -> str:
    since = "" if need.since is None else f" at {Moment(need.since)}"
    return safe(f"{need.what}{since}" + (f": {need.why}" if need.why else ""))


def _summary(found: Statistics) -> Sequence[str]:
    status, outlook = found.status, found.status.outlook
    sent = status.counts[_S.SENT]
    lines = [f"{number(sent)} of {number(status.total)} sent"]
    if status.total:
        lines[0] += f" ({_share(sent, status.total)})"
    if status.per_hour:
        lines[0] += f", {number(status.per_hour)} of them in the last hour"
    if found.answers is not None:
        lines.append(answers_text(found.answers))
    forecast = outlook.forecast
    if forecast is not None and forecast.seconds < math.inf:
        end = Moment(found.at + forecast.seconds)
        slowest = by_handle(forecast.binds, found.status.handles)
        binds = f"; slowest limit: {slowest}" if slowest else ""
        when = f"about {end} (in {duration(forecast.seconds)})"
        if forecast.earliest is not None:
            first = Moment(found.at + forecast.earliest) if forecast.earliest >= 1 else "now"
            when = f"between {first}, if everybody answers, and {when}, if nobody does,"
        lines.append(f"done {when} if it runs on{binds}")
    elif forecast is not None:
        lines.append("never done: the schedule does not open within two years")
    elif status.brake is not None and status.counts[_S.QUEUED]:
        lines.append("not done before it goes on: see what needs a person")
    elif status.queued:
        lines.append("when it is done is not known: the campaign file cannot be read here")
    elif not status.counts[_S.QUEUED] + status.counts[_S.SENDING]:
        lines.append("nothing is queued")
    if (step := status.next_follow_up) is not None and step.next_at is not None:
        waits = waits_for_text(status, step, found.at)
        told = f"next follow-up ({step.name}) {Moment(step.next_at)}"
        lines.append(told + (f": waits for {waits}" if waits else ""))
    if outlook.binds_now and outlook.next_at is not None and not outlook.by_steps:
        waits = by_handle(outlook.binds_now, status.handles)
        lines.append(f"next message {Moment(outlook.next_at)}: waits for {waits}")
    return [safe(line[:1].upper() + line[1:]) for line in lines]


def _share(part: int, total: int) -> str:
    """Return `24 %`; never 0 % of some, or 100 % of not all."""
    if not total:
        return ""
    share = round(100 * part / total)
    if share == 0 and part:
        return "<1 %"
    return ">99 %" if share == 100 and part < total else f"{share} %"


def _funnel(found: Statistics, command: Callable[..., str]) -> Section:
    status, shown = found.status, found.status.shown_counts
    statuses = [each for each in ORDER if shown[each]]
    all_of = "messages" if status.steps else "prospects"
    rows: list[Sequence[Cell]] = [[all_of, status.total, "100 %" if status.total else ""]]
    for each in statuses:
        count = shown[each]
        rows.append([name_of(each), count, _share(count, status.total)])
    reasons: list[list[Cell]] = [
        [name_of(kind), safe(reason) or "(none told)", count]
        for kind, reason, count in status.reasons
    ]
    notes = ["Sent means that the API accepted the message; whether it was read cannot be known."]
    if shown[_S.IN_DOUBT]:
        notes.append("In doubt: may or may not have been sent; never counted as either.")
    if status.counts[_S.SKIPPED]:
        words = ("export", status.file, "-o", "skipped.csv", "--status", "skipped")
        notes.append(f"Who was skipped, and what to correct: {safe(command(*words))}")
    return Section(
        "Results",
        [
            ReportTable(f"{all_of.capitalize()} by status", ["status", "count", "share"], rows),
            ReportTable("Reasons", ["status", "reason", "count"], reasons),
        ],
        BarChart(
            f"{all_of.capitalize()} by status",
            [all_of, *map(name_of, statuses)],
            [{each: shown[each] for each in statuses}] + [{each: shown[each]} for each in statuses],
        )
        if statuses
        else None,
        notes,
    )


def _variants(found: Statistics) -> list[Section]:
    verdict = found.status.verdict
    if verdict is None:
        return []
    arms: list[Sequence[Cell]] = [
        [safe(each.variant), each.dealt, each.written_to, each.replied, str(each.rate or "–")]
        for each in verdict.arms
    ]
    pairs: list[Sequence[Cell]] = [
        [f"{safe(each.more)} against {safe(each.less)}", str(each.by)] for each in verdict.pairs
    ]
    said = verdict.phrase + (f": {verdict.why}" if verdict.why else "")
    notes = [safe(said[:1].upper() + said[1:]) + "."]
    if verdict.judged_at is not None:
        notes.append(f"Judged once, by what was known at {Moment(verdict.judged_at)}.")
    if verdict.chosen:
        notes.append(f"Not compared: {number(verdict.chosen)} whose variant a person chose.")
    if verdict.unequal:
        notes.append(UNEQUAL[:1].upper() + UNEQUAL[1:] + ".")
    head = ["variant", "dealt", "written to", "answered", "share"]
    tables = [ReportTable("People by variant", head, arms)]
    tables.append(ReportTable("Differences", ["variants", "by (95 % interval)"], pairs))
    return [Section("Variants", tables, None, notes)]


def _steps(found: Statistics) -> list[Section]:
    """Return the messages of each step, nothing for a campaign without steps."""
    steps = found.status.steps
    if not steps:
        return []
    counted = [found.status.shown(step.counts) for step in steps]
    statuses = [each for each in ORDER if any(counts.get(each) for counts in counted)]
    rows: list[list[Cell]] = []
    for step, counts in zip(steps, counted, strict=True):
        why = ", ".join(f"{number(n)} {reason}" for reason, n in step.skipped.most_common())
        after = duration(step.after) if step.previous else ""
        due = None if step.next_at is None else Moment(step.next_at)
        rows.append(
            [safe(step.name), after, *(counts.get(each, 0) for each in statuses), due, safe(why)]
        )
    head = ["step", "after", *map(name_of, statuses), "next due", "skipped for"]
    return [Section("Steps", [ReportTable("Messages by step", head, rows)])]


def _over_time(found: Statistics) -> Section:
    series = found.series
    statuses = [each for each in ENDED if any(bucket.counts.get(each) for bucket in series.buckets)]
    limited = any(bucket.allowed is not None for bucket in series.buckets)
    rows: list[list[Cell]] = []
    for bucket in series.buckets:
        if any(bucket.counts.values()):
            counts: list[Cell] = [bucket.counts.get(each, 0) for each in statuses]
            rows.append([Moment(bucket.begin), *counts, *([bucket.allowed] if limited else [])])
    head = [f"{series.every} from", *map(name_of, statuses), *(["allowed"] if limited else [])]
    notes = []
    if not rows:
        notes = ["Nothing has been sent yet."]
    elif limited:
        notes = [
            "Allowed: the most that limits and schedule of the campaign file, as it is now, left "
            "room for beside what this campaign had sent before. Other campaigns and programs that "
            "use the same limits are not taken off."
        ]
    else:
        notes = ["What was allowed is not shown: no limit binds, or the file cannot be read here."]
    if len(rows) < len(series.buckets):
        notes.append("Times in which nothing happened are left out of the table.")
    title = f"Sends per {series.every}"
    chart = TimeChart(title, series) if rows else None
    return Section("Over time", [ReportTable(title, head, rows)], chart, notes)


def _senders(found: Statistics) -> Section:
    listed = found.senders if any(each.sender for each in found.senders) else []
    shown = [replace(each, counts=found.status.shown(each.counts)) for each in listed]
    handles = found.status.handles
    # Rows without a usable id have none.
    names = {each.sender: by_handle(each.sender, handles) or "no sender" for each in shown}
    statuses = [each for each in ORDER if any(one.counts.get(each) for one in shown)]
    rows: list[list[Cell]] = []
    stopped = any(each.stopped for each in shown)
    ends = found.status.outlook.forecast is not None
    for each in shown:
        counts: list[Cell] = [each.counts.get(kind, 0) for kind in statuses]
        last = None if each.last_sent_at is None else Moment(each.last_sent_at)
        why = [] if not stopped else [safe(each.stopped.why) if each.stopped else ""]
        done = (
            [None if each.stopped or not each.sender else _done(found, each.sender)] if ends else []
        )
        rows.append([names[each.sender], *counts, last, *done, *why])
    head = ["sender", *map(name_of, statuses), "last sent"]
    head += ["done about"] * ends + ["stopped"] * stopped
    all_counts = [each.counts for each in shown]
    chart = BarChart("Messages by sender", [*names.values()], all_counts)
    table = ReportTable("Messages by sender", head, rows)
    people = [(names[each.sender], each.answers) for each in shown if each.sender]
    return Section("By sender", [table, _answers("sender", people)], chart if shown else None)


def _done(found: Statistics, sender: str) -> Cell:
    forecast = found.status.outlook.forecast
    left = None if forecast is None else forecast.by_sender.get(sender)
    if left is None:
        return None
    return Moment(found.at + left) if left < math.inf else "never"


def _columns(found: Statistics) -> list[Section]:
    shown = found.status.shown
    return [
        _column(
            f"By {safe(each.column)}",
            [(_value(one.value), shown(one.counts)) for one in each.values],
            _answers("value", [(_value(one.value), one.answers) for one in each.values]),
        )
        for each in found.by
    ]


def _value(value: str | None) -> str:
    return OTHERS if value is None else safe(value) or BLANK


def _answers(of: str, people: Sequence[tuple[str, Figures | None]]) -> ReportTable:
    """Return who has answered, without rows where replies were never read."""
    rows: list[Sequence[Cell]] = [
        [name, each.written_to, each.replied, str(each.rate or "–"), each.opted_out]
        for name, each in people
        if each is not None
    ]
    head = [of, "written to", "answered", "share", "opted out"]
    return ReportTable(f"People by {of}", head, rows)


def _column(title: str, values: Sequence[tuple[str, Counts]], people: ReportTable) -> Section:
    statuses = [each for each in ORDER if any(counts.get(each) for _, counts in values)]
    rows: list[list[Cell]] = []
    for value, counts in values:
        total, sent = sum(counts.values()), counts.get(_S.SENT, 0)
        each: list[Cell] = [counts.get(each, 0) for each in statuses]
        rows.append([value, total, *each, _share(sent, total)])
    head = ["value", "rows", *map(name_of, statuses), "share sent"]
    chart = BarChart(title, [value for value, _ in values], [counts for _, counts in values])
    return Section(title, [ReportTable(title, head, rows), people], chart if values else None)
