"""The reader of replies against the sandbox's people: every way in which a reply can be missed, be
taken for one, or count twice; on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import event, select

from runner.channels.base import Channel, EventPage, Received, UnreadableFeed
from runner.channels.v2.inbox_v2 import InboxV2
from runner.channels.v2.inbox_v2_conversations import ConversationsV2
from runner.events import AnswerEvent
from runner.ledger.campaigns import bound_team
from runner.ledger.doubts import resolutions
from runner.ledger.doubts.settlements import Settlement, settle
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions, feeds, outcomes, replies
from runner.ledger.messages.outcomes import Result
from runner.ledger.people import holds
from runner.ledger.schema import inbound, message, suppression
from runner.message.evidence import Evidence
from runner.message.outcome import Accepted
from runner.replies.settings import ReplySettings
from runner.sandbox.answers import read_answers
from runner.sandbox.feed import FeedSettings
from runner.sandbox.server import Sandbox
from runner.sending.controls.stops import Stops
from runner.sending.inbox import reply_poll
from runner.sending.inbox.reply_reader import ReplyReader
from tests.contract.channel_support import channel_to
from tests.support import (
    LANE,
    ORIGIN,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

START = 1_790_000_000.0
DAY = 86400.0


@dataclass
class Time:
    """The one clock of sandbox, channel and reader."""

    at: float = START

    def __call__(self) -> float:
        return self.at

    def now(self) -> float:
        return self.at

    def boot(self) -> float:
        return self.at


@dataclass
class Team:
    """A team that has written to people, and hears them."""

    ledger: Ledger
    sandbox: Sandbox
    channel: Channel
    time: Time
    settings: ReplySettings = field(default_factory=ReplySettings)
    hastened: set[int] = field(default_factory=set)
    told: list[AnswerEvent] = field(default_factory=list)
    _names: int = 0

    async def write_to(
        self, *ids: int, lost: bool = False, late: bool = False, refused_before: float = 0.0
    ) -> dict[int, Any]:
        """Send to these people. `lost`: no answer was heard; `late`: its outcome is for the test to
        record; `refused_before`: seconds before, a try was refused. Returns the rows, or how to
        record them."""
        self._names += 1
        row = make_campaign(self.ledger, f"spring{self._names}")
        self.ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
        make_queue(self.ledger, row, list(ids))
        run, epoch = own_lane(self.ledger)
        made: dict[int, Any] = {}
        for id in ids:
            with self.ledger.reading() as connection:
                of = message.c.campaign == row.id, message.c.recipient == str(id)
                made[id] = connection.execute(select(message.c.id).where(*of)).scalar_one()
            key = f"{row.name}-{id}"
            values: Any = {
                "campaign": row.id,
                "recipient": recipient(id),
                "key": key,
                "started_at": self.time.at,
                "server_at": self.time.at,
            }
            if refused_before:
                at = self.time.at - refused_before
                earlier = make_intent(made[id], run, epoch, **values)
                earlier = earlier._replace(started_at=at, server_at=at)
                refused = Result(
                    made[id], claim_one(self.ledger, earlier), Evidence.DEFERRED, at, not_before=at
                )
                self.ledger.write(outcomes.record, [refused])
            number = claim_one(self.ledger, make_intent(made[id], run, epoch, **values))
            body = self.channel.compose(SENDER, recipient(id), "Hi")
            told = (await self.channel.send(body, key, None)).outcome
            assert isinstance(told, Accepted)
            proof = Evidence.UNKNOWN if lost else Evidence.ACCEPTED
            api: Any = {} if lost else {"message_id": told.message_id, "thread_id": told.thread_id}
            done = Result(made[id], number, proof, self.time.at, **api)
            if late:
                made[id] = done
            else:
                self.ledger.write(outcomes.record, [done])
        return made

    async def read(self, **more: Any) -> list[str]:
        """Read once, as a new process would; return who has answered that is new."""
        assert self.channel.conversations is not None
        reader = ReplyReader(
            self.ledger,
            LANE,
            self.channel.conversations,
            self.time,
            self.settings,
            self.hastened.update,
            tell=self.told.append,
        )
        await reader.read(**more)
        return [each.message_id for each in reader.news.replies]

    def says(self, id: int, text: str) -> str:
        return self.sandbox.receive(SENDER, str(id), text).id

    @property
    def replied(self) -> dict[str, str]:
        """The ids of the messages that are replies, with their kinds."""
        with self.ledger.reading() as connection:
            wanted = select(inbound.c.message_id, inbound.c.kind)
            found = connection.execute(wanted.where(inbound.c.answers.is_not(None)))
            return {row[0]: row[1] for row in found}

    @property
    def listed(self) -> set[str]:
        with self.ledger.reading() as connection:
            return set(connection.execute(select(suppression.c.recipient)).scalars())

    @property
    def requests(self) -> dict[str, int]:
        counts: dict[str, int] = self.sandbox.requests["counts"]
        return counts


@pytest.fixture
async def team(ledger: Ledger, request: pytest.FixtureRequest) -> AsyncIterator[Team]:
    time = Time()
    options: dict[str, Any] = getattr(request, "param", {})
    sandbox = Sandbox(clock=time, per_minute=None, per_hour=None, per_day=None, **options)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(sandbox.serve())
        channel = await stack.enter_async_context(
            channel_to("v2", f"{base}/api", token="sandbox-token")
        )
        yield Team(ledger, sandbox, channel, time)


def with_options(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("team", [options], indirect=True)


async def test_a_reply_is_read_once(team: Team) -> None:
    await team.write_to(1, 2)
    reply = team.says(1, "Sounds good")
    assert await team.read() == [reply]
    assert await team.read() == []
    second = team.says(1, "And one more thing")
    assert await team.read() == [second]
    assert team.replied == {reply: "reply", second: "reply"}


async def test_answers_are_told_once_as_they_are_on_disk(team: Team) -> None:
    """Whoever reads them, and without a word of what was written."""
    await team.write_to(1, 2)
    first, second = team.says(1, "Sounds good"), team.says(2, "STOP")
    await team.read()
    await team.read()
    [reply, other, out] = team.told
    assert (reply.name, other.name, out.name) == ("replied", "replied", "opted_out")
    assert (reply.reply_id, other.reply_id, out.reply_id) == (first, second, second)
    assert reply.fields() | {"thread_id": ""} == {
        "event": "replied",
        "at": team.time.at,
        "campaign": "spring1",
        "recipient": "1",
        "sender": SENDER,
        "step": "1",
        "thread_id": "",
        "reply_id": first,
    }
    assert "STOP" not in str(team.told)


async def test_what_is_committed_as_a_reading_is_cancelled_is_told(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    await team.write_to(1)
    reply = team.says(1, "Yes")
    committing, goes_on = asyncio.Event(), threading.Event()
    loop, record = asyncio.get_running_loop(), replies.record

    def slow(*args: Any) -> Any:
        loop.call_soon_threadsafe(committing.set)
        goes_on.wait(60)
        return record(*args)

    monkeypatch.setattr(replies, "record", slow)
    reading = asyncio.create_task(team.read())
    await committing.wait()
    reading.cancel()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [each.reply_id for each in team.told] == [reply]
    assert team.replied == {reply: "reply"}


async def test_what_is_no_reply(team: Team) -> None:
    """What they wrote before us, a stranger's message, our own side's, reactions, typing, edits and
    deletions."""
    team.says(1, "stop")
    team.time.at += 60
    await team.write_to(1)
    team.time.at += 60
    team.says(77, "stop")
    team.sandbox.act(SENDER, "1", react="👍")
    team.sandbox.act(SENDER, "1", type=True)
    team.sandbox.act(SENDER, "1", edit="stop")
    team.sandbox.act(SENDER, "1", delete="all")
    team.sandbox.act(SENDER, "1", colleague="stop")
    team.sandbox.act(SENDER, "1", outside="stop")
    assert await team.read() == []
    assert await team.read() == []
    assert (team.replied, team.listed) == ({}, set())
    assert team.ledger.read(holds.listed, team.time.at) == []


async def test_a_text_of_another_conversation_is_never_asked_for(team: Team) -> None:
    await team.write_to(1)
    await team.read()
    before = dict(team.requests)
    team.says(77, "private")
    await team.read()
    new = {name: count - before.get(name, 0) for name, count in team.requests.items()}
    assert {name for name, count in new.items() if count} == {"GET /api/v2/events 200"}


async def test_an_opt_out_is_obeyed_for_every_id_of_the_person(team: Team) -> None:
    await team.write_to(1, 2)
    team.says(1, "STOP please")
    team.says(2, "We have got to stop this bill")
    await team.read()
    assert "1" in team.listed
    assert len(team.listed) == 2  # the id that was written to, and the contact's
    assert {each.recipient for each in team.ledger.read(holds.listed, team.time.at)} > {"2"}


async def test_a_reply_that_is_faster_than_our_outcome_is_matched_afterwards(team: Team) -> None:
    done = await team.write_to(1, late=True)
    reply = team.says(1, "stop")
    assert await team.read() == []
    assert team.listed == set()
    team.ledger.write(outcomes.record, [done[1]])
    assert await team.read() == [reply]
    assert "1" in team.listed


async def test_a_reply_makes_the_look_up_of_a_doubt_due(team: Team) -> None:
    rows = await team.write_to(1, 2, lost=True)
    team.says(1, "Who is this?")
    team.says(77, "Hello")
    assert await team.read() == []
    assert team.hastened == {rows[1]}


@pytest.mark.parametrize("heard_before", [True, False])
async def test_who_answers_what_a_person_called_sent_is_heard(
    team: Team, heard_before: bool
) -> None:
    """By such a word nobody knows the thread, until they write in it."""
    rows = await team.write_to(1, lost=True)
    if heard_before:
        team.says(77, "Hello")
        out = team.says(1, "stop")
        await team.read()
    with team.ledger.writing() as connection:
        resolutions.resolve(connection, 1, [Settlement(rows[1], Evidence.SAID_SENT, START)])
    if not heard_before:
        await team.read()
        team.says(77, "Hello")
        out = team.says(1, "stop")
    assert await team.read() == [out]
    assert "1" in team.listed
    before = dict(team.requests)
    await team.read()
    asked = {name for name, count in team.requests.items() if count > before.get(name, 0)}
    assert asked == {"GET /api/v2/events 200"}


@with_options(feed=FeedSettings(double_every=1, hole_every=2, page=1))
async def test_doubled_events_holes_and_short_pages_change_nothing(team: Team) -> None:
    await team.write_to(1, 2, 3)
    said = [team.says(id, "Yes") for id in (1, 2, 3, 1)]
    assert await team.read() == said
    assert await team.read() == []


@with_options(feed=FeedSettings(delay=30.0))
async def test_an_event_that_shows_late_is_read_later(team: Team) -> None:
    await team.write_to(1)
    await team.read()
    reply = team.says(1, "Yes")
    assert await team.read() == []
    team.time.at += 30
    assert await team.read() == [reply]


async def test_a_message_that_cannot_be_read_holds_the_person_until_it_can(team: Team) -> None:
    await team.write_to(1, 2)
    await team.read()
    first, second = team.says(1, "stop"), team.says(2, "Yes")
    team.sandbox.service.faults.replace([f"error_before:on=lookup,recipient={first}"])
    assert await team.read() == [first, second]
    assert await team.read() == []
    assert team.replied == {first: "unread", second: "reply"}
    assert team.listed == set()
    assert [each.recipient for each in team.ledger.read(holds.listed, team.time.at)] == ["1"]
    team.sandbox.service.faults.replace([])
    await team.read()
    assert "1" in team.listed
    assert team.ledger.read(holds.listed, team.time.at) == []
    assert team.replied == {first: "reply", second: "reply"}


@pytest.mark.slow
async def test_an_outage_loses_nothing(team: Team) -> None:
    """Whatever request fails, the next reading goes on from there."""
    await team.write_to(*range(1, 31))
    said = [team.says(id, "stop" if id % 3 == 0 else "Yes") for id in range(1, 31)]
    heard: list[str] = []
    for number in range(200):
        team.sandbox.service.faults.replace([f"reset_before:on=any,every={2 + number % 5}"])
        try:
            heard += await team.read()
        except UnreadableFeed:
            continue
    team.sandbox.service.faults.replace([])
    heard += await team.read()
    assert set(team.replied) == set(said)
    assert {str(id) for id in range(3, 31, 3)} <= team.listed


@with_options(feed=FeedSettings(kept=40))
async def test_a_feed_that_has_lost_events_is_healed_thread_by_thread(team: Team) -> None:
    """More than a page of events since the last reading, and the oldest kept is past our place."""
    await team.write_to(1, 2, 3)
    await team.read()
    team.time.at += 60
    lost = team.says(1, "stop")
    team.sandbox.service.store.feed.settings.page = 20
    for _ in range(60):
        team.sandbox.act(SENDER, "3", type=True)
    assert team.ledger.read(feeds.feed_of, LANE).torn_at is None  # type: ignore[union-attr]
    assert await team.read(most_threads=1) in ([lost], [])
    assert team.ledger.read(feeds.feed_of, LANE).torn_at is not None  # type: ignore[union-attr]
    await team.read()
    assert team.replied == {lost: "reply"}
    assert "1" in team.listed
    assert team.ledger.read(feeds.feed_of, LANE).torn_at is None  # type: ignore[union-attr]


@pytest.mark.slow
@with_options(feed=FeedSettings(kept=40, page=5))
async def test_events_that_are_lost_while_texts_are_read_are_noticed(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy team's events go while page after page is read."""
    await team.write_to(*range(1, 11))
    await team.read()
    said = [team.says(id, "stop") for id in range(1, 11)]
    assert team.channel.conversations is not None
    text = team.channel.conversations.text

    async def slow(message_id: str) -> Any:
        monkeypatch.undo()
        for id in range(40):
            team.says(1000 + id, "Hello")
        return await text(message_id)

    monkeypatch.setattr(ConversationsV2, "text", lambda _self, id: slow(id))
    heard = await team.read()
    assert sorted(heard) == sorted(said)
    assert {str(id) for id in range(1, 11)} <= team.listed


