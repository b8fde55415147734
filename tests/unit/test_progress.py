"""How a run is shown: words, tallies, plain lines, JSON, the live display."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from runner.events import (
    Ended,
    Event,
    LaneHandedOn,
    LaneStarted,
    LaneTaken,
    MessageDeferred,
    MessageDoubled,
    MessageFailed,
    MessageInDoubt,
    MessageRejected,
    MessageSent,
    MessageSkipped,
    Notice,
    PersonOptedOut,
    PersonReplied,
    Planned,
    Reading,
    Stopped,
    Waiting,
)
from runner.formats import duration, moment, safe, short
from runner.terminal.counters import Tally
from runner.terminal.display import open_display
from runner.terminal.event_text import event_line
from runner.terminal.live import LiveDisplay
from runner.terminal.plain import EVERY_SENT, EventFile, JsonLines, PlainLines

NOW = 1_790_000_000.0
SENDER = "df6jbw4h36qm5d9iu2sgn7kx"


def sent(id: str = "901", *, settled: bool = False) -> MessageSent:
    return MessageSent(NOW, "spring", id, SENDER, "m1", "t1", settled)


def doubt(id: str = "901") -> MessageInDoubt:
    return MessageInDoubt(NOW, "spring", id, SENDER, "no_answer", "timed out")


def rejected(id: str = "902", detail: str = "no") -> MessageRejected:
    return MessageRejected(NOW, "spring", id, SENDER, "recipientUnavailable", detail)


EVERY_EVENT: list[Event] = [
    Notice(NOW, "v1 stops on 2026-12-03"),
    Reading(NOW, "spring", 1000),
    Planned(NOW, "spring", 12, 1, 2, 3, 4),
    Planned(NOW, "spring", 0, 0, 0, 0, 0, unchanged=True),
    LaneStarted(NOW, {"spring": 12}, {"spring": 1}, NOW + 3600),
    sent(),
    sent(settled=True),
    rejected(),
    MessageDeferred(NOW, "spring", "903", SENDER, "network", ""),
    MessageFailed(NOW, "spring", "904", SENDER, "network", "refused"),
    doubt(),
    LaneTaken(NOW, "https://inboxapp.com|t1", ("spring",)),
    LaneHandedOn(NOW, "https://inboxapp.com|t1", NOW + 60),
    LaneHandedOn(NOW, "https://inboxapp.com|t1", None),
    MessageDoubled(NOW, "spring", "905", SENDER, "m2"),
    PersonReplied(NOW, "spring", "906", SENDER, "1", "t1", "r1"),
    PersonOptedOut(NOW, "spring", "906", SENDER, "1", "t1", "r1"),
    Waiting(NOW, NOW + 60, "300 a minute of the team"),
    Waiting(NOW, None, "an answer"),
    Stopped(NOW, SENDER, "is offline"),
    Stopped(NOW, "", "10 in a row"),
    Ended(NOW, "spring", {"sent": 12}),
]


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> float:
        return self.at


@given(st.text())
def test_nothing_that_is_shown_can_steer_a_terminal(text: str) -> None:
    for told in (safe(text), short(text, 30)):
        assert told.isprintable()
        told.encode()
    assert len(short(text, 30)) <= 30
    assert all(line.isprintable() for line in safe(text, lines=True).split("\n"))


def test_escapes_are_told_and_line_ends_kept_where_wanted() -> None:
    assert safe("\x1b[2J\r\nEve\u202e") == "\\x1b[2J\\r\\nEve\\u202e"
    assert safe("a\nb\tc", lines=True) == "a\nb\\tc"
    assert short("a  long\nname of somebody", 10) == "a long na…"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0 s"),
        (45, "45 s"),
        (99.4, "99 s"),
        (120, "2 min"),
        (5999, "1 h 40 min"),
        (7200, "2 h"),
        (86400 * 2, "2 d"),
        (86400 * 2 + 3600 * 4, "2 d 4 h"),
    ],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_moments_say_the_day_when_it_is_another() -> None:
    assert re.fullmatch(r"\d\d:\d\d", moment(NOW, NOW))
    assert re.fullmatch(r"\w{3} \d\d:\d\d", moment(NOW + 86400 * 2, NOW))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", moment(NOW - 86400 * 30, NOW))


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: event.name)
def test_every_event_fits_its_line_and_the_json_log(event: Event) -> None:
    assert len(event_line(event, 40)) <= 40
    out = io.StringIO()
    JsonLines(out).watch(event)
    told = json.loads(out.getvalue())
    assert told["event"] == event.name
    assert told["at"] == NOW


def test_lines_say_what_happened() -> None:
    assert event_line(EVERY_EVENT[2]) == (
        "spring: planned 12 new, 1 queued again, 2 changed, 3 skipped, 4 removed"
    )
    assert "settling 1 in doubt" in event_line(EVERY_EVENT[4])
    assert event_line(rejected()) == "rejected: 902: recipientUnavailable: no"
    assert event_line(EVERY_EVENT[1]) == event_line(EVERY_EVENT[-1]) == ""


def test_a_tally_follows_messages_through_doubt() -> None:
    tally = Tally(Time())
    tally.watch(LaneStarted(NOW, {"spring": 5}, {"spring": 1}))
    line = tally.campaigns["spring"]
    assert (line.total, line.in_doubt) == (6, 1)
    tally.watch(doubt("old"))  # looked up, still unknown: it was counted before
    assert line.in_doubt == 1
    tally.watch(sent("old", settled=True))
    assert (line.sent, line.in_doubt) == (1, 0)
    tally.watch(doubt("new"))
    tally.watch(doubt("new"))
    assert line.in_doubt == 1
    tally.watch(sent("new", settled=True))
    tally.watch(sent("other"))
    tally.watch(rejected())
    assert (line.sent, line.rejected, line.in_doubt, line.queued) == (3, 1, 0, 2)
    assert tally.sent == 1


@pytest.mark.parametrize(
    ("kind", "total", "failed", "of_sender"),
    [(MessageDeferred, 6, 0, 1), (MessageFailed, 6, 1, 1), (MessageSkipped, 5, 0, 0)],
)
def test_a_tally_lets_go_of_an_earlier_runs_doubt_that_is_settled_otherwise(
    kind: Callable[..., Event], total: int, failed: int, of_sender: int
) -> None:
    tally = Tally(Time())
    tally.watch(LaneStarted(NOW, {"spring": 5}, {"spring": 1}))
    tally.watch(kind(NOW, "spring", "old", SENDER, "absent", "", settled=True))
    line = tally.campaigns["spring"]
    assert (line.total, line.failed, line.in_doubt) == (total, failed, 0)
    assert tally.senders[SENDER].total == of_sender
    tally.watch(doubt("new"))
    assert line.in_doubt == 1


def test_a_tally_begins_with_what_earlier_runs_have_come_to() -> None:
    tally = Tally(Time())
    before = {"spring": {"sent": 7, "rejected": 1, "failed": 2}}
    tally.watch(LaneStarted(NOW, {"spring": 11}, {"spring": 1}, before=before))
    tally.watch(sent())
    line = tally.campaigns["spring"]
    assert (line.total, line.sent, line.rejected, line.failed) == (22, 8, 1, 2)
    assert (line.in_doubt, line.queued) == (1, 10)
    assert tally.sent == 1


def test_the_rate_is_that_of_the_last_minute() -> None:
    time = Time()
    tally = Tally(time)
    assert tally.per_minute() == 0
    for _ in range(120):
        tally.watch(sent())
        time.at += 1
    assert tally.per_minute() == pytest.approx(60, rel=0.05)
    time.at += 120
    assert tally.per_minute() == 0


def plain(make: Callable[[Tally], list[Event]], **how: bool) -> list[str]:
    tally, out = Tally(Time()), io.StringIO()
    lines = PlainLines(out, tally, **how)
    for event in make(tally):
        tally.watch(event)
        lines.watch(event)
    return out.getvalue().splitlines()


def test_plain_lines_tell_problems_each_and_progress_by_the_hundred() -> None:
    def events(_: Tally) -> list[Event]:
        many: list[Event] = [sent(str(n)) for n in range(EVERY_SENT * 2 + 5)]
        return [LaneStarted(NOW, {"spring": 300}, {}), *many, rejected(), EVERY_EVENT[8]]

    told = plain(events)
    assert told[0] == "sending 300"
    assert [line for line in told if line.startswith("sent ")] == [
        "sent 100 of 300, 6000 a minute",
        "sent 200 of 300, 12000 a minute",
    ]
    assert told[-1].startswith("rejected: 902")
    assert len(plain(events, verbose=True)) == 1 + 205 + 2
    assert plain(events, quiet=True) == ["rejected: 902: recipientUnavailable: no"]


def test_plain_lines_tell_progress_every_ten_seconds() -> None:
    time = Time()
    tally, out = Tally(time), io.StringIO()
    lines = PlainLines(out, tally)
    tally.watch(LaneStarted(NOW, {"spring": 3}, {}, NOW + 600))
    for _ in range(3):
        time.at += 6
        tally.watch(sent())
        lines.watch(sent())
    assert len(out.getvalue().splitlines()) == 1
    assert "until about" in out.getvalue()


def test_plain_lines_tell_a_short_wait_once_and_a_long_one_always() -> None:
    gap, day = "pause of 180 s", "150 a day of a sender"

    def events(_: Tally) -> list[Event]:
        short_ones = [Waiting(NOW, NOW + 90, gap) for _ in range(5)]
        return [*short_ones, *(Waiting(NOW, NOW + 7200, day) for _ in range(2))]

    told = plain(events)
    assert told[0] == "waiting 90 s: pause of 180 s"
    assert len(told) == 3
    assert re.fullmatch(r"waiting until .*\d\d:\d\d: 150 a day of a sender", told[1])


class Gone(io.StringIO):
    """A stream whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def isatty(self) -> bool:
        return False


