"""Follow-ups: they begin to count when the message before them is sent, and end with its people.

A follow-up stands as the message before it does: it waits while that may still be sent, is queued
once it is sent, and is skipped when it ends otherwise. `follow` makes that so, in the transaction
in which the message before has moved. Those of erased people stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    or_,
    select,
    update,
)

from runner.ledger.people import erased
from runner.ledger.schema import campaign, inbound, message
from runner.ledger.statements import Prepared, bound, given, is_one_of
from runner.message.erased import is_placeholder
from runner.message.follow_up import ENDS, StopOn
from runner.message.status import OPEN, MessageStatus, SkipReason

_S = MessageStatus

MAY_BE_SENT = (_S.QUEUED, _S.WAITING, *OPEN)
"""Statuses of a message that may still be sent: what follows it waits."""

UNSENT = (_S.SKIPPED, _S.REJECTED, _S.FAILED, _S.CANCELLED)
"""Statuses of a message that is not sent unless a person or a plan says so."""

REPLIES = ("reply", "unread")
"""Kinds of inbound messages that are answers."""

TO_COME = (_S.QUEUED, _S.WAITING)
"""Statuses of a message that is not begun."""

AT_ONCE = 500
"""Messages that are looked for at once."""


class HeldTime(NamedTuple):
    """A person's time on hold (Unix s)."""

    recipient: str
    since: float
    until: float


before_it = message.alias("before")
IS_BEFORE = and_(
    before_it.c.campaign == message.c.campaign,
    before_it.c.step == message.c.previous,
    before_it.c.platform == message.c.platform,
    before_it.c.id_type == message.c.id_type,
    before_it.c.recipient == message.c.recipient,
)
DUE_AT = before_it.c.sent_at + message.c.after + message.c.held
_IS_QUEUED = message.c.status == _S.QUEUED
_OUT_OF_STEP = or_(
    and_(message.c.status == _S.WAITING, before_it.c.status.not_in(MAY_BE_SENT)),
    and_(
        message.c.status == _S.SKIPPED,
        message.c.reason == SkipReason.STEP_BEFORE,
        before_it.c.status.not_in(UNSENT),
    ),
    and_(_IS_QUEUED, or_(before_it.c.status != _S.SENT, message.c.not_before < DUE_AT)),
    and_(_IS_QUEUED, message.c.detail == "", message.c.not_before > DUE_AT),
)


_next = message.alias("next_one")
_of = message.alias()


def is_followed(*statuses: MessageStatus) -> ColumnElement[bool]:
    """Return the condition that a follow-up comes after a message: one of these statuses, if any
    are named."""
    found = exists().where(
        _next.c.recipient == message.c.recipient,
        _next.c.campaign == message.c.campaign,
        _next.c.previous == message.c.step,
    )
    return found.where(_next.c.status.in_(statuses)) if statuses else found


def follow(connection: Connection, these: ColumnElement[bool]) -> None:
    """Let the follow-ups among these messages stand as the ones before them do, and those after
    them in turn."""
    rows = connection.execute(_out_of_step(these)).all()
    follow_after(connection, _move(connection, [tuple(row) for row in rows]))


def follow_after(connection: Connection, ids: Sequence[int]) -> None:
    """Let what comes after these messages stand as they do now, and what comes after that."""
    while ids:
        rows = _OUT_OF_STEP_AFTER.rows(connection, ids=json.dumps([*ids]))
        ids = _move(connection, rows)


def _out_of_step(these: ColumnElement[bool]) -> Select[Any]:
    """Select the follow-ups among these that stand otherwise than the messages before them."""
    reason = case((before_it.c.previous != "", before_it.c.reason), else_="")
    before = before_it.c.status, reason, before_it.c.detail, DUE_AT.label("due_at")
    return (
        select(message.c.id, *before)
        .join(before_it, IS_BEFORE)
        .where(these, message.c.previous != "", _OUT_OF_STEP, ~erased.is_erased())
        .order_by(message.c.id)
    )


