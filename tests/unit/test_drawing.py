"""What a person sees of a run on a terminal: the lines of the live view and of `status --watch`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from runner.cli.invocation import Invocation
from runner.cli.watch import Board
from runner.events import (
    Braked,
    Event,
    LaneStarted,
    MessageFailed,
    MessageInDoubt,
    MessageRejected,
    MessageSent,
    Reading,
    Released,
    Stopped,
    Waiting,
)
from runner.ledger.messages import queue
from runner.message.status import MessageStatus
from runner.pacing.capacity import SustainedRate
from runner.pacing.forecast import Forecast
from runner.status.overview import Overview
from runner.status.status import Outlook, Status
from runner.terminal import widgets
from runner.terminal.counters import Tally
from runner.terminal.live import display
from runner.terminal.widgets import Part, fit, meter

NOW = 1_790_000_000.0
A, B = "df6jbw4h36qm5d9iu2sgn7kx", "k2v7q9x4m1n8b3c6z5l0p7ty"
NAMES = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["spring", "春のキャンペーン 🌸", "e\u0301te\u0301", "\x1b[2J[bold]loud[/bold]", "a b" * 40]
)
WIDTHS, HEIGHTS = st.integers(20, 200), st.integers(2, 60)


def lines_of(tally: Tally, width: int = 80, height: int = 24) -> str:
    return "\n".join(line.plain for line in display(tally, width, height, command))


def command(word: str, campaign: str) -> str:
    return f"run-campaign {word} campaigns/{campaign}.yaml"


def tallied(*events: Event) -> Tally:
    tally = Tally(lambda: NOW)
    for event in events:
        tally.watch(event)
    return tally


def history(names: Sequence[str], why: str) -> list[Event]:
    """All that can be seen of some campaigns at once."""
    told: list[Event] = [
        Reading(NOW, names[0], 12_000),
        LaneStarted(
            NOW,
            dict.fromkeys(names, 120),
            dict.fromkeys(names, 1),
            NOW + 7200,
            None,
            {A: 60, B: 60},
            why,
            40.0,
            why,
        ),
        Stopped(NOW, B, why),
        Stopped(NOW, "", why),
    ]
    for name in names:
        told += [
            MessageSent(NOW, name, "901", A, "m1", "t1"),
            MessageRejected(NOW, name, "902", A, "recipientUnavailable", why),
            MessageFailed(NOW, name, "903", B, "network", why),
            MessageInDoubt(NOW, name, "904", B, "no_answer", why),
            Braked(NOW, name, "paused", why, ""),
        ]
    return [*told, Waiting(NOW, NOW + 180, why)]


@given(st.lists(NAMES, min_size=1, max_size=6), NAMES, WIDTHS, HEIGHTS)
def test_the_live_view_fits_whatever_is_shown(
    names: list[str], why: str, width: int, height: int
) -> None:
    lines = display(tallied(*history(names, why)), width, height, command)
    assert_fits(lines, width, height)


@given(st.lists(NAMES, min_size=1, max_size=6), NAMES, WIDTHS, HEIGHTS)
def test_watched_status_fits_whatever_is_shown(
    names: list[str], why: str, width: int, height: int
) -> None:
    board = Board(Invocation(["status"]))
    board.add(overview(names, why, sent=5), NOW)
    board.add(overview(names, why, sent=17), NOW + 1)
    assert_fits(fit(board.lines(width, height), width, height), width, height)


def assert_fits(lines: Sequence[Text], width: int, height: int) -> None:
    assert len(lines) <= height
    for line in lines:
        assert line.cell_len <= width
        assert line.plain.isprintable()


def overview(names: Sequence[str], why: str = "per_hour", sent: int = 5) -> Overview:
    counts = dict.fromkeys(MessageStatus, 0) | {
        MessageStatus.SENT: sent,
        MessageStatus.FAILED: 2,
        MessageStatus.IN_DOUBT: 1,
        MessageStatus.QUEUED: 100 - sent,
        MessageStatus.SKIPPED: 3,
    }
    waiting = [queue.SenderQueue(sender, 1, "", 40, 0.0, 1, 40) for sender in (A, B)]
    reasons = [(MessageStatus.FAILED, why, 2)]
    told = Forecast(7200.0, {A: 3600.0, B: 7200.0}, why)
    each = [
        Status(
            name,
            counts,
            reasons,
            [],
            waiting,
            sent,
            file="campaigns/spring.yaml",
            outlook=Outlook(told, why, NOW + 60, SustainedRate(40.0, why)),
        )
        for name in names
    ]
    return Overview("state.db", "", each, None, None)


def test_the_live_view_says_all_that_it_knows() -> None:
    tally = tallied(*history(["spring", "summer"], "per_hour"))
    told = lines_of(tally, 120, 60)
    for words in (
        "1 sent · 1 rejected · 1 failed · 1 in doubt · 117 queued",
        "40 an hour by per_hour",
        "waiting  3 min, until ",
        "PAUSED   spring by per_hour",
        "to go on: run-campaign resume campaigns/spring.yaml",
        "in doubt spring: 1; see run-campaign resolve campaigns/spring.yaml --list",
        "failed   summer: 1; after this run: run-campaign retry campaigns/summer.yaml",
        f"{B} 2 failed · 2 in doubt · 58 queued · STOPPED: per_hour",
        "STOPPED  per_hour",
        "reading  spring: 12,000 rows",
        "rejected: 902: recipientUnavailable",
    ):
        assert words in told, told
    assert "finish" not in told  # it was reckoned with those that are paused
    tally.watch(Released(NOW, "spring", "ada"))
    assert "PAUSED   spring" not in lines_of(tally, 120, 60)


def test_the_finish_is_told_while_all_goes_on() -> None:
    begun = LaneStarted(NOW, {"spring": 120}, {}, NOW + 7200, None, {A: 120}, "150 a day of one")
    assert ", in 2 h; slowest limit: 150 a day of one" in lines_of(tallied(begun))
    sent = [MessageSent(NOW, "spring", str(n), A, "m", "t") for n in range(60)]
    free = LaneStarted(NOW, {"spring": 120}, {}, NOW)
    assert "in 1 s at this rate" in lines_of(tallied(free, *sent))
    few = LaneStarted(NOW, {"spring": 120}, {}, NOW, 80)
    assert "60 sent of the 80 that --limit allows" in lines_of(tallied(few, *sent))


def test_a_wait_is_shown_while_it_lasts_whoever_was_under_way_as_it_began() -> None:
    wait = Waiting(NOW, NOW + 180, "pause of 180 s")
    under_way = MessageSent(NOW + 1, "spring", "901", A, "m", "t")
    assert "waiting  3 min, until" in lines_of(tallied(wait, under_way))
    later = MessageSent(NOW + 60, "spring", "902", A, "m", "t")
    assert "waiting" not in lines_of(tallied(wait, under_way, later))


def test_a_command_is_told_whole_where_there_is_little_room() -> None:
    doubt = MessageInDoubt(NOW, "spring", "904", B, "no_answer", "")
    told = lines_of(tallied(LaneStarted(NOW, {"spring": 9}, {}), doubt), 40, 24)
    assert "in doubt: 1; see\n  run-campaign resolve\n  campaigns/spring.yaml --list" in told


def test_what_a_small_screen_has_no_room_for_is_counted() -> None:
    lines = display(tallied(*history([f"c{n}" for n in range(30)], "why")), 80, 10, command)
    assert len(lines) == 10
    assert lines[-1].plain.startswith("… ")
    assert lines[-1].plain.endswith(" more lines")


def test_watched_status_tells_what_has_changed_in_the_last_minute() -> None:
    board = Board(Invocation(["status"]))
    for after, sent in ((0, 5), (30, 17), (70, 20)):
        board.add(overview(["spring"], sent=sent), NOW + after)
    told = "\n".join(line.plain for line in board.lines(100, 40))
    assert "20 sent (+3) · 2 failed · 1 in doubt · 80 queued · 3 skipped" in told
    assert "to do    2 failed: run-campaign retry campaigns/spring.yaml" in told
    assert "20 in the last hour, of 40 allowed by per_hour" in told


counted = st.integers(0, 10**6)


@given(st.lists(counted, min_size=4, max_size=4), st.integers(4, 100))
def test_a_bar_shows_each_part_in_proportion_and_forgets_none(many: list[int], width: int) -> None:
    makes = (widgets.sent, widgets.not_sent, widgets.in_doubt, widgets.waits)
    parts: list[Part] = [make(n, "word") for make, n in zip(makes, many, strict=True)]
    told = meter(parts, width).plain
    assert len(told) == width
    runs = {sign: len(list(run)) for sign, run in itertools.groupby(told)}
    if sum(many):
        assert set(runs) == {part.sign for part in parts if part.many}
    for part in parts:
        if part.many:
            assert abs(runs[part.sign] - width * part.many / sum(many)) <= len(parts)


@pytest.mark.parametrize("colour", [widgets.GOOD, widgets.BAD, widgets.DOUBT])
def test_colours_can_be_read_on_white_and_on_black(colour: str) -> None:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert 1.05 / (luminance + 0.05) >= 4.5
    assert (luminance + 0.05) / 0.05 >= 4.5
