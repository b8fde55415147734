"""The queue: messages that are due, the queue of each sender, and what a queue waits for."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Select,
    case,
    exists,
    false,
    func,
    literal_column,
    select,
)

from runner.ledger.messages.eligibility import (
    IS_QUEUED,
    OPEN_ELSEWHERE,
    barred_messages,
    may_go,
    other_message,
)
from runner.ledger.messages.follow_up_claims import is_heard
from runner.ledger.messages.suppression import is_suppressed
from runner.ledger.people import holds
from runner.ledger.rehearsals import lane_name
from runner.ledger.schema import attempt, campaign, feed, message, status_is
from runner.ledger.statements import Prepared, given, is_one_of, texts_of
from runner.message.prospect import Recipient
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus

IS_FOLLOW_UP = message.c.previous != literal_column("''")  # in words, as its index has it


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A queued message that can be sent now."""

    id: int
    campaign: int
    campaign_name: str
    recipient: Recipient
    step: str
    generation: int
    sender: str
    text: str
    follows: bool = False  # it comes after another message to its recipient


def due(
    connection: Connection,
    campaign: int,
    sender: str,
    now: float,
    limit: int,
    only: Collection[str] = (),
    zones: Collection[str] | None = None,
    excluded: Collection[int] = (),
    *,
    follow_ups: str = "",
) -> list[QueuedMessage]:
    """Return the first queued messages of one sender, in plan order. `zones`: those that are open,
    where the campaign has a schedule. `excluded`: without these. `follow_ups`: instead of first
    messages those that follow one, the longest due first, as far as the replies of this lane are
    read."""
    found = (_DUE_FOLLOW_UPS if follow_ups else _DUE).rows(
        connection,
        **({"lane": follow_ups} if follow_ups else {}),
        campaign=campaign,
        sender=sender,
        now=now,
        most=limit,
        any_one=not only,
        only=json.dumps(list(only)),
        any_zone=zones is None,
        zones=json.dumps(list(zones or ())),
        excluded=json.dumps(list(excluded)),
    )
    return [
        QueuedMessage(
            id,
            campaign,
            name,
            Recipient(platform, id_type, to),
            step,
            generation,
            sender,
            text,
            bool(follow_ups),
        )
        for id, name, platform, id_type, to, step, generation, text in found
    ]


@dataclass(frozen=True, slots=True)
class BlockingCampaign:
    """Another campaign whose messages to the same people are on their way or in doubt. `waiting`:
    how many queued messages wait for that, `doubts`: for one in doubt. `path`: of its file, as the
    ledger keeps it."""

    campaign: str
    path: str
    lane: str | None
    waiting: int
    doubts: int


def blocking_campaigns(connection: Connection, id: int) -> list[BlockingCampaign]:
    """Return the campaigns that a campaign's queued messages wait for, in order of their names."""
    queued = message.c.campaign + 0 == id, message.c.status.concat("") == "queued"
    in_doubt = case((status_is(other_message, _S.IN_DOUBT), message.c.id))
    told = (
        select(
            other_message.c.campaign,
            func.count(message.c.id.distinct()).label("waiting"),
            func.count(in_doubt.distinct()).label("doubts"),
        )
        .where(*OPEN_ELSEWHERE, *queued, other_message.c.campaign != id, ~message.c.unplanned)
        .where(~is_suppressed(), ~holds.is_held_without_end())
        .group_by(other_message.c.campaign)
        .subquery()
    )
    each = campaign.c
    wanted = (
        select(each.name, each.path, each.team, each.rehearsal, told.c.waiting, told.c.doubts)
        .join(told, told.c.campaign == each.id)
        .order_by(each.name)
    )
    return [
        BlockingCampaign(
            name, path, lane_name(team, rehearsal=rehearsal) if team else None, waiting, doubts
        )
        for name, path, team, rehearsal, waiting, doubts in connection.execute(wanted)
    ]


