"""The people who have answered, and what they wish."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    distinct,
    exists,
    func,
    literal_column,
    select,
)

from runner.ledger.schema import (
    campaign,
    feed,
    hold,
    inbound,
    message,
    read_back,
    status_is,
    suppression,
)
from runner.ledger.statements import Prepared, is_one_of, texts_of
from runner.message.plan import FIRST_STEP
from runner.message.status import MessageStatus
from runner.replies.opt_out import Wish
from runner.replies.rate import Rate, rate_of

IS_REPLY: ColumnElement[bool] = inbound.c.answers.is_not(None) & (
    inbound.c.kind != literal_column("'dismissed'")
)


class Replied(NamedTuple):
    """A person of a campaign who has answered. `first_at`, `last_at`: by the server's clock (Unix
    s); `messages`: how many; `out_at`: when they opted out, and in which `words`; `unsure`: whether
    a person has to read it still; `ids`: of their messages."""

    recipient: str
    row: int
    columns: str
    sender: str
    thread_id: str
    first_at: float
    last_at: float
    messages: int
    out_at: float | None
    words: str
    unsure: bool
    ids: tuple[str, ...]


def replied(connection: Connection, campaign: int) -> list[Replied]:
    """List who has answered a campaign, in the order of their first answers."""
    wanted = (
        select(
            message.c.recipient,
            message.c.row,
            message.c.columns,
            message.c.sender,
            inbound.c.thread_id,
            inbound.c.at,
            inbound.c.wish,
            inbound.c.words,
            inbound.c.kind,
            inbound.c.message_id,
        )
        .join(inbound, inbound.c.answers == message.c.id)
        .where(message.c.campaign == campaign, IS_REPLY)
        .order_by(inbound.c.at, inbound.c.message_id)
    )
    found: dict[str, Replied] = {}
    undecided = _undecided(connection, campaign)
    for row in connection.execute(wanted):
        before = found.get(row.recipient)
        is_out = row.wish == Wish.OPT_OUT
        unsure = row.wish == Wish.UNSURE or row.kind == "unread"
        unsure = unsure and (undecided is None or row.recipient in undecided)
        if before is None:
            found[row.recipient] = Replied(
                row.recipient,
                row.row,
                row.columns,
                row.sender,
                row.thread_id,
                row.at,
                row.at,
                1,
                row.at if is_out else None,
                row.words,
                unsure,
                (row.message_id,),
            )
            continue
        is_first_out = is_out and before.out_at is None
        found[row.recipient] = before._replace(
            last_at=row.at,
            messages=before.messages + 1,
            out_at=row.at if is_first_out else before.out_at,
            words=row.words if is_first_out else before.words,
            unsure=before.unsure or unsure,
            ids=(*before.ids, row.message_id),
        )
    return list(found.values())


def _to_read(campaign: int) -> Select[tuple[str]]:
    """Select the people of a campaign who wrote what a person has to read: nobody has put them on
    the do-not-contact list since, nor taken them off hold."""
    unsure = (inbound.c.wish == literal_column(f"'{Wish.UNSURE}'")) | (
        inbound.c.kind == literal_column("'unread'")
    )
    return (
        select(message.c.recipient)
        .distinct()
        .join(inbound, inbound.c.answers == message.c.id)
        .join(hold, hold.c.recipient == message.c.recipient)
        .where(message.c.campaign == campaign, IS_REPLY, unsure, hold.c.until.is_(None))
        .where(~exists().where(suppression.c.recipient == message.c.recipient))
    )


def count_to_read(connection: Connection, campaign: int) -> int:
    """Count the people of a campaign who wrote what a person has to read."""
    if not connection.execute(select(hold.c.recipient).limit(1)).first():
        return 0
    counted = select(func.count()).select_from(_to_read(campaign).subquery())
    return connection.execute(counted).scalar_one()


def _undecided(connection: Connection, id: int) -> set[str] | None:
    """Return whose answers a person has to read still; None in a rehearsal, whose people are never
    on hold."""
    if connection.scalar(select(campaign.c.rehearsal).where(campaign.c.id == id)):
        return None
    return {row.recipient for row in connection.execute(_to_read(id))}


def _of_opt_outs(column: str) -> ColumnElement[Any]:
    """Build the value of a column where a message is an opt-out, and null elsewhere."""
    return literal_column(f"CASE WHEN inbound.wish = '{Wish.OPT_OUT}' THEN {column} END")


class Figures(NamedTuple):
    """The numbers of people of a campaign who were written to, have answered, and have opted
    out."""

    written_to: int
    replied: int
    opted_out: int

    @property
    def rate(self) -> Rate | None:
        """Return the share of people who have answered, None where nobody was written to."""
        return rate_of(self.replied, self.written_to)

    def as_json(self) -> dict[str, Any]:
        """Return the public form, whose names stay."""
        rate = self.rate
        return {
            **self._asdict(),
            "reply_rate": None
            if rate is None
            else {k: round(v, 6) for k, v in rate._asdict().items()},
        }


NOBODY = Figures(0, 0, 0)


def answered_since(connection: Connection, campaign: int, since: float) -> tuple[int, int]:
    """Count the people of a campaign whose answers were heard after `since` (Unix s by our clock),
    and those who opted out by them."""
    out = _of_opt_outs("message.recipient")
    wanted = (
        select(func.count(distinct(message.c.recipient)), func.count(distinct(out)))
        .join(inbound, inbound.c.answers == message.c.id)
        .where(message.c.campaign == campaign, IS_REPLY, inbound.c.heard_at > since)
    )
    replied_, opted_out = connection.execute(wanted).one()
    return replied_, opted_out


IS_WRITTEN_TO: ColumnElement[bool] = status_is(message, MessageStatus.SENT) & (
    message.c.step == FIRST_STEP
)
"""Of messages: each stands for one person of a campaign who was written to, whatever followed."""


def answers_of(campaign: int) -> Subquery:
    """Build the people of a campaign who have answered, each once, with `out`: 1 for those who
    opted out, else 0."""
    is_out: ColumnElement[int] = literal_column(
        f"CASE WHEN inbound.wish = '{Wish.OPT_OUT}' THEN 1 ELSE 0 END"
    )
    person = message.c.recipient, message.c.platform, message.c.id_type
    return (
        select(*person, func.max(is_out).label("out"))
        .join(inbound, inbound.c.answers == message.c.id)
        .where(message.c.campaign == campaign, IS_REPLY)
        .group_by(*person)
        .subquery("answers")
    )


def is_of_same(answers: Subquery) -> ColumnElement[bool]:
    """Build whether people of `answers_of` are those of the messages."""
    return (
        (answers.c.recipient == message.c.recipient)
        & (answers.c.platform == message.c.platform)
        & (answers.c.id_type == message.c.id_type)
    )


def figures_by_sender(connection: Connection, campaign: int) -> dict[str, Figures]:
    """Count a campaign's people by the sender who wrote to them first."""
    answers = answers_of(campaign)
    out = func.coalesce(func.sum(answers.c.out), 0)
    wanted = (
        select(message.c.sender, func.count(), func.count(answers.c.recipient), out)
        .select_from(message)
        .outerjoin(answers, is_of_same(answers))
        .where(message.c.campaign == campaign, IS_WRITTEN_TO)
        .group_by(message.c.sender)
        .order_by(message.c.sender)
    )
    return {sender: Figures(*counts) for sender, *counts in connection.execute(wanted)}


