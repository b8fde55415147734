"""How a campaign stands, in words for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runner.ledger.campaigns.brakes import BY_A_PERSON, BrakeKind
from runner.message.status import MessageStatus
from runner.report.charts import chart_of
from runner.report.content import Times
from runner.status.standing import Standing
from runner.status.statistics import Series
from runner.status.status import Status

_S = MessageStatus

CALLED = {
    _S.QUEUED: "waiting",
    _S.SENDING: "being sent",
    _S.IN_DOUBT: "in doubt",
    _S.SENT: "sent",
    _S.REJECTED: "rejected",
    _S.FAILED: "failed",
    _S.SKIPPED: "skipped",
    _S.CANCELLED: "cancelled",
}
ORDER = tuple(CALLED)
DONE = (_S.SENT, _S.REJECTED, _S.FAILED, _S.SKIPPED, _S.CANCELLED)
SIGNS = {
    _S.SENT: ("good", "✓"),
    _S.REJECTED: ("bad", "✕"),
    _S.FAILED: ("bad", "✕"),
    _S.IN_DOUBT: ("bad", "?"),
    _S.QUEUED: ("waits", "…"),
    _S.SENDING: ("good", "▸"),
    _S.SKIPPED: ("muted", "–"),
    _S.CANCELLED: ("muted", "–"),
}
"""For each status a kind of colour and a sign: neither is ever shown without the word."""


@dataclass(frozen=True, slots=True)
class State:
    """What a campaign does now: `kind` is its colour, `sign` and `word` say the same."""

    kind: str
    sign: str
    word: str
    why: str = ""


def state_of(status: Status) -> State:
    brake, counts = status.brake, status.counts
    if brake is not None and brake.kind in BY_A_PERSON:
        return State("waits", "❚❚" if brake.kind is BrakeKind.PAUSED else "■", str(brake.kind))
    if brake is not None:
        return State("bad", "■", "stopped")
    if counts[_S.QUEUED] or counts[_S.SENDING]:
        if status.driven:
            return State("good", "▶", "running", status.driven)
        return State("waits", "○", "not running")
    if counts[_S.IN_DOUBT]:
        return State("bad", "?", "ended, some in doubt")
    if counts[_S.FAILED]:
        return State("bad", "✕", "ended, some failed")
    return State("good", "✓", "done") if status.total else State("waits", "○", "not planned yet")


def done_of(counts: Mapping[MessageStatus, int]) -> int:
    """How many need nothing more."""
    return sum(counts[status] for status in DONE)


def finish_of(standing: Standing, zone: ZoneInfo, now: float) -> str:
    """When the last message would go, if that is known."""
    if standing.forecast is None:
        return ""
    at = standing.forecast.finish_at(now)
    if at is None:
        return "never, as it stands"
    return f"about {moment(at, zone, now)}" if at - now > 90 else "about now"


def waits_for(standing: Standing, zone: ZoneInfo, now: float) -> str:
    """What the next message waits for."""
    if not standing.binds_now or standing.next_at is None:
        return ""
    return f"next message {moment(standing.next_at, zone, now)}: waits for {standing.binds_now}"


def moment(at: float, zone: ZoneInfo, now: float) -> str:
    """A time of the viewer's zone: `14:05:09` today, else with its day."""
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M:%S}"
    if abs(at - now) < 6 * 86_400:
        return f"{then:%a %H:%M}"
    return f"{then:%Y-%m-%d %H:%M}"


def zone_called(name: str) -> ZoneInfo:
    """The zone that a browser names, UTC for none that is known."""
    try:
        return ZoneInfo(name[:64])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def offset_of(zone: ZoneInfo, now: float) -> str:
    """`UTC+02:00`."""
    told = datetime.fromtimestamp(now, zone).strftime("%z")
    return f"UTC{told[:3]}:{told[3:5]}"


POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Of the image alone: the chart library writes its styles into it. It runs nothing."""

_COLOURS = """<style>
:root { --text: #373c44; --line: #c7ccd6; --sent: #0072b2; --rejected: #d55e00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #c2c7d0; --line: #3a414e; --sent: #56b4e9; --rejected: #f0803c; }
}
text { font-family: system-ui, sans-serif; }
</style>"""


def sends_of(series: Series) -> str:
    """The chart of sends over time, as an SVG file."""
    chart = chart_of(Times("Sends over time", series), "sends")
    head, end, rest = chart.partition(">")
    return head + end + _COLOURS + rest
