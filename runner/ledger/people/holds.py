"""Holds: people to whom nothing goes, in any campaign, until a date or until they are taken off.
Their queued messages stay queued. Reads only, but for `count_change`."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, exists, func, select

from runner.ledger.schema import hold, message, note, set_note
from runner.ledger.statements import Prepared, given, texts_of

_CHANGES = "holds"


def is_held() -> ColumnElement[bool]:
    """Build the condition that a message's recipient is on hold at the moment that is given as
    `now`."""
    return exists().where(hold.c.recipient == message.c.recipient, _lasts())


def is_held_without_end() -> ColumnElement[bool]:
    """Build the condition that a message's recipient is on hold until taken off."""
    return exists().where(hold.c.recipient == message.c.recipient, hold.c.until.is_(None))


def held_until() -> ScalarSelect[float | None]:
    """Select when the hold of a message's recipient ends: None for never, and for a person on
    none."""
    return select(hold.c.until).where(hold.c.recipient == message.c.recipient).scalar_subquery()


def people(*, without_end: bool | None = None) -> Select[tuple[str]]:
    """Select all people with a hold, past ones too. `without_end`: only those without an end, or
    only those with one."""
    wanted = select(hold.c.recipient)
    if without_end is None:
        return wanted
    return wanted.where(hold.c.until.is_(None) if without_end else hold.c.until.is_not(None))


def _lasts() -> ColumnElement[bool]:
    return hold.c.until.is_(None) | (hold.c.until > given("now"))


class HeldPerson(NamedTuple):
    """A person on hold: until when (Unix s, None: until taken off), why, since when, and by
    whom."""

    recipient: str
    until: float | None
    why: str
    made_at: float
    made_by: str

    def lasts(self, now: float) -> bool:
        """Return whether it is not over yet."""
        return self.until is None or self.until > now


def listed(connection: Connection, now: float) -> list[HeldPerson]:
    """List who is on hold, in the order in which they were put on it."""
    wanted = select(hold.c.recipient, hold.c.until, hold.c.why, hold.c.made_at, hold.c.made_by)
    found = connection.execute(
        wanted.where(_lasts()).order_by(hold.c.made_at, hold.c.recipient), {"now": now}
    )
    return [HeldPerson(*row) for row in found]


def hold_of(connection: Connection, recipient: str) -> HeldPerson | None:
    """Find a person's hold, which may be over; None for none."""
    wanted = select(hold.c.recipient, hold.c.until, hold.c.why, hold.c.made_at, hold.c.made_by)
    found = connection.execute(wanted.where(hold.c.recipient == recipient)).one_or_none()
    return None if found is None else HeldPerson(*found)


def held_among(connection: Connection, ids: Collection[str], now: float) -> frozenset[str]:
    """Return which of these recipients are on hold."""
    return frozenset(id for (id,) in _AMONG.rows(connection, ids=json.dumps(sorted(ids)), now=now))


_AMONG = Prepared(
    lambda database: select(hold.c.recipient).where(
        hold.c.recipient.in_(texts_of("ids", database)), _lasts()
    )
)


class Held(NamedTuple):
    """The numbers of a campaign's queued messages to people on hold, and of those to people on hold
    without an end."""

    messages: int
    without_end: int


NONE_HELD = Held(0, 0)


def held_of(connection: Connection, campaign: int, now: float) -> Held:
    """Count what of a campaign's queue is on hold, as far as its plan covers that."""
    if not connection.execute(select(hold.c.recipient).limit(1)).first():
        return NONE_HELD
    # From the few that there are, not message by message: see `eligibility.barred_messages`.
    queued = (
        message.c.campaign + 0 == campaign,
        message.c.status.concat("") == "queued",
        ~message.c.unplanned,
    )
    counted = select(func.count()).select_from(message).where(*queued)
    lasting = select(hold.c.recipient).where(_lasts())
    messages, without_end = (
        connection.execute(counted.where(message.c.recipient.in_(who)), {"now": now}).scalar_one()
        for who in (lasting, people(without_end=True))
    )
    return Held(messages, without_end)


def changes(connection: Connection) -> str:
    """Read a text that differs whenever a person was put on hold, or taken off."""
    return note(connection, _CHANGES)


def count_change(connection: Connection) -> None:
    """Let live runs find that there is something new."""
    set_note(connection, _CHANGES, str(int(changes(connection) or 0) + 1))
