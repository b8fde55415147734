"""The people of each variant: dealt, written to, and answering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, distinct, func, select

from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.queries.replied import IS_REPLY
from runner.ledger.schema import inbound, message, status_is
from runner.message.plan import FIRST_STEP
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus


def unsent(connection: Connection, campaign: int) -> dict[str, int]:
    """Count a campaign's people who are not written to, but may be, by their variants."""
    may_be = (_S.QUEUED, _S.FAILED, _S.REJECTED, _S.CANCELLED)
    wanted = (
        select(message.c.variant, func.count())
        .where(
            message.c.campaign == campaign,
            message.c.step == FIRST_STEP,
            message.c.status.in_(may_be),
        )
        .group_by(message.c.variant)
        .order_by(message.c.variant)
    )
    return dict(connection.execute(wanted).all())


def followed(connection: Connection, campaign: int) -> dict[str, int]:
    """Count a campaign's people who are written to and have follow-ups to come, by their
    variants."""
    first = message.alias("first")
    of_same = (
        first.c.campaign == message.c.campaign,
        first.c.recipient == message.c.recipient,
        first.c.step == FIRST_STEP,
        status_is(first, _S.SENT, *OPEN),
    )
    wanted = (
        select(first.c.variant, func.count(distinct(message.c.recipient)))
        .where(
            *of_same,
            message.c.campaign == campaign,
            message.c.previous != "",
            message.c.status.in_(TO_COME),
        )
        .group_by(first.c.variant)
        .order_by(first.c.variant)
    )
    return dict(connection.execute(wanted).all())


class Dealt(NamedTuple):
    """The people who were dealt each variant; of these, those who do not wait any more, and those
    who were written to. `chosen`: people whose variant a person chose."""

    dealt: Counter[str]
    ended: Counter[str]
    written_to: Counter[str]
    chosen: int


def dealt(connection: Connection, campaign: int) -> Dealt:
    """Count a campaign's people by their variants."""
    each = message.c
    wanted = (
        select(each.variant, each.chosen, each.status, func.count())
        .where(each.campaign == campaign, each.step == FIRST_STEP, each.variant != "")
        .group_by(each.variant, each.chosen, each.status)
    )
    found = Dealt(Counter(), Counter(), Counter(), 0)
    for variant, chosen, status, count in connection.execute(wanted):
        if chosen:
            found = found._replace(chosen=found.chosen + count)
            continue
        found.dealt[variant] += count
        if status not in (_S.QUEUED, *OPEN):
            found.ended[variant] += count
        if status == _S.SENT:
            found.written_to[variant] += count
    return found


def _compared(campaign: int, variants: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        message.c.campaign == campaign,
        message.c.step == FIRST_STEP,
        status_is(message, _S.SENT),
        message.c.variant.in_(variants),
        ~message.c.chosen,
    )


def pauses(
    connection: Connection, campaign: int, variants: Collection[str], length: float
) -> list[float]:
    """Return when (Unix s) each last message went before one of these variants was sent for longer
    than `length` (seconds), in order; the last of all is the end."""
    after = func.lead(message.c.sent_at).over(order_by=message.c.sent_at)
    sent = select(message.c.sent_at, after.label("after")).where(*_compared(campaign, variants))
    each = sent.subquery().c
    is_last = each.after.is_(None) | (each.after - each.sent_at > length)
    wanted = select(each.sent_at).where(is_last).order_by(each.sent_at)
    return list(connection.execute(wanted).scalars())


def written_to(
    connection: Connection, campaign: int, variants: Collection[str], until: float
) -> Counter[str]:
    """Count the people of each variant who were written to by then (Unix s)."""
    wanted = (
        select(message.c.variant, func.count(distinct(message.c.recipient)))
        .where(*_compared(campaign, variants), message.c.sent_at <= until)
        .group_by(message.c.variant)
    )
    return Counter(dict(connection.execute(wanted).all()))


def replied(
    connection: Connection,
    campaign: int,
    variants: Collection[str],
    written_until: float,
    until: float,
) -> Counter[str]:
    """Count the people of each variant who were written to and had answered by then (Unix s), to
    whatever message of the campaign."""
    first = message.alias("first")
    wanted = (
        select(message.c.variant, func.count(distinct(message.c.recipient)))
        .join(
            first,
            (first.c.campaign == message.c.campaign)
            & (first.c.recipient == message.c.recipient)
            & (first.c.platform == message.c.platform)
            & (first.c.id_type == message.c.id_type),
        )
        .join(inbound, inbound.c.answers == first.c.id)
        .where(
            *_compared(campaign, variants),
            message.c.sent_at <= written_until,
            IS_REPLY,
            inbound.c.at <= until,
        )
        .group_by(message.c.variant)
    )
    return Counter(dict(connection.execute(wanted).all()))
