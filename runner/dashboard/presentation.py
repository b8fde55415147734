"""The presentation of a campaign: states, signs, times and the chart, for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runner.formats import by_handle
from runner.ledger.campaigns.brakes import BY_A_PERSON, BrakeKind
from runner.message.status import MessageStatus
from runner.report.charts import chart_of
from runner.report.content import TimeChart
from runner.status.statistics import Series
from runner.status.status import Outlook, Status, waits_for_text

_S = MessageStatus

NAMES = {
    _S.QUEUED: "queued",
    _S.WAITING: "waiting",
    _S.SENDING: "being sent",
    _S.IN_DOUBT: "in doubt",
    _S.SENT: "sent",
    _S.REJECTED: "rejected",
    _S.FAILED: "failed",
    _S.SKIPPED: "skipped",
    _S.CANCELLED: "cancelled",
}
STATUS_ORDER = tuple(NAMES)
DONE = (_S.SENT, _S.REJECTED, _S.FAILED, _S.SKIPPED, _S.CANCELLED)
SIGNS = {
    _S.SENT: ("good", "✓"),
    _S.REJECTED: ("bad", "✕"),
    _S.FAILED: ("bad", "✕"),
    _S.IN_DOUBT: ("bad", "?"),
    _S.QUEUED: ("waits", "…"),
    _S.WAITING: ("waits", "…"),
    _S.SENDING: ("good", "▸"),
    _S.SKIPPED: ("muted", "–"),
    _S.CANCELLED: ("muted", "–"),
}
"""For each status a kind of colour and a sign: neither is ever shown without the word."""


@dataclass(frozen=True, slots=True)
class State:
    """A campaign's state now: `kind` is its colour, `sign` and `word` say the same."""

    kind: str
    sign: str
    word: str
    why: str = ""


def state_of(status: Status) -> State:
    """Return what a campaign does now."""
    brake, counts = status.brake, status.counts
    if brake is not None and brake.kind in BY_A_PERSON:
        return State("waits", "❚❚" if brake.kind is BrakeKind.PAUSED else "■", str(brake.kind))
    if brake is not None:
        return State("bad", "■", "stopped")
    if counts[_S.QUEUED] or counts[_S.SENDING]:
        if status.driver:
            return State("good", "▶", "running", status.driver)
        return State("waits", "○", "not running")
    if counts[_S.IN_DOUBT]:
        return State("bad", "?", "ended, some in doubt")
    if counts[_S.FAILED]:
        return State("bad", "✕", "ended, some failed")
    if counts[_S.WAITING]:
        return State("waits", "○", "not running")
    return State("good", "✓", "done") if status.total else State("waits", "○", "not planned yet")


def done_of(counts: Mapping[MessageStatus, int]) -> int:
    """Return how many messages need nothing more."""
    return sum(counts[status] for status in DONE)


def finish_of(outlook: Outlook, zone: ZoneInfo, now: float) -> str:
    """Return when the last message would go, empty if that is not known."""
    if outlook.forecast is None:
        return ""
    at = outlook.forecast.finish_at(now)
    if at is None:
        return "never, as it stands"
    told = f"about {time_in_zone(at, zone, now)}" if at - now > 90 else "about now"
    earliest = outlook.forecast.earliest_at(now)
    if outlook.forecast.earliest is None or earliest is None:
        return told
    first = time_in_zone(earliest, zone, now) if earliest - now > 90 else "now"
    return f"between {first} (everybody answers) and {told} (nobody does)"


def next_message_of(
    outlook: Outlook, handles: Mapping[str, str], zone: ZoneInfo, now: float
) -> str:
    """Return when the next message goes and what it waits for, empty for nothing."""
    if not outlook.binds_now or outlook.next_at is None or outlook.by_steps:
        return ""
    waits = by_handle(outlook.binds_now, handles)
    return f"next message {time_in_zone(outlook.next_at, zone, now)}: waits for {waits}"


def next_follow_up_of(status: Status, zone: ZoneInfo, now: float) -> str:
    """Return when the next follow-up is due and what it waits for, empty for none."""
    step = status.next_follow_up
    if step is None or step.next_at is None:
        return ""
    waits = waits_for_text(status, step, now)
    told = f"next follow-up ({step.name}) {time_in_zone(step.next_at, zone, now)}"
    return told + (f": waits for {waits}" if waits else "")


def time_in_zone(at: float, zone: ZoneInfo, now: float) -> str:
    """Return a time in the viewer's zone: `14:05:09` today, else with its day."""
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M:%S}"
    if abs(at - now) < 6 * 86_400:
        return f"{then:%a %H:%M}"
    return f"{then:%Y-%m-%d %H:%M}"


def zone_called(name: str) -> ZoneInfo:
    """Return the zone that a browser names, UTC for an unknown one."""
    try:
        return ZoneInfo(name[:64])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def offset_of(zone: ZoneInfo, now: float) -> str:
    """Return `UTC+02:00`."""
    told = datetime.fromtimestamp(now, zone).strftime("%z")
    return f"UTC{told[:3]}:{told[3:5]}"


CHART_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The content security policy of the chart alone: the chart library writes its styles into it. It
runs nothing."""

_COLOURS = """<style>
:root { --text: #373c44; --line: #c7ccd6; --sent: #0072b2; --rejected: #d55e00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #c2c7d0; --line: #3a414e; --sent: #56b4e9; --rejected: #f0803c; }
}
svg { font-family: system-ui, sans-serif; }
</style>"""


def chart_file(series: Series) -> str:
    """Return the chart of sends over time, as an SVG file."""
    chart = chart_of(TimeChart("Sends over time", series), "sends")
    head, end, rest = chart.partition(">")
    return head + end + _COLOURS + rest