@pytest.mark.slow
@pytest.mark.parametrize("away", [6 * DAY + 60, 12 * DAY])
async def test_after_six_days_away_threads_are_read_themselves(team: Team, away: float) -> None:
    await team.write_to(1, 2, 3)
    await team.read()
    team.time.at += 60
    old = team.says(1, "stop")
    team.sandbox.act(SENDER, "2", react="👍")
    team.sandbox.act(SENDER, "3", colleague="Hi")
    team.time.at += away
    new = team.says(2, "Yes")
    await team.read()
    assert team.replied == {old: "reply", new: "reply"}
    assert "1" in team.listed


async def test_the_first_reading_reads_back_who_was_written_to_before(team: Team) -> None:
    await team.write_to(1, 2)
    team.time.at += 60
    old = team.says(1, "stop")
    team.time.at += 8 * DAY  # no event tells of it any more
    assert await team.read() == [old]
    assert "1" in team.listed
    assert await team.read() == []


async def test_who_may_answer_no_more_is_not_read_back(team: Team) -> None:
    await team.write_to(1)
    team.says(1, "stop")
    team.time.at += 15 * DAY
    assert await team.read() == []
    assert "GET /api/v2/threads/{threadId} 200" not in team.requests


@with_options(feed=FeedSettings(kept=5, refuse_old=True))
async def test_a_place_that_the_api_refuses_is_given_up(team: Team) -> None:
    await team.write_to(1)
    await team.read()
    team.time.at += 60
    lost = team.says(1, "Yes")
    for _ in range(10):
        team.sandbox.act(SENDER, "1", type=True)
    assert await team.read() == [lost]
    assert await team.read() == []


