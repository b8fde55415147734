"""Feeds: how far a team's events were read, and the threads that have to be read themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, case, delete, exists, func, insert, literal, select, text, update

from runner.ledger.messages.follow_ups import TO_COME, is_followed
from runner.ledger.rehearsals import is_of_lane
from runner.ledger.schema import attempt, campaign, feed, inbound, message, read_back, status_is
from runner.message.status import MessageStatus

KEPT_OPEN = 7 * 86400.0
"""Seconds for which a message is kept whose thread is none of ours yet: as long as the API keeps
events (InboxHQ/inboxapp-sdk `spec/openapi.json`)."""

QUIET = 6 * 86400.0
"""Seconds without a reading after which events may be gone: a day less than the API keeps them."""

AHEAD = 3600.0
"""Seconds by which no two processes read at once: a reading that is so far in the future was dated
by a clock that was wrong."""

LATE = 3600.0
"""Seconds after which a doubt is settled so late that events of its thread may be gone."""

EVENTS_KEPT = 25_000
"""Events that the API keeps of a team, of all types (InboxHQ/inboxapp-sdk `spec/openapi.json`)."""

_S = MessageStatus


class Feed(NamedTuple):
    """A lane's feed. `cursor`: the number of the last event read, None for none; `read_at`: when it
    was last read to its end (Unix s); `torn_at`: since when threads are read back, None for not."""

    cursor: int | None
    read_at: float
    torn_at: float | None = None

    def is_quiet(self, now: float) -> bool:
        """Return whether it was not read for so long that events may be gone, or since a time that
        is not known: the clock was ahead then."""
        return now - self.read_at > QUIET or self.read_at - now > AHEAD


def feed_of(connection: Connection, lane: str) -> Feed | None:
    """Return how far a lane's feed was read, None if it never was."""
    wanted = select(feed.c.cursor, feed.c.read_at, feed.c.torn_at).where(feed.c.lane == lane)
    found = connection.execute(wanted).one_or_none()
    return None if found is None else Feed(*found)


def advance(connection: Connection, lane: str, cursor: int | None, at: float | None) -> None:
    """Move a lane's cursor on, never back; `at`: it was read to its end then, which goes back only
    from a time that is still to come. None leaves each as it is."""
    connection.execute(_BEGIN, {"lane": lane})
    its = feed.c.lane == lane
    if cursor is not None:
        is_behind = feed.c.cursor.is_(None) | (feed.c.cursor < cursor)
        connection.execute(update(feed).where(its, is_behind).values(cursor=cursor))
    if at is not None:
        is_wrong = (feed.c.read_at < at) | (feed.c.read_at > at + AHEAD)
        connection.execute(update(feed).where(its, is_wrong).values(read_at=at))


_BEGIN = text("INSERT INTO feed (lane, read_at) VALUES (:lane, 0) ON CONFLICT (lane) DO NOTHING")


def tear(
    connection: Connection, lane: str, at: float, since: float, from_start: bool = False
) -> int:
    """Let the threads of what was sent after `since` (Unix s), or is still followed, be read
    themselves, and return how many. `from_start`: forget the cursor, so that the events are read
    from their start."""
    advance(connection, lane, None, None)
    torn = update(feed).where(feed.c.lane == lane)
    connection.execute(torn.values(torn_at=at, **({"cursor": None} if from_start else {})))
    other = message.alias()
    queued = exists().where(other.c.recipient == message.c.recipient, status_is(other, _S.QUEUED))
    order = func.min(case((queued, 0.0), else_=at))
    its = (
        select(literal(lane).label("lane"), message.c.thread_id, order.label("since"))
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(
            is_of_lane(lane),
            status_is(message, _S.SENT),
            (message.c.sent_at > since) | is_followed(*TO_COME),
            message.c.thread_id.is_not(None),
        )
        .group_by(message.c.thread_id)
    )
    known = exists().where(read_back.c.lane == lane, read_back.c.thread_id == message.c.thread_id)
    before = count_to_read_back(connection, lane)
    connection.execute(
        insert(read_back).from_select(["lane", "thread_id", "since"], its.where(~known))
    )
    return count_to_read_back(connection, lane) - before


def read_back_too(connection: Connection, ids: Collection[int], at: float) -> None:
    """Let the threads of these messages be read themselves, which were in doubt until `at` (Unix
    s), where that was so long that events may be gone. Only in lanes whose feed is read."""
    its = (
        select(attempt.c.lane, message.c.thread_id, literal(0.0).label("since"))
        .join(message, message.c.id == attempt.c.message)
        .join(feed, feed.c.lane == attempt.c.lane)
        .where(message.c.id.in_(ids), message.c.thread_id.is_not(None))
        .group_by(attempt.c.lane, message.c.thread_id)
        .having(func.min(attempt.c.started_at) < at - LATE)
    )
    known = exists().where(
        read_back.c.lane == attempt.c.lane, read_back.c.thread_id == message.c.thread_id
    )
    connection.execute(
        insert(read_back).from_select(["lane", "thread_id", "since"], its.where(~known))
    )


def to_read_back(connection: Connection, lane: str, most: int) -> list[str]:
    """List threads that have to be read themselves: first those of people who had a message in a
    queue, last those that could not be judged."""
    wanted = select(read_back.c.thread_id).where(read_back.c.lane == lane)
    ordered = wanted.order_by(read_back.c.since, read_back.c.thread_id)
    return list(connection.execute(ordered.limit(most)).scalars())


def count_to_read_back(connection: Connection, lane: str) -> int:
    """Count the threads that still have to be read themselves."""
    wanted = select(func.count()).select_from(read_back).where(read_back.c.lane == lane)
    return connection.execute(wanted).scalar_one()


def was_read_back(connection: Connection, lane: str, thread: str) -> None:
    """Take a thread off the list; with the last one the feed is whole again."""
    connection.execute(
        delete(read_back).where(read_back.c.lane == lane, read_back.c.thread_id == thread)
    )
    mend(connection, lane)


def mend(connection: Connection, lane: str) -> None:
    """Note that a feed is whole again, if no thread is left to be read back."""
    left = exists().where(read_back.c.lane == lane)
    connection.execute(update(feed).where(feed.c.lane == lane, ~left).values(torn_at=None))


def try_again(connection: Connection, lane: str, thread: str, at: float) -> None:
    """Put a thread that cannot be judged yet behind the others."""
    its = read_back.c.lane == lane, read_back.c.thread_id == thread
    connection.execute(update(read_back).where(*its).values(since=at))


def forget_open(connection: Connection, lane: str, at: float) -> None:
    """Delete what has matched no thread of ours for as long as it is kept."""
    old = inbound.c.kind.in_(("open", "none")), inbound.c.heard_at < at - KEPT_OPEN
    connection.execute(delete(inbound).where(inbound.c.lane == lane, *old))


def was_written_to(connection: Connection, lane: str, since: float) -> bool:
    """Return whether anything was sent in a lane after `since` (Unix s)."""
    wanted = (
        select(literal(1))
        .select_from(message)
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(is_of_lane(lane), status_is(message, _S.SENT), message.c.sent_at > since)
    )
    return connection.execute(wanted.limit(1)).first() is not None