def _move(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """Move follow-ups as the messages before them stand, and return which they are."""
    if rows:
        _FOLLOW.run_many(connection, [{"_id": id, **_stands(*before)} for id, *before in rows])
    return [id for id, *_ in rows]


_OUT_OF_STEP_AFTER = Prepared(
    lambda database: _out_of_step(is_one_of(before_it.c.id, "ids", database))
)
_FOLLOW = Prepared(
    lambda _: (
        update(message)
        .where(message.c.id == given("_id"))
        .values(bound("status", "reason", "detail", "not_before"))
    )
)


def _stands(status: str, reason: str, detail: str, due_at: float | None) -> dict[str, Any]:
    """Return how a follow-up stands after a message that stands so. `reason`: of a follow-up, since
    one for which a first message is skipped may pass."""
    if status == _S.SENT:
        return {"status": _S.QUEUED, "reason": "", "detail": "", "not_before": due_at}
    if status in MAY_BE_SENT:
        return {"status": _S.WAITING, "reason": "", "detail": "", "not_before": 0.0}
    told = reason if reason in ENDS else SkipReason.STEP_BEFORE.value
    what = detail if reason in ENDS else f"the message before it is {status}"
    return {"status": _S.SKIPPED, "reason": told, "detail": what, "not_before": 0.0}


def hold_longer(connection: Connection, held: Collection[HeldTime], *, sign: int = 1) -> None:
    """Put follow-ups off whose time is running by what their people are on hold meanwhile. `sign`:
    -1 takes back what was counted too much."""
    for start in range(0, len(held), AT_ONCE):
        part = {each.recipient: each for each in list(held)[start : start + AT_ONCE]}
        running = (
            message.c.recipient.in_(part),
            message.c.previous != "",
            message.c.status == _S.QUEUED,
            before_it.c.status == _S.SENT,
        )
        columns = message.c.id, message.c.recipient, before_it.c.sent_at
        rows = connection.execute(select(*columns).join(before_it, IS_BEFORE).where(*running)).all()
        longer = [
            {"_id": id, "_longer": sign * max(0.0, of.until - max(of.since, sent_at))}
            for id, recipient, sent_at in rows
            for of in [part[recipient]]
        ]
        if longer:
            connection.execute(
                update(message)
                .where(message.c.id == bindparam("_id"))
                .values(held=message.c.held + bindparam("_longer")),
                longer,
            )
            follow(connection, message.c.id.in_([each["_id"] for each in longer]))


def drop_others(connection: Connection, id: int, steps: Collection[str]) -> None:
    """Take out the follow-ups of a campaign whose steps are no longer in its file."""
    connection.execute(
        update(message)
        .where(
            message.c.campaign == id,
            message.c.previous != "",
            message.c.status.in_(TO_COME),
            message.c.step.not_in(steps),
        )
        .values(
            status=_S.SKIPPED,
            reason=SkipReason.REMOVED,
            detail="its step is no longer in the campaign file",
        )
    )


def end_for(connection: Connection, answered: Collection[int]) -> int:
    """Take out what follows for the people who have answered these messages, where their campaigns
    stop on a reply; return how many messages that are."""
    if not answered:
        return 0
    return _end(connection, _of.c.id.in_(answered))


def end_answered(connection: Connection, id: int) -> None:
    """Take out what follows for the people of a campaign who have answered already, where it stops
    on a reply: a plan may have made steps that are new for them."""
    has_answered = exists().where(inbound.c.answers == _of.c.id, inbound.c.kind.in_(REPLIES))
    _end(connection, and_(_of.c.campaign == id, has_answered))


def _end(connection: Connection, answered: ColumnElement[bool]) -> int:
    told = (
        select(_of.c.campaign, _of.c.platform, _of.c.id_type, _of.c.recipient)
        .join(campaign, campaign.c.id == _of.c.campaign)
        .where(answered, stops_on(StopOn.REPLY))
        .distinct()
    )
    ended = 0
    for person in connection.execute(told).all():
        theirs = [message.c[name] == value for name, value in person._mapping.items()]
        ended += connection.execute(
            update(message)
            .where(*theirs, message.c.previous != "", message.c.status.in_(TO_COME))
            .values(status=_S.SKIPPED, reason=SkipReason.REPLIED, detail=ANSWERED, not_before=0.0)
        ).rowcount
    return ended


def go_on_for(connection: Connection, id: int, recipients: Collection[str]) -> None:
    """Let what follows go on for people of a campaign who have not answered after all, but for
    those who were erased."""
    wanted = [each for each in recipients if not is_placeholder(each)]
    theirs = message.c.campaign == id, message.c.recipient.in_(wanted)
    connection.execute(
        update(message)
        .where(
            *theirs,
            message.c.previous != "",
            message.c.status == _S.SKIPPED,
            message.c.reason == SkipReason.REPLIED,
        )
        .values(status=_S.WAITING, reason="", detail="")
    )
    follow(connection, and_(*theirs))


def stops_on(what: StopOn) -> ColumnElement[bool]:
    """Return the condition that this takes a campaign's people out of its steps."""
    return campaign.c.stop_on.contains(what.value, autoescape=True)


ANSWERED = "they have answered"