def _due(database: str) -> Select[Any]:
    return (
        select(
            message.c.id,
            campaign.c.name,
            message.c.platform,
            message.c.id_type,
            message.c.recipient,
            message.c.step,
            message.c.generation,
            message.c.text,
        )
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(
            message.c.campaign == given("campaign"),
            IS_QUEUED,
            message.c.sender == given("sender"),
            message.c.not_before <= given("now"),
            ~is_one_of(message.c.id, "excluded", database),
            *may_go(),
            given("any_one", Boolean) | message.c.recipient.in_(texts_of("only", database)),
            given("any_zone", Boolean) | message.c.zone.in_(texts_of("zones", database)),
        )
        .limit(given("most"))
    )


_DUE = Prepared(
    lambda database: _due(database).where(message.c.previous == "").order_by(message.c.id)
)
_DUE_FOLLOW_UPS = Prepared(
    lambda database: (
        _due(database).where(IS_FOLLOW_UP, is_heard()).order_by(message.c.not_before, message.c.id)
    )
)


@dataclass(frozen=True, slots=True)
class SenderQueue:
    """A sender's queue of one campaign and zone. `next_at`: when the first of it is due (Unix s),
    whatever the schedule says; `first` and `last`: its places in the campaign's queue.
    `held`: to people with a hold that ends, or has ended; it is due then. `follows`: of follow-ups;
    `unheard`: of those before which replies have to be read."""

    sender: str
    campaign: int
    zone: str
    count: int
    next_at: float
    first: int
    last: int
    held: bool = False
    unheard: bool = False
    follows: bool = False


_of_sender = (
    message.c.campaign == given("campaign"),
    message.c.sender == given("sender"),
    IS_QUEUED,
)
_NEXT_SENDER = Prepared(
    lambda _: select(func.min(message.c.sender)).where(
        message.c.campaign == given("campaign"), message.c.sender > given("after"), IS_QUEUED
    )
)
_QUEUE = Prepared(
    lambda _: select(
        select(func.count()).where(*_of_sender).scalar_subquery().label("messages"),
        select(func.min(message.c.id)).where(*_of_sender).scalar_subquery().label("first"),
        select(func.max(message.c.id)).where(*_of_sender).scalar_subquery().label("last"),
        exists().where(*_of_sender, message.c.not_before == 0).label("due"),
        exists().where(*_of_sender, message.c.zone != "").label("zoned"),
    )
)


def waiting(
    connection: Connection, campaigns: Collection[int], only: Collection[str] = (), lane: str = ""
) -> list[SenderQueue]:
    """Return the queue of each sender, by campaign and zone; without messages on hold until a
    person releases them. `lane`: theirs, where replies have to be read before follow-ups."""
    found: list[SenderQueue] = []
    for id in sorted(set(campaigns)):
        found += _waiting(connection, id, only, lane)
    return sorted(found, key=lambda each: (each.held, each.follows, each.sender, each.campaign))


def _waiting(
    connection: Connection, id: int, only: Collection[str], lane: str
) -> list[SenderQueue]:
    if only or _FOLLOWS.rows(connection, campaign=id) or _BARRED.rows(connection, campaign=id):
        return _waiting_one_by_one(connection, id, only, lane)
    found: list[SenderQueue] = []
    sender = ""
    while sender := _NEXT_SENDER.run(connection, campaign=id, after=sender).scalar_one():
        queue = _QUEUE.run(connection, campaign=id, sender=sender).one()
        if queue.zoned or not queue.due:
            return _waiting_one_by_one(connection, id, only, lane)
        found.append(SenderQueue(sender, id, "", queue.messages, 0.0, queue.first, queue.last))
    return found


def _waiting_one_by_one(
    connection: Connection, id: int, only: Collection[str], lane: str
) -> list[SenderQueue]:
    """Return the queue of each sender of a campaign by zone: of first messages, of follow-ups, and
    of those to people on hold."""
    values = {"campaign": id, "any_one": not only, "only": json.dumps(list(only))}
    found = [SenderQueue(*row) for row in _FREE.rows(connection, **values)]
    for heard, *row in _TO_FOLLOW.rows(connection, lane=lane, **values):
        found.append(replace(SenderQueue(*row), unheard=not heard, follows=True))
    held = _HELD.rows(connection, **values)
    return found + [replace(SenderQueue(*row), held=True) for row in held]