def test_an_output_that_is_gone_falls_silent() -> None:
    for watcher in (JsonLines(Gone()), PlainLines(Gone(), Tally())):
        watcher.watch(rejected())
        watcher.watch(rejected())
        with watcher.paused():
            pass


def test_events_are_appended_to_a_file_from_run_to_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        EventFile(path).watch(rejected())
    assert path.read_text().splitlines() == [json.dumps(rejected().fields())] * 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_stops_nothing() -> None:
    EventFile(Path("/dev/full")).watch(rejected())


def test_an_event_after_one_that_found_no_room_is_a_line_of_its_own(tmp_path: Path) -> None:
    """A write may be cut where the disk ends."""
    path = tmp_path / "events.jsonl"
    watcher, write = EventFile(path), os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[:8]))
        watcher.watch(rejected())
    watcher.watch(rejected())
    assert path.read_text().splitlines() == ['{"event"', json.dumps(rejected().fields())]


def test_a_live_display_keeps_still_while_somebody_is_asked() -> None:
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True)
    tally = Tally(Time())
    with LiveDisplay(console, tally, verbose=True) as display:
        for event in EVERY_EVENT:
            tally.watch(event)
            display.watch(event)
        with display.paused():
            before = out.getvalue()
            tally.watch(sent())
            assert out.getvalue() == before
    assert "v1 stops on" in out.getvalue()
    assert "DOUBLED" in out.getvalue()


def test_what_suits_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    def kind(out: io.StringIO, *, as_json: bool = False, quiet: bool = False) -> str:
        with open_display(out, Tally(), as_json=as_json, quiet=quiet, verbose=False) as found:
            return type(found).__name__

    monkeypatch.setenv("TERM", "xterm")
    assert kind(Screen()) == "LiveDisplay"
    assert kind(io.StringIO()) == "PlainLines"
    assert kind(Screen(), quiet=True) == "PlainLines"
    assert kind(Screen(), as_json=True) == "JsonLines"
    monkeypatch.setenv("TERM", "dumb")
    assert kind(Screen()) == "PlainLines"
