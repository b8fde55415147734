"""The poll for replies beside a lane: before its first message, then again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial

from runner.channels.base import UnreadableFeed
from runner.errors import LaneEnding, LedgerError
from runner.events import FollowUpsLeft, Notice
from runner.ledger.campaigns import brakes
from runner.ledger.messages import feeds
from runner.ledger.messages.replies import Heard
from runner.ledger.queries import replied, totals
from runner.replies.opt_out import Wish
from runner.replies.settings import joined
from runner.sending.inbox.reply_reader import ReplyReader
from runner.sending.lane import Lane

JUST_READ = 10.0
"""Seconds after a reading in which a worker's slice begins without another: there may be one every
few seconds. Our own choice."""

SOON = 2.0
"""Seconds after a reading in which what was in no thread of ours is tried again: an answer can be
faster than the outcome of what it answers is committed. Our own choice."""


@asynccontextmanager
async def replies_read(lane: Lane) -> AsyncIterator[None]:
    """Read what people have answered, before the first message where anybody can have, and as often
    as the lane's campaigns say until the lane is driven no more."""
    reader = _reader_of(lane)
    if reader is None:
        yield
        return
    poll = _Poll(lane, reader)
    poll.expect_next()
    now = lane.clock.now()
    feed = lane.ledger.read(feeds.feed_of, lane.id)
    is_slice = lane.idle_after is not None and lane.idle_after < JUST_READ
    is_recent = is_slice and feed is not None and now - feed.read_at < JUST_READ
    since = now - reader.settings.keep
    if feed is None and not lane.ledger.read(feeds.was_written_to, lane.id, since):
        lane.ledger.write(feeds.advance, lane.id, None, now)  # nobody can have answered before
    elif not is_recent:
        await poll.read()
    task = asyncio.create_task(poll.run(), name="replies")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _reader_of(lane: Lane) -> ReplyReader | None:
    """Return the reader of a lane, None where none of its campaigns can hear."""
    for id, settings in lane.campaigns.items():
        if settings.replies is None:
            continue
        conversations = lane.channel(id).conversations
        if conversations is not None:
            every = [each.replies for each in lane.campaigns.values() if each.replies is not None]

            def hasten(doubts: Collection[int]) -> None:
                lane.in_flight.answered |= set(doubts)
                lane.notify(doubt=True)

            return ReplyReader(
                lane.ledger,
                lane.id,
                conversations,
                lane.clock,
                joined(every),
                hasten,
                partial(_heed, lane),
                lane.bus.emit,
            )
    return None


def _heed(lane: Lane) -> None:
    """Hold back what is claimed for people who want no message by now, but is not written yet."""
    claimed = set(lane.in_flight.claimed.values())
    if claimed:
        now = lane.clock.now()
        unwanted = lane.ledger.read(totals.unwanted_among, claimed, now)
        if lane.stops.hold_unwanted(unwanted):
            lane.slots.turn_back()


class _Poll:
    """The readings of one lane. A trouble is told once, until it is another."""

    def __init__(self, lane: Lane, reader: ReplyReader) -> None:
        self._lane = lane
        self._reader = reader
        self._trouble = ""
        self._left: dict[int, int] = {}

    async def run(self) -> None:
        while not self._lane.stops.is_ending:
            rest = self._reader.settings.poll
            if self._reader.heard_open and rest > SOON:
                await asyncio.sleep(SOON)
                rest -= SOON
                await self._take(self._reader.read_unsettled)
            await asyncio.sleep(rest)
            await self.read()

    def expect_next(self) -> None:
        """Tell the lane when replies are read again."""
        next_at = self._lane.clock.boot() + self._reader.settings.poll
        self._lane.in_flight.hears_at = next_at

    async def read(self) -> None:
        """Read once. Never raises: what cannot be read now is read next time."""
        self.expect_next()
        await self._take(self._reader.read)
        self._lane.notify()  # follow-ups may go that waited for this
        self._tell_left()

    def _tell_left(self) -> None:
        """Tell how many follow-ups are left: those to people who have answered are gone."""
        lane = self._lane
        for id in lane.stops.running:
            settings = lane.campaigns[id]
            if settings.has_steps:
                left = lane.ledger.read(totals.follow_ups_to_come, id)
                if left != self._left.get(id):
                    self._left[id] = left
                    lane.bus.emit(FollowUpsLeft(lane.clock.now(), settings.name, left))

    async def _take(self, read: Callable[[], Awaitable[None]]) -> None:
        trouble = ""
        try:
            await read()
        except UnreadableFeed as error:
            trouble = f"replies cannot be read: {error}"
        except (LaneEnding, LedgerError):
            pass  # a ledger that fails is told by the tasks that send
        except Exception as error:
            self._lane.stops.fail(error)  # a lane that hears no more sends no more
        if trouble and trouble != self._trouble:
            self._tell(trouble)
        self._trouble = trouble
        replies, self._reader.news.replies[:] = list(self._reader.news.replies), []
        if replies:
            self._tell(summary(replies))
        for campaign in self._lane.stops.running:
            self._stop_if_unwelcome(campaign)

    def _stop_if_unwelcome(self, campaign: int) -> None:
        """Stop a campaign of whose people too many opt out."""
        lane = self._lane
        with lane.ledger.reading() as connection:
            since = brakes.released_at(connection, campaign)
            counts = replied.answered_since(connection, campaign, since)
        if why := lane.campaigns[campaign].guard.objection(*counts):
            lane.stops.stop_by_guard(campaign, why)

    def _tell(self, text: str) -> None:
        self._lane.bus.emit(Notice(self._lane.clock.now(), text))


def summary(replies: Sequence[Heard]) -> str:
    """Return how many have answered, and what they wish, in words."""
    out = sum(each.said.wish is Wish.OPT_OUT for each in replies)
    unsure = sum(each.said.wish is Wish.UNSURE for each in replies)
    told = "1 new reply" if len(replies) == 1 else f"{len(replies):,} new replies"
    if out:
        told += f"; opted out, and written to no more: {out:,}"
    if unsure:
        told += f"; on hold until a person has read it: {unsure:,}"
    return told
