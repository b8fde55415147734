"""Acquaintances: what a team's Inbox said of people, with the date on which it was asked."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select, text

from runner.ledger.people import erased
from runner.ledger.schema import acquaintance, message, note, set_note
from runner.ledger.statements import Prepared, given, texts_of
from runner.message.acquaintance import FRESH, Acquaintance, Talk
from runner.message.status import MessageStatus, SkipReason

_CHANGES = "acquaintances "


def known_among(
    connection: Connection, ids: Collection[str], lane: str, platform: str
) -> dict[str, Acquaintance]:
    """Return what the team of a lane was told of these people, by id."""
    found = _AMONG.run(connection, ids=json.dumps([*ids]), lane=lane, platform=platform)
    return {each.recipient: each for each in map(_read, found)}


def _read(row: Sequence[Any]) -> Acquaintance:
    recipient, asked_at, contact, state, assignee, status, tags, talk = row
    told = tuple(json.loads(tags)), Talk(*json.loads(talk)) if talk else None
    return Acquaintance(recipient, asked_at, contact, state, assignee, status, *told)


_AMONG = Prepared(
    lambda database: select(
        acquaintance.c.recipient,
        acquaintance.c.asked_at,
        acquaintance.c.contact,
        acquaintance.c.state,
        acquaintance.c.assignee,
        acquaintance.c.status,
        acquaintance.c.tags,
        acquaintance.c.talk,
    ).where(
        acquaintance.c.recipient.in_(texts_of("ids", database)),
        acquaintance.c.lane == given("lane"),
        acquaintance.c.platform == given("platform"),
    )
)


def keep(connection: Connection, answers: Iterable[Acquaintance], lane: str, platform: str) -> None:
    """Keep answers, in place of earlier ones about the same people; none about erased ones."""
    gone = erased.people(connection)
    rows = [
        {
            **each._asdict(),
            "lane": lane,
            "platform": platform,
            "tags": json.dumps(each.tags),
            "talk": "" if each.talk is None else json.dumps(each.talk),
        }
        for each in answers
        if not gone.has_id(each.recipient)
    ]
    if rows:
        connection.execute(_KEEP, rows)
        set_note(connection, _CHANGES + lane, str(int(changes(connection, lane) or 0) + 1))


def changes(connection: Connection, lane: str) -> str:
    """Read a text that differs whenever an answer was kept."""
    return note(connection, _CHANGES + lane)


_KEEP = text(
    "INSERT INTO acquaintance (lane, platform, recipient, asked_at, contact, state, assignee,"
    " status, tags, talk) VALUES (:lane, :platform, :recipient, :asked_at, :contact, :state,"
    " :assignee, :status, :tags, :talk)"
    " ON CONFLICT (lane, platform, recipient) DO UPDATE SET asked_at = excluded.asked_at,"
    " contact = excluded.contact, state = excluded.state, assignee = excluded.assignee,"
    " status = excluded.status, tags = excluded.tags, talk = excluded.talk"
)


def stale(connection: Connection, campaign: int, lane: str, platform: str, now: float) -> list[str]:
    """Return the people whom a campaign is to write to, or has skipped by what Inbox said of them,
    and of whom nothing is known that `is_fresh`."""
    told = acquaintance.c
    same = (
        (told.recipient == message.c.recipient) & (told.lane == lane) & (told.platform == platform)
    )
    wanted = (
        select(message.c.recipient)
        .select_from(message.outerjoin(acquaintance, same))
        .where(
            message.c.campaign == campaign,
            (message.c.status == MessageStatus.QUEUED) | message.c.reason.in_(_SAID_BY_INBOX),
            told.asked_at.is_(None)
            | (told.asked_at <= now - FRESH)
            | (told.asked_at >= now + FRESH),
        )
        .order_by(message.c.id)
    )
    return list(connection.execute(wanted).scalars())


_SAID_BY_INBOX = (
    SkipReason.IN_TALKS,
    SkipReason.ASSIGNED,
    SkipReason.STATUS,
    SkipReason.TAG,
    SkipReason.ACCOUNT_GONE,
)


def own_messages(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Return the messages that campaigns of this ledger have sent to these people, by the API's
    ids."""
    return frozenset(_OWN.run(connection, ids=json.dumps([*ids])).scalars())


_OWN = Prepared(
    lambda database: select(message.c.message_id).where(
        message.c.recipient.in_(texts_of("ids", database)), message.c.message_id.is_not(None)
    )
)