_FOLLOWS = Prepared(
    lambda _: (
        select(message.c.id)
        .where(message.c.campaign == given("campaign"), IS_QUEUED, IS_FOLLOW_UP)
        .limit(1)
    )
)
_BARRED = Prepared(lambda _: barred_messages().limit(1))


def _is_free(database: str) -> tuple[ColumnElement[bool], ...]:
    return (
        message.c.campaign == given("campaign"),
        IS_QUEUED,
        message.c.id.not_in(barred_messages()),
        _is_asked_for(database),
    )


def _is_asked_for(database: str) -> ColumnElement[bool]:
    return given("any_one", Boolean) | message.c.recipient.in_(texts_of("only", database))


def _by_zone(due: ColumnElement[float], *among: ColumnElement[bool]) -> Select[Any]:
    group = (message.c.sender, message.c.campaign, message.c.zone)
    figures = func.count(), func.min(due), func.min(message.c.id), func.max(message.c.id)
    return select(*group, *figures).where(*among).group_by(*group).order_by(*group)


def _to_follow(database: str) -> Select[Any]:
    """Select the queue of follow-ups: those before which no reply has to be read any more, and the
    others."""
    read_at = select(feed.c.read_at).where(feed.c.lane == given("lane")).scalar_subquery()
    # The time first: most come later than the last reading, and is_heard costs several look-ups.
    heard = case((message.c.not_before >= read_at, false()), else_=is_heard()).label("heard")
    each = message.c
    wanted = select(each.id, each.sender, each.campaign, each.zone, each.not_before, heard)
    one = wanted.where(*_is_free(database), IS_FOLLOW_UP).subquery().c
    group = (one.sender, one.campaign, one.zone)
    figures = func.count(), func.min(one.not_before), func.min(one.id), func.max(one.id)
    return (
        select(one.heard, *group, *figures)
        .group_by(one.heard, *group)
        .order_by(one.heard.desc(), *group)
    )


def _held(database: str) -> Select[Any]:
    held_until = holds.held_until()
    due = case((held_until > message.c.not_before, held_until), else_=message.c.not_before)
    return _by_zone(
        due,
        message.c.campaign + 0 == given("campaign"),  # as in `barred_messages`
        message.c.status.concat("") == "queued",
        message.c.recipient.in_(holds.people(without_end=False)),
        ~message.c.unplanned,
        ~is_suppressed(),
        ~exists().where(*OPEN_ELSEWHERE),
        _is_asked_for(database),
    )


_FREE = Prepared(
    lambda database: _by_zone(message.c.not_before, *_is_free(database), ~IS_FOLLOW_UP)
)
_TO_FOLLOW = Prepared(_to_follow)
_HELD = Prepared(_held)


def zones(connection: Connection, id: int) -> set[str]:
    """Return the zones of a campaign's queued messages."""
    queued = message.c.campaign == id, IS_QUEUED
    # By sender: as the index of the queue has it.
    each = select(message.c.sender, message.c.zone).distinct().order_by(message.c.sender)
    return {row.zone for row in connection.execute(each.where(*queued))}


class OpenMessage(NamedTuple):
    """A message that is begun or in doubt. `begun_at`: when the attempt under way began (Unix
    seconds), None for none."""

    message: int
    recipient: str
    begun_at: float | None


def open_messages(
    connection: Connection, recipients: Collection[str], campaign: int | None
) -> list[OpenMessage]:
    """Return the messages that are being sent or in doubt, to these recipients or of a campaign."""
    last = attempt.c.number == message.c.attempts
    wanted = (
        select(message.c.id, message.c.recipient, attempt.c.started_at, attempt.c.ended_at)
        .join(attempt, (attempt.c.message == message.c.id) & last)
        .where(status_is(message, *OPEN))
        .order_by(message.c.id)
    )
    if campaign is not None:
        wanted = wanted.where(message.c.campaign == campaign)
    else:
        texts = texts_of("recipients", connection.dialect.name)
        wanted = wanted.where(message.c.recipient.in_(texts))
    rows = connection.execute(wanted, {"recipients": json.dumps([*recipients])})
    return [
        OpenMessage(row.id, row.recipient, row.started_at if row.ended_at is None else None)
        for row in rows
    ]
