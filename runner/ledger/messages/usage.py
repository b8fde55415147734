"""Usage: the requests, sends, holds and gaps of earlier runs that limits must remember."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, null, select, update

from runner.ledger.rehearsals import attempt_is_of
from runner.ledger.schema import attempt, message, note, request, set_note
from runner.ledger.statements import Prepared, bound, given, texts_of
from runner.message.evidence import CLOCK_SLACK, MAY_HAVE_SENT, AttemptOutcome, Evidence


def past_requests(
    connection: Connection, lane: str, since: float, server_since: float
) -> list[tuple[float, float | None, float | None]]:
    """Return (started, ended, started by the server's clock) of every API request of a lane: sends
    since `server_since` by the server's clock, which no one sets, and others since `since` by ours;
    ended is None when it was never answered, the last for what was no send."""
    sends = _PAST_SENDS.rows(connection, lane=lane, since=server_since)
    others = _PAST_OTHERS.rows(connection, lane=lane, since=since)
    return sorted([*sends, *others], key=itemgetter(0))


_PAST_SENDS = Prepared(
    lambda _: (
        select(attempt.c.started_at, attempt.c.ended_at, attempt.c.server_at)
        .where(
            attempt.c.lane == given("lane"),
            attempt.c.server_at >= given("since"),
            attempt.c.evidence != Evidence.PRESUMED,
        )
        .order_by(attempt.c.server_at)  # as its index has them: nearly sorted by our clock too
    )
)
_PAST_OTHERS = Prepared(
    lambda _: select(request.c.started_at, request.c.ended_at, null()).where(
        request.c.lane == given("lane"), request.c.started_at >= given("since")
    )
)


def past_sends(
    connection: Connection, senders: Sequence[str], server_since: float, *, rehearsal: bool = False
) -> list[tuple[str, float, float | None, float]]:
    """Return (sender, started, ended, started by the server's clock) of every attempt since
    `server_since` by the latter that may have become a message, over all campaigns of one kind,
    real or `rehearsal`; ended is None when it was never answered."""
    if not senders:
        return []
    return _PAST_OF_SENDERS.rows(
        connection, senders=json.dumps([*senders]), since=server_since, rehearsal=rehearsal
    )


_PAST_OF_SENDERS = Prepared(
    lambda database: (
        select(attempt.c.sender, attempt.c.started_at, attempt.c.ended_at, attempt.c.server_at)
        .where(
            attempt.c.sender.in_(texts_of("senders", database)),
            attempt.c.server_at >= given("since"),
            attempt.c.outcome.in_(MAY_HAVE_SENT),
            attempt.c.evidence != Evidence.PRESUMED,
            attempt_is_of("rehearsal"),
        )
        .order_by(attempt.c.server_at)
    )
)


QUARTER = 900
"""Seconds in which no two days meet: zones differ from UTC by whole quarters of an hour."""


def days_sent(
    connection: Connection, senders: Sequence[str], *, rehearsal: bool = False
) -> list[tuple[str, float]]:
    """Return (sender, Unix seconds by the server's clock) for every quarter of an hour in which the
    API has accepted a message of these senders, over all campaigns of one kind: enough to tell on
    which days of any time zone they have sent."""
    found: list[tuple[str, float]] = []
    for sender in senders:
        at = 0.0
        while (sent := _next_sent(connection, sender, at, rehearsal)) is not None:
            quarter = sent // QUARTER * QUARTER
            found.append((sender, quarter))
            at = quarter + QUARTER
    return found


def _next_sent(connection: Connection, sender: str, since: float, rehearsal: bool) -> float | None:
    found: float | None = _NEXT_SENT.run(
        connection, sender=sender, since=since, rehearsal=rehearsal
    ).scalar()
    return found


_NEXT_SENT = Prepared(
    lambda _: (
        select(attempt.c.server_at)
        .where(
            attempt.c.sender == given("sender"),
            attempt.c.server_at >= given("since"),
            attempt.c.outcome == AttemptOutcome.ACCEPTED,
            attempt.c.evidence != Evidence.PRESUMED,
            attempt_is_of("rehearsal"),
        )
        .order_by(attempt.c.server_at)
        .limit(1)
    )
)


def server_ahead(connection: Connection, lane: str) -> float | None:
    """Return how far the server's clock was ahead of ours at a lane's newest attempt; None without
    one."""
    return connection.execute(
        select(attempt.c.server_at - attempt.c.started_at)
        .where(attempt.c.lane == lane, attempt.c.evidence != Evidence.PRESUMED)
        .order_by(attempt.c.server_at.desc())
        .limit(1)
    ).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold of a sender of a lane, or with `sender` empty of all of it, as the API told it:
    nothing goes before `until`, in Unix seconds by the server's clock."""

    lane: str
    sender: str
    until: float
    why: str
    wait: float = math.inf  # how long it was to last, in seconds
    set_at: float | None = None  # when it was set, by our clock

    def left(self, wall: float, server: float) -> float:
        """Return the seconds that are left of it, by our clock and the server's: by the one that
        has more, but never more than it was to last."""
        told = [self.until - server]
        if self.set_at is not None:
            told.append(self.set_at + self.wait - wall)
        # More than all of it is left by a clock that has been set back since, or was wrong then.
        return max((each for each in told if each <= self.wait + CLOCK_SLACK), default=self.wait)

    @property
    def key(self) -> str:
        """Return the key that it is kept under."""
        return f"hold {self.lane} {self.sender}"


def keep_holds(connection: Connection, holds: Sequence[Hold]) -> list[None]:
    """Keep holds for later runs (a batch): of each sender and lane the longest."""
    for hold in holds:
        kept = note(connection, hold.key)
        before = Hold(hold.lane, hold.sender, *json.loads(kept)) if kept else None
        server, wall = hold.until - hold.wait, hold.set_at
        if before is None or wall is None or before.left(wall, server) < hold.wait:
            told = [hold.until, hold.why, hold.wait, hold.set_at]
            set_note(connection, hold.key, json.dumps(told))
    return [None] * len(holds)


def past_holds(connection: Connection, lane: str, senders: Iterable[str]) -> list[Hold]:
    """Return the last hold of a lane, and of each of these senders in it, those that are over
    too."""
    kept = [Hold(lane, sender, 0.0, "") for sender in ("", *senders)]
    told = [(hold, note(connection, hold.key)) for hold in kept]
    return [Hold(lane, hold.sender, *json.loads(text)) for hold, text in told if text]


class Behind(NamedTuple):
    """Seconds by which messages were stamped behind the API's `Date`, and behind our clock."""

    date: float
    wall: float

    def joined(self, other: Behind) -> Behind:
        """Return the furthest by each clock."""
        return Behind(max(self.date, other.date), max(self.wall, other.wall))


@dataclass(frozen=True, slots=True)
class Stamped:
    """The stamp of an acceptance's message, at a time by our clock (Unix seconds)."""

    lane: str
    base_url: str
    at: float
    behind: Behind

    @property
    def key(self) -> str:
        """Return the key that it is kept under."""
        return f"{STAMPED}{self.lane} {self.base_url}"

    @property
    def hour(self) -> int:
        """Return the hour that it is kept for."""
        return int(self.at // HOUR)


STAMPED = "stamped "
HOUR = 3600.0
STAMPED_HOURS = 240
"""Hours with acceptances, the newest, of which it is kept how their messages were stamped."""


def keep_stamped(connection: Connection, found: Sequence[Stamped]) -> list[None]:
    """Keep how messages were stamped (a batch): of each hour the furthest behind."""
    for each in found:
        kept = _hours(note(connection, each.key))
        set_note(connection, each.key, _text(_joined(kept, {each.hour: each.behind})))
    return [None] * len(found)


def stamped_near(connection: Connection, lane: str, base_url: str, at: float) -> Behind | None:
    """Return the stamps of messages in the hour of an attempt and those beside it: the furthest
    behind; None if nothing was accepted then."""
    asked = Stamped(lane, base_url, at, Behind(0.0, 0.0))
    hours = _hours(note(connection, asked.key))
    near = [hours[hour] for hour in range(asked.hour - 1, asked.hour + 2) if hour in hours]
    return reduce(Behind.joined, near) if near else None


def joined_stamps(one: str, other: str) -> str:
    """Return what two ledgers have kept under one key, together."""
    return _text(_joined(_hours(one), _hours(other)))


def _joined(one: Mapping[int, Behind], other: Mapping[int, Behind]) -> dict[int, Behind]:
    both = {hour: behind.joined(other.get(hour, behind)) for hour, behind in one.items()}
    return {**other, **both}


def _hours(kept: str) -> dict[int, Behind]:
    told: dict[str, Sequence[float]] = json.loads(kept or "{}")
    return {int(hour): Behind(*behind) for hour, behind in told.items()}


def _text(hours: Mapping[int, Behind]) -> str:
    return json.dumps({str(hour): hours[hour] for hour in sorted(hours)[-STAMPED_HOURS:]})


def keep_gaps(connection: Connection, lane: str, until: Mapping[str, float]) -> None:
    """Keep the gaps that a run has drawn for its senders: until when, by the server's clock."""
    set_note(connection, f"gaps {lane}", json.dumps(until))


def past_gaps(connection: Connection, lane: str) -> dict[str, float]:
    """Return the gaps that the lane's last run to end in order has left."""
    told: dict[str, float] = json.loads(note(connection, f"gaps {lane}") or "{}")
    return told


def count_requests(connection: Connection, items: list[dict[str, Any]]) -> list[int]:
    """Write down API requests that are not sends (a batch): lane, started_at, ended_at; return
    their ids."""
    ids = insert(request).returning(request.c.id, sort_by_parameter_order=True)
    return list(connection.execute(ids, items).scalars())


def end_requests(connection: Connection, items: list[tuple[int, float]]) -> list[None]:
    """Write down when requests were answered or given up (a batch): id, ended_at."""
    if items:
        _END_REQUEST.run_many(connection, [{"_id": id, "ended_at": at} for id, at in items])
    return [None] * len(items)


_END_REQUEST = Prepared(
    lambda _: update(request).where(request.c.id == given("_id")).values(bound("ended_at"))
)


class AttemptEnd(NamedTuple):
    """An attempt's outcome, and its message."""

    message: int
    outcome: str
    reason: str
    status: str


def latest_ends(connection: Connection, lane: str, campaign: int, since: float) -> list[AttemptEnd]:
    """Return the outcomes of a campaign's attempts since then, as far as they are among the newest
    `MOST_ENDS` of its lane; oldest first."""
    newest = (
        select(attempt)
        .where(attempt.c.lane == lane)
        .order_by(attempt.c.server_at.desc())
        .limit(MOST_ENDS)
        .subquery()
    )
    rows = connection.execute(
        select(newest.c.message, newest.c.outcome, newest.c.reason, message.c.status)
        .join(message, message.c.id == newest.c.message)
        .where(message.c.campaign == campaign, newest.c.started_at >= since)
        .order_by(newest.c.server_at, newest.c.number)
    )
    return [AttemptEnd(*row) for row in rows]


MOST_ENDS = 500
"""Attempts read at most: more than a guard counts, of a few campaigns."""