async def test_a_deleted_thread_is_read_back_no_more_and_its_reply_is_for_a_person(
    team: Team,
) -> None:
    await team.write_to(1, 2)
    reply = team.says(1, "stop")
    team.sandbox.act(SENDER, "1", remove=True)
    assert await team.read() == [reply]
    [held, *_] = team.ledger.read(holds.listed, team.time.at)
    assert (held.recipient, held.why) == (
        "1",
        "they answered, and what they wrote was deleted before it was read",
    )
    assert team.ledger.read(feeds.count_to_read_back, LANE) == 0
    team.ledger.write(decisions.unhold, [held.recipient], team.time.at)
    await team.read()
    assert team.ledger.read(holds.listed, team.time.at) == []


async def test_a_campaigns_own_phrases_count(team: Team) -> None:
    team.settings = ReplySettings(stop=["Ende Gelände"])
    await team.write_to(1)
    team.says(1, "ENDE GELÄNDE!")
    await team.read()
    assert "1" in team.listed


async def test_a_thread_is_read_although_we_wrote_again_after_their_answer(team: Team) -> None:
    await team.write_to(1)
    await team.read()
    team.time.at += 60
    lost = team.says(1, "stop")
    team.time.at += 60
    await team.write_to(1)  # by a campaign that had not heard it
    team.time.at += 8 * DAY
    assert await team.read() == [lost]
    assert "1" in team.listed