def total_of(parts: Iterable[Figures]) -> Figures:
    """Add up the people of parts that have none in common."""
    return Figures(*(sum(each) for each in zip(NOBODY, *parts, strict=True)))


def figures(connection: Connection, campaign: int) -> Figures:
    """Count a campaign's people."""
    return total_of(figures_by_sender(connection, campaign).values())


def count_replied(connection: Connection, campaign: int) -> int:
    """Count the people who have answered a campaign."""
    wanted = (
        select(func.count(distinct(message.c.recipient)))
        .select_from(inbound)
        .join(message, message.c.id == inbound.c.answers)
        .where(message.c.campaign == campaign, IS_REPLY)
    )
    return connection.execute(wanted).scalar_one()


def last_answers(connection: Connection, recipients: Collection[str]) -> dict[str, float]:
    """Return when these people have answered any message of ours last, by the server's clock (Unix
    s)."""
    ids = texts_of("ids", connection.dialect.name)
    wanted = (
        select(message.c.recipient, func.max(inbound.c.at))
        .join(inbound, inbound.c.answers == message.c.id)
        .where(message.c.recipient.in_(ids), IS_REPLY)
        .group_by(message.c.recipient)
    )
    found = connection.execute(wanted, {"ids": json.dumps(sorted(set(recipients)))})
    return dict(row._tuple() for row in found)


class ReadUpTo(NamedTuple):
    """The place up to which a lane's replies were read: to their end at `at` (Unix s, None: never
    yet); `left`: threads that have to be read themselves still."""

    at: float | None
    left: int


def read_up_to(connection: Connection, lane: str | None) -> ReadUpTo:
    """Return how far a lane's replies were read."""
    at = connection.scalar(select(feed.c.read_at).where(feed.c.lane == lane))
    left = select(func.count()).select_from(read_back).where(read_back.c.lane == lane)
    return ReadUpTo(at or None, connection.execute(left).scalar_one())


def has_any(connection: Connection) -> bool:
    """Return whether anything was answered at all."""
    return (
        connection.execute(select(inbound.c.answers).where(IS_REPLY).limit(1)).first() is not None
    )


def first_replies(
    connection: Connection, messages: Collection[int]
) -> dict[int, tuple[float, float | None]]:
    """Return when each of these messages was answered first, and when by an opt-out (Unix s)."""
    found = _FIRST.rows(connection, ids=json.dumps([*messages]))
    return {id: (at, out_at) for id, at, out_at in found}


_FIRST = Prepared(
    lambda database: (
        select(inbound.c.answers, func.min(inbound.c.at), func.min(_of_opt_outs("inbound.at")))
        .where(is_one_of(inbound.c.answers, "ids", database), IS_REPLY)
        .group_by(inbound.c.answers)
    )
)
