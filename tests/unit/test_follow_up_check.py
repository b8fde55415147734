"""The check immediately before a follow-up: the thread that it goes in, or why it does not go."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from runner.channels.base import InboundText, ThreadState, UnreadableFeed
from runner.errors import LaneEnding
from runner.events import MessageDeferred, MessageSkipped
from runner.ledger.messages import follow_up_claims
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.queue import QueuedMessage
from runner.message.follow_up import Before, StopOn
from runner.message.status import SkipReason
from runner.sending.inbox.follow_up_check import RETRY_AFTER, is_unanswered, thread_to_follow
from tests.support import SENDER, recipient

ENDS_WITH_OURS = ThreadState(SENDER, ("1",), "ours", False, False, 100.0, "", restricted=False)
GONE_ON = ENDS_WITH_OURS._replace(last_id="newer")
BEFORE = Before("ours", "t1", 100.0, 160.0, frozenset(StopOn))
OUR_WORDS = InboundText("ours", 100.0, "Hi", True)
TEAMS = InboundText("newer", 200.0, "Hi, Kim here", True)
NEWS = InboundText("newer", 200.0, "Yes", False)
QUEUED = QueuedMessage(7, 1, "spring", recipient(1), "nudge", 0, SENDER, "Hi again", follows=True)


class Check:
    """A follow-up that is due, and all that it may ask."""

    def __init__(self) -> None:
        self.before: Before | None = BEFORE
        self.thread = AsyncMock(return_value=ENDS_WITH_OURS)
        self.newest = AsyncMock(return_value=[TEAMS, OUR_WORDS])
        self.known: set[str] = set()
        self.lane = Mock()
        self.lane.clock.now.return_value = self.lane.clock.boot.return_value = 1000.0
        self.lane.stops.is_ending = False
        self.has_answered = False
        self.lane.campaigns = {1: Mock(accepted_at=-math.inf)}
        channel = self.lane.channel.return_value
        channel.conversations = Mock(thread=self.thread, newest=self.newest)
        channel.server_now.return_value = 1000.0
        self.lane.ledger.read = self._read

    def _read(self, question: object, *_asked: object) -> Any:
        return {
            follow_up_claims.before: self.before,
            follow_up_claims.ours_among: self.known,
            follow_up_claims.has_answered: self.has_answered,
        }[question]  # type: ignore[index]

    def __call__(self) -> str:
        return asyncio.run(thread_to_follow(self.lane, QUEUED))

    @property
    def written(self) -> list[Sequence[object]]:
        return [each.args for each in self.lane.ledger.write.call_args_list]

    @property
    def told(self) -> list[object]:
        return [each.args[0] for each in self.lane.bus.emit.call_args_list]


@pytest.fixture
def check() -> Check:
    return Check()


def test_it_goes_in_the_thread_that_ends_with_the_message_before(check: Check) -> None:
    assert check() == "t1"
    check.thread.assert_awaited_once_with("t1")
    assert (check.newest.await_count, check.written, check.told) == (0, [], [])


def test_it_waits_until_it_is_due_by_the_clock_of_the_api_too(check: Check) -> None:
    check.lane.channel.return_value.server_now.return_value = BEFORE.due_at - 10.0
    assert check() == ""
    [(change, *put_off)] = check.written
    assert (change, put_off[0]) == (follow_up_claims.put_off, 7)
    assert len(check.told) == 1


def test_one_in_doubt_is_not_repeated_to_a_person_who_has_answered(check: Check) -> None:
    check.has_answered = True
    assert not asyncio.run(is_unanswered(check.lane, 1, 7))


def test_it_goes_after_another_message_of_this_ledger(check: Check) -> None:
    check.thread.return_value = GONE_ON
    check.known = {"newer"}
    assert check() == "t1"
    assert check.written == []


@pytest.mark.parametrize(
    ("newest", "reason"),
    [
        ([TEAMS, OUR_WORDS], SkipReason.COLLEAGUE),
        ([NEWS, OUR_WORDS], SkipReason.REPLIED),
        (None, SkipReason.THREAD_GONE),
    ],
)
def test_what_ends_it_is_written_down_and_told(
    check: Check, newest: list[InboundText] | None, reason: SkipReason
) -> None:
    check.thread.return_value = GONE_ON
    check.newest.return_value = newest
    assert check() == ""
    [(change, skipped)] = check.written
    assert change is skip_late
    assert isinstance(skipped, dict)
    assert (list(skipped), skipped[7].reason) == ([7], reason)
    [event] = check.told
    assert isinstance(event, MessageSkipped)


@pytest.mark.parametrize("error", [UnreadableFeed("503", 503), LaneEnding("over")])
@pytest.mark.parametrize("asked", ["thread", "newest"])
def test_what_cannot_be_read_waits_and_says_why(check: Check, asked: str, error: Exception) -> None:
    check.thread.return_value = GONE_ON
    getattr(check, asked).configure_mock(side_effect=error)
    assert check() == ""
    [(change, id, until, why)] = check.written
    assert (change, id, until) == (follow_up_claims.put_off, 7, 1000.0 + RETRY_AFTER)
    assert why
    [event] = check.told
    assert isinstance(event, MessageDeferred)


def test_a_run_that_ends_leaves_it_as_it_is(check: Check) -> None:
    check.thread.configure_mock(side_effect=LaneEnding("over"))
    check.lane.stops.is_ending = True
    assert check() == ""
    assert (check.written, check.told) == ([], [])


def test_it_waits_for_the_message_before(check: Check) -> None:
    check.before = None
    assert check() == ""
    assert (check.thread.await_count, check.written) == (0, [])


@pytest.mark.parametrize("unknown", [{"thread": ""}, {"message_id": ""}])
def test_where_the_thread_is_not_known_nothing_follows(
    check: Check, unknown: dict[str, str]
) -> None:
    """A person or `--adopt` has said that the message before was sent."""
    check.before = BEFORE._replace(**unknown)  # type: ignore[arg-type]
    assert check() == ""
    told = LateSkip(SkipReason.THREAD_GONE, "the thread of the message before is not known")
    assert check.written == [(skip_late, {7: told})]
    assert check.thread.await_count == 0


def test_what_a_run_before_an_old_copy_may_have_sent_ends_it(check: Check) -> None:
    check.before = BEFORE._replace(stop_on=frozenset())
    check.thread.return_value = GONE_ON
    assert check() == "t1"
    check.lane.campaigns[1].accepted_at = 900.0
    assert check() == ""
    [(_, skipped)] = check.written
    assert isinstance(skipped, dict)
    assert skipped[7].reason is SkipReason.COLLEAGUE


@pytest.mark.parametrize(
    ("state", "may"),
    [(ENDS_WITH_OURS, True), (GONE_ON, False), (None, False), (UnreadableFeed("503"), False)],
)
def test_one_in_doubt_is_repeated_only_after_the_message_before(
    check: Check, state: object, may: bool
) -> None:
    if isinstance(state, Exception):
        check.thread.configure_mock(side_effect=state)
    else:
        check.thread.return_value = state
    assert asyncio.run(is_unanswered(check.lane, 1, 7)) is may
    check.before = None
    assert not asyncio.run(is_unanswered(check.lane, 1, 7))
