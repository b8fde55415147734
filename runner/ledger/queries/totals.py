"""The counts of messages per status and reason, and the do-not-contact list."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import (
    ColumnElement,
    Connection,
    exists,
    func,
    or_,
    select,
)

from runner.ledger.messages.eligibility import IS_QUEUED
from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.messages.suppression import is_of_others
from runner.ledger.people import holds
from runner.ledger.schema import message, opt_out, row_skip, status_is, suppression
from runner.ledger.statements import Prepared, given, is_one_of, texts_of
from runner.message.status import OPEN, MessageStatus, SkipReason

_S = MessageStatus


def has_begun(connection: Connection, id: int) -> bool:
    """Return whether anything of a campaign was ever tried."""
    mine = select(message.c.id).where(message.c.campaign == id).limit(1)
    # Those that say so by their status first: the others have to be read one by one.
    tried = status_is(message, *OPEN, _S.SENT, _S.REJECTED, _S.FAILED)
    each = (tried, message.c.attempts > 0)
    return any(connection.execute(mine.where(how)).first() is not None for how in each)


def unplanned(connection: Connection, campaigns: Collection[int]) -> int:
    """Return how many messages have come back into the queue since their campaign was planned."""
    return connection.execute(
        select(func.count())
        .select_from(message)
        .where(
            message.c.campaign.in_(campaigns),
            message.c.unplanned.is_(True),
            IS_QUEUED,
        )
    ).scalar_one()


def is_own_result() -> ColumnElement[bool]:
    """Return the condition that a skipped row is a result of its own: one that was only not
    selected, or whose person was erased, is covered by its recipient's message, if there is
    one."""
    return or_(
        row_skip.c.reason.not_in((SkipReason.NOT_SELECTED, SkipReason.ERASED)),
        ~exists().where(  # `+ 0`: to be looked for by the recipient, not among a whole campaign
            message.c.campaign + 0 == row_skip.c.campaign,
            message.c.recipient == row_skip.c.recipient,
        ),
    )


_COUNTS = Prepared(
    lambda _: select(
        *(
            select(func.count())
            .where(message.c.campaign == given("campaign"), message.c.status == str(status))
            .scalar_subquery()
            .label(status)
            for status in MessageStatus
        )
    )
)
"""The counts status by status: grouping takes three times as long as counting does."""


def counts(connection: Connection, id: int) -> dict[MessageStatus, int]:
    """Return the messages and rows of a campaign per status; rows without a usable id are
    skipped."""
    counted = _COUNTS.run(connection, campaign=id).one()
    found = dict(zip(MessageStatus, counted, strict=True))
    found[_S.SKIPPED] += connection.execute(
        select(func.count()).select_from(row_skip).where(row_skip.c.campaign == id, is_own_result())
    ).scalar_one()
    return found


def people_to_come(connection: Connection, id: int) -> int:
    """Count the people of a campaign for whom something is queued or waits."""
    to_come = message.c.status.in_(TO_COME)
    people = select(func.count(message.c.recipient.distinct()))
    return connection.execute(people.where(message.c.campaign == id, to_come)).scalar_one()


def follow_ups_to_come(connection: Connection, id: int) -> int:
    """Count the follow-ups of a campaign that wait, or have their time running."""
    [(count,)] = _FOLLOW_UPS_TO_COME.rows(connection, campaign=id)
    return int(count)


_FOLLOW_UPS_TO_COME = Prepared(
    lambda _: (
        select(func.count())
        .select_from(message)
        .where(
            message.c.campaign == given("campaign"),
            message.c.status.in_(TO_COME),
            message.c.previous != "",
        )
    )
)


def rows_skipped(connection: Connection, id: int, reason: str) -> int:
    """Count the rows of a campaign that are no message, for a reason."""
    wanted = select(func.count()).select_from(row_skip)
    wanted = wanted.where(row_skip.c.campaign == id, row_skip.c.reason == reason)
    return connection.execute(wanted).scalar_one()


def reasons(connection: Connection, id: int) -> list[tuple[MessageStatus, str, int]]:
    """Return how many are skipped, rejected, failed or in doubt for which reason, most first."""
    wanted = (_S.SKIPPED, _S.REJECTED, _S.FAILED, _S.IN_DOUBT)
    tally: dict[tuple[MessageStatus, str], int] = {}
    for status, reason, count in connection.execute(
        select(message.c.status, message.c.reason, func.count())
        .where(message.c.campaign == id, message.c.status.in_(wanted))
        .group_by(message.c.status, message.c.reason)
    ):
        tally[MessageStatus(status), reason] = count
    for reason, count in connection.execute(
        select(row_skip.c.reason, func.count())
        .where(row_skip.c.campaign == id, is_own_result())
        .group_by(row_skip.c.reason)
    ):
        tally[_S.SKIPPED, reason] = tally.get((_S.SKIPPED, reason), 0) + count
    ranked = sorted(tally.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [(status, reason, count) for (status, reason), count in ranked]


def sent_between(connection: Connection, id: int, start: float) -> int:
    """Return how many messages of a campaign were sent since `start` (Unix s)."""
    return connection.execute(
        select(func.count())
        .select_from(message)
        .where(message.c.campaign == id, status_is(message, _S.SENT), message.c.sent_at >= start)
    ).scalar_one()


def statuses(connection: Connection, ids: Collection[int]) -> dict[int, MessageStatus]:
    """Return the status of these messages."""
    wanted = select(message.c.id, message.c.status).where(
        is_one_of(message.c.id, "ids", connection.dialect.name)
    )
    found = connection.execute(wanted, {"ids": json.dumps([*ids])})
    return {id: MessageStatus(status) for id, status in found}


def unwanted_among(connection: Connection, ids: Collection[str], now: float) -> frozenset[str]:
    """Return those of these recipients who are on the do-not-contact list, or on hold; without
    those to whom a message is under way of a campaign that their entry concerns not."""
    suppressed = _SUPPRESSED.rows(connection, ids=json.dumps(sorted(ids)))
    return holds.held_among(connection, ids, now).union(id for (id,) in suppressed)


_UNDER_WAY = (
    select(message.c.id)
    .where(message.c.recipient == suppression.c.recipient, status_is(message, *OPEN))
    .where(is_of_others())
    .correlate(suppression)
)
_SUPPRESSED = Prepared(
    lambda database: select(suppression.c.recipient).where(
        suppression.c.recipient.in_(texts_of("ids", database)), ~_UNDER_WAY.exists()
    )
)


def opt_outs(connection: Connection) -> dict[str, list[str]]:
    """Read of which teams' messages people of the list have opted out; without those whose entry is
    a person's own."""
    found: dict[str, list[str]] = {}
    for recipient, team in connection.execute(select(opt_out).order_by(*opt_out.c)):
        found.setdefault(recipient, []).append(team)
    return found


def suppression_list(connection: Connection) -> list[tuple[str, str, float]]:
    """Return (recipient, reason, added at) of the do-not-contact list, in order of adding."""
    return [
        (recipient, reason, at)
        for recipient, reason, at in connection.execute(
            select(suppression.c.recipient, suppression.c.reason, suppression.c.added_at).order_by(
                suppression.c.added_at, suppression.c.recipient
            )
        )
    ]
