"""The reader of replies: what people have written to a team since the last time, read from its
events, and from the threads themselves where events may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from runner.channels.base import Conversations, OldestEvent, Received, ThreadState, UnreadableFeed
from runner.clock import Clock
from runner.events import AnswerEvent, PersonOptedOut, PersonReplied
from runner.ledger.ledger import Connection, Ledger
from runner.ledger.messages import feeds, replies
from runner.ledger.messages.feeds import Feed
from runner.ledger.messages.replies import Batch, DoubtIn, Heard, Kind, News, OurThread
from runner.replies.match import answered
from runner.replies.opt_out import Said, Wish, read
from runner.replies.settings import ReplySettings

P = ParamSpec("P")
T = TypeVar("T")

UNSETTLED_AT_ONCE = 100
"""Messages of which something has to be found out still that one reading looks at."""

TEXTS_A_COMMIT = 20
"""Messages that are read one by one before what they have changed is committed."""

READ_BACK_AT_ONCE = 30
"""Threads that are read back between two readings of the events: a tenth of the team's requests of
a minute, or a fifth. Our own choice."""

DOUBTS_LOOKED_FOR = 20
"""Threads that are none of ours that one reading looks at, for messages in doubt."""

TEAM_WIDE = (0, 401, 403, 429)
"""HTTP statuses (0: no answer) after which nothing else can be read either."""

GONE = Said(Wish.UNSURE)
"""A reply that was deleted before it was read: a person has to see to it."""


def _is_past(oldest: OldestEvent, cursor: int | None, read_at: float) -> bool:
    """Return whether events between our place and the oldest that is kept may be gone. `read_at`:
    when the place was taken, where there was no event yet."""
    return oldest.at > read_at if cursor is None else oldest.seq > cursor + 1


@dataclass(slots=True)
class ReplyReader:
    """The reader of a lane's replies. `hasten`: told which doubts may be settled, since their
    people have answered; `heed`: called when people who want no message, or may want none, are on
    disk; `tell`: given the events of answers that are on disk; `heard_open`: whether the last
    reading heard anything whose thread is none of ours."""

    ledger: Ledger
    lane: str
    conversations: Conversations
    clock: Clock
    settings: ReplySettings
    hasten: Callable[[Collection[int]], None] = lambda _ids: None
    heed: Callable[[], None] = lambda: None
    tell: Callable[[AnswerEvent], None] = lambda _event: None
    heard_open: bool = False
    news: News = field(default_factory=News)
    """The news of all readings so far."""
    _began: float = 0.0
    _sought: set[DoubtIn] = field(default_factory=set)  # whose threads are not known
    _looked: set[str] = field(default_factory=set)  # threads that are of none of them

    async def read(self, most_threads: int = READ_BACK_AT_ONCE) -> None:
        """Read all events since the last time, and this many threads where events may be lost.
        Raises UnreadableFeed where something cannot be read now: what was read counts."""
        now = self._began = self.clock.now()
        self.heard_open = False
        feed = await asyncio.to_thread(self.ledger.read, feeds.feed_of, self.lane)
        if feed is None or feed.is_quiet(now):
            await self._tear()
        await self._read_events(feed)
        await self._learn_threads()
        await self.read_unsettled()
        await self._read_back(most_threads)

    async def _tear(self, *, from_start: bool = False) -> None:
        now = self.clock.now()
        since = now - self.settings.keep
        await self._write(feeds.tear, self.lane, now, since, from_start)

    async def _read_events(self, feed: Feed | None) -> None:
        cursor = None if feed is None else feed.cursor
        while True:
            try:
                page = await self.conversations.received(cursor)
            except UnreadableFeed as error:
                if error.status != 400 or cursor is None:
                    raise
                await self._tear(from_start=True)  # the API knows no such place any more
                cursor = None
                continue
            if feed is not None and page.has_more:  # of each page: others come while texts are read
                oldest = await self.conversations.oldest()
                if oldest is not None and _is_past(oldest, cursor, feed.read_at):
                    await self._tear()
            await self._take(page.received, page.last_seq, to_end=not page.has_more)
            if not page.has_more:
                return
            cursor = page.last_seq

    async def _take(
        self, received: Sequence[Received], last_seq: int | None, *, to_end: bool
    ) -> None:
        """Record a page of events, a part at a time, each with the place in the feed."""
        known = await self._settled([each.message_id for each in received])
        ours = await self._ours([each.thread_id for each in received])
        heard: list[Heard] = []
        texts = 0
        try:
            for each in received:
                if each.message_id in known:
                    continue
                if texts == TEXTS_A_COMMIT:
                    await self._record(heard, each.seq - 1)
                    heard, texts = [], 0
                thread = ours.get(each.thread_id)
                if thread is None:
                    heard.append(Heard(each.message_id, each.thread_id, each.at, Kind.OPEN))
                    continue
                heard.append(await self._hear(each, thread))
                texts += 1
        except UnreadableFeed:
            await self._record(heard, each.seq - 1)
            raise
        await self._record(heard, last_seq, to_end=to_end)
        unknown = [each.thread_id for each in heard if each.kind is Kind.OPEN]
        self.heard_open |= bool(unknown)
        await self._hasten(unknown)

    async def _hear(self, event: Received, thread: OurThread) -> Heard:
        """Read a message in a thread of ours, if it can be read."""
        id, where = event.message_id, event.thread_id
        try:
            found = await self.conversations.text(id)
        except UnreadableFeed as error:
            if error.status in TEAM_WIDE:
                raise
            ours = answered(event.at, thread.ours)
            if ours is None:
                return Heard(id, where, event.at, Kind.NONE)
            return Heard(id, where, event.at, Kind.UNREAD, ours.id)
        at = event.at if found is None else found.at
        ours = answered(at, thread.ours)
        if ours is None or (found is not None and found.ours):
            return Heard(id, where, at, Kind.NONE)
        said = GONE if found is None else read(found.text, self.settings.stop)
        people: tuple[str, ...] = ()
        if said.wish is not Wish.NONE:
            people = await self._people(where)
        return Heard(id, where, at, Kind.REPLY, ours.id, said, people)

    async def _people(self, thread: str) -> tuple[str, ...]:
        """Return every id of a thread's person, as far as they can be read."""
        state = await self._thread(thread)
        return () if state is None else state.people

    async def _thread(self, thread: str) -> ThreadState | None:
        try:
            return await self.conversations.thread(thread)
        except UnreadableFeed as error:
            if error.status in TEAM_WIDE or error.status >= 500:
                raise
            return None

    async def _hasten(self, threads: Sequence[str]) -> None:
        """Look for messages in doubt in threads that are none of ours yet."""
        if not threads:
            return
        doubts = await asyncio.to_thread(self.ledger.read, replies.doubts, self.lane)
        if not doubts:
            return
        found: set[int] = set()
        for thread in list(dict.fromkeys(threads))[-DOUBTS_LOOKED_FOR:]:
            found |= await self._of_thread(thread, doubts)
        if found:
            self.hasten(found)

    async def _learn_threads(self) -> None:
        """Look for the threads of what a person has called sent: the API was not asked, so that
        they are not known until the person writes there."""
        sought = await asyncio.to_thread(self.ledger.read, replies.without_thread, self.lane)
        if not sought:
            return
        if not self._sought.issuperset(sought):
            self._looked.clear()
        self._sought = set(sought)
        threads = await asyncio.to_thread(self.ledger.read, replies.open_threads, self.lane)
        for thread in [each for each in threads if each not in self._looked][:DOUBTS_LOOKED_FOR]:
            if found := await self._of_thread(thread, sought):
                await self._write(replies.learn_thread, found, thread, self.clock.now())
            self._looked.add(thread)

    async def _of_thread(self, thread: str, sought: Sequence[DoubtIn]) -> set[int]:
        """Return those of these messages that went from a thread's account to its person."""
        state = await self._thread(thread)
        if state is None:
            return set()
        of = (each for each in sought if each.sender == state.sender)
        return {each.id for each in of if each.recipient in state.people}

    async def read_unsettled(self) -> None:
        """Read what has become a reply since it was heard, and what could not be read then."""
        left = await asyncio.to_thread(
            self.ledger.read, replies.unsettled, self.lane, UNSETTLED_AT_ONCE
        )
        ours = await self._ours([each.thread_id for each in left])
        for each in left:
            event = Received(each.message_id, each.thread_id, each.at, 0)
            if (thread := ours.get(each.thread_id)) is not None:
                await self._record([await self._hear(event, thread)], None)

    async def _read_back(self, most: int) -> None:
        wanted = await asyncio.to_thread(self.ledger.read, feeds.to_read_back, self.lane, most)
        ours = await self._ours(wanted)
        for thread in wanted:
            await self._read_thread(thread, ours.get(thread))

    async def _read_thread(self, id: str, ours: OurThread | None) -> None:
        """Read one thread itself."""
        now = self.clock.now()
        try:
            state = None if ours is None else await self.conversations.thread(id)
            if ours is None or state is None:  # it is gone, or ours no more
                await self._write(replies.record, Batch(self.lane, now, thread=id))
                return
            if state.syncing or not state.last_id:  # that nothing is there proves nothing yet
                await self._write(feeds.try_again, self.lane, id, now)
                return
            is_ours = state.last_id == ours.newest_id and len(ours.ours) == 1
            found = [] if is_ours else await self.conversations.newest(id)
        except UnreadableFeed as error:
            if error.status in TEAM_WIDE:
                raise
            await self._write(feeds.try_again, self.lane, id, now)
            return
        theirs = [each for each in found or [] if not each.ours]
        known = await self._settled([each.id for each in theirs])
        heard = []
        for each in theirs:
            mine = answered(each.at, ours.ours)
            if each.id not in known and mine is not None:
                said = read(each.text, self.settings.stop)
                people = state.people if said.wish is not Wish.NONE else ()
                heard.append(Heard(each.id, id, each.at, Kind.REPLY, mine.id, said, people))
        await self._keep(Batch(self.lane, now, heard, thread=id))

    async def _record(
        self, heard: Sequence[Heard], cursor: int | None, *, to_end: bool = False
    ) -> None:
        up_to = self._began if to_end else None
        await self._keep(Batch(self.lane, self.clock.now(), heard, cursor, read_up_to=up_to))

    async def _keep(self, batch: Batch) -> None:
        await _to_its_end(self._record_and_tell(batch))
        if any(each.said.wish is not Wish.NONE or each.kind is Kind.UNREAD for each in batch.heard):
            self.heed()

    async def _record_and_tell(self, batch: Batch) -> None:
        """Record a batch, and tell of each answer once: a process that dies in between tells less
        than is on disk, never more."""
        news = await asyncio.to_thread(self.ledger.write, replies.record, batch)
        self.news.replies.extend(news.replies)
        now = self.clock.now()
        for each in news.answers:
            *about, is_new, is_opt_out = each
            if is_new:
                self.tell(PersonReplied(now, *about))
            if is_opt_out:
                self.tell(PersonOptedOut(now, *about))

    async def _settled(self, ids: Sequence[str]) -> set[str]:
        if not ids:
            return set()
        return await asyncio.to_thread(self.ledger.read, replies.settled, self.lane, ids)

    async def _ours(self, threads: Sequence[str]) -> dict[str, OurThread]:
        if not threads:
            return {}
        return await asyncio.to_thread(
            self.ledger.read, replies.threads_of_ours, self.lane, threads
        )

    async def _write(
        self, move: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Commit, to its end even when this task is cancelled meanwhile."""

        def write() -> T:
            return self.ledger.write(move, *args, **kwargs)

        return await _to_its_end(asyncio.to_thread(write))


async def _to_its_end(whole: Coroutine[Any, Any, T]) -> T:
    """Wait for something that goes on to its end even when this task is cancelled meanwhile."""
    task = asyncio.create_task(whole)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