async def test_our_own_sides_message_is_no_reply_whatever_tells_of_it(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    await team.write_to(1)
    await team.read()
    ours = team.sandbox.act(SENDER, "1", colleague="stop")
    assert ours is not None

    async def received(_self: object, _after: int | None) -> EventPage:
        return EventPage([Received(ours.id, ours.thread.id, team.time.at, 90)], 90, False)

    monkeypatch.setattr(ConversationsV2, "received", received)
    assert await team.read() == []
    assert (team.replied, team.listed) == ({}, set())
    assert team.ledger.read(holds.listed, team.time.at) == []


@pytest.mark.parametrize(("content", "kind"), [(None, "reply"), (["?"], "unread")])
async def test_a_message_without_a_text_stops_nobody_elses(
    team: Team, content: Any, kind: str
) -> None:
    await team.write_to(1, 2)
    await team.read()
    odd = team.sandbox.receive(SENDER, "1", "picture")
    odd.content = content
    other = team.says(2, "stop")
    assert await team.read() == [odd.id, other]
    assert team.replied == {odd.id: kind, other: "reply"}
    assert "2" in team.listed
    assert "1" not in team.listed


async def test_a_thread_with_an_odd_message_keeps_no_other_from_being_read_back(
    team: Team,
) -> None:
    await team.write_to(1, 2)
    await team.read()
    team.time.at += 60
    odd = team.sandbox.receive(SENDER, "1", "picture")
    odd.content = ["?"]  # type: ignore[assignment]
    other = team.says(2, "stop")
    team.time.at += 8 * DAY
    assert await team.read() == [other]
    assert "2" in team.listed


async def test_what_cannot_be_read_keeps_nothing_else_waiting(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.sending.inbox.reply_reader.UNSETTLED_AT_ONCE", 2)
    done = await team.write_to(3, late=True)
    await team.write_to(1, 2)
    await team.read()
    for id in (1, 2):
        team.sandbox.receive(SENDER, str(id), "picture").content = ["?"]  # type: ignore[assignment]
    team.time.at += 60
    instant = team.says(3, "stop")
    await team.read()
    team.ledger.write(outcomes.record, [done[3]])
    heard = []
    for _ in range(2):
        team.time.at += 60
        heard += await team.read()
    assert heard == [instant]
    assert "3" in team.listed


async def test_what_they_wrote_between_a_refused_try_and_the_message_is_no_reply(
    team: Team,
) -> None:
    await team.write_to(1, refused_before=600.0)
    ours = team.says(1, "Yes")
    before = team.sandbox.receive(SENDER, "1", "stop")
    before.created_at = team.time.at - 300
    assert await team.read() == [ours]
    assert team.listed == set()


async def test_an_opt_out_holds_back_what_is_claimed_as_soon_as_it_is_on_disk(team: Team) -> None:
    await team.write_to(1, 2)
    await team.read()
    team.says(2, "Yes")
    team.says(1, "stop")
    seen: list[set[str]] = []
    assert team.channel.conversations is not None
    reader = ReplyReader(
        team.ledger,
        LANE,
        team.channel.conversations,
        team.time,
        team.settings,
        heed=lambda: seen.append(team.listed),
    )
    await reader.read()
    assert ["1" in each for each in seen] == [True]


async def test_an_instant_answer_is_matched_soon_and_turns_back_what_is_claimed(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only with the next reading, while more goes to the same person."""
    monkeypatch.setattr(reply_poll, "SOON", 0.0)
    done = await team.write_to(1, late=True)
    team.says(1, "stop")
    told = asyncio.Event()
    lane = Mock(id=LANE, ledger=team.ledger, clock=team.time, idle_after=None)
    lane.campaigns = {1: Mock(replies=team.settings)}
    lane.channel = lambda _campaign: team.channel
    lane.in_flight.claimed = {9: "1"}
    lane.bus.emit = lambda _event: told.set()
    lane.stops = Stops({}, team.time, lane.bus, Mock())
    team.ledger.write(feeds.advance, LANE, None, team.time.at - 60)
    async with reply_poll.replies_read(lane):
        assert team.listed == set()
        team.ledger.write(outcomes.record, [done[1]])
        await asyncio.wait_for(told.wait(), 60)
    assert "1" in team.listed
    assert lane.stops.unwanted == {"1"}
    lane.slots.turn_back.assert_called_once_with()


async def test_a_doubt_that_is_settled_late_has_its_thread_read(team: Team) -> None:
    """Its events may be gone by then, and its thread was none of ours when others were read."""
    rows = await team.write_to(1, lost=True)
    await team.write_to(2)
    await team.read()
    team.time.at += 60
    lost = team.says(1, "stop")
    thread = team.sandbox.service.store.messages[lost].thread.id
    team.time.at += 8 * DAY
    assert await team.read() == []
    settled = Settlement(rows[1], Evidence.FOUND, team.time.at, message_id="m1", thread_id=thread)
    team.ledger.write(settle, [settled])
    assert await team.read() == [lost]
    assert "1" in team.listed


@pytest.mark.parametrize("wrong", [30 * DAY, 3 * 3600.0])
async def test_a_clock_that_was_ahead_hides_no_loss(team: Team, wrong: float) -> None:
    await team.write_to(1)
    team.time.at += wrong
    team.ledger.write(feeds.advance, LANE, None, team.time.at)
    team.time.at -= wrong
    await team.read()
    read_at = team.ledger.read(feeds.feed_of, LANE).read_at  # type: ignore[union-attr]
    assert read_at == team.time.at


@pytest.mark.slow
@with_options(answers=read_answers({"everyone": [{"write": "Thanks"}]}))
async def test_more_than_a_commit_of_replies(team: Team) -> None:
    await team.write_to(*range(1, 46))
    assert len(await team.read()) == 45
    assert await team.read() == []


async def test_only_a_channel_of_v2_hears(team: Team) -> None:
    assert isinstance(team.channel, InboxV2)
    async with channel_to("v1", "http://127.0.0.1:9/api") as channel:
        assert channel.conversations is None


@with_options(feed=FeedSettings(kept=30, page=20))
@pytest.mark.parametrize("many", [False, True])
async def test_a_lane_that_began_before_anything_was_sent_reads_from_the_start(
    team: Team, many: bool
) -> None:
    """No thread is read itself, unless the events since that moment may not all be kept."""
    team.ledger.write(feeds.advance, LANE, None, team.time.at)
    team.time.at += 1
    await team.write_to(1, 2)
    reply = team.says(1, "Yes")
    for _ in range(50 if many else 10):
        team.sandbox.act(SENDER, "2", type=True)
    assert await team.read() == [reply]
    assert ("GET /api/v2/threads/{threadId} 200" in team.requests) == many


async def test_both_databases_find_threads_by_their_index(team: Team) -> None:
    if team.ledger.file is None:
        pytest.skip("PostgreSQL has no plan to show for so few rows")
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if sql.startswith("SELECT") and "thread_id IN" in sql:
            plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            plans.extend(row[3] for row in plan)

    event.listen(team.ledger._engine, "before_cursor_execute", explain)
    team.ledger.read(replies.threads_of_ours, LANE, ["t1"])
    assert any("message_by_thread" in plan for plan in plans), plans
