"""The do-not-contact list, checked before a send and when a message comes back."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    select,
)

from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.schema import campaign, message, opt_out, status_is, suppression
from runner.message.plan import describe_listed
from runner.message.status import SkipReason


def is_suppressed() -> ColumnElement[bool]:
    """Return the condition that a message's recipient is on the ledger's do-not-contact list, as
    far as that concerns its campaign."""
    return exists().where(suppression.c.recipient == message.c.recipient, ~is_of_others())


def is_of_others() -> ColumnElement[bool]:
    """Return the condition that an entry of the list concerns a message's campaign not: that has
    `suppress.scope: team`, and the person has opted out of other teams' messages alone. One whose
    team is not known yet obeys every entry."""
    its_own = select(campaign.c.team).where(
        campaign.c.id == message.c.campaign, campaign.c.own_opt_outs, campaign.c.team.is_not(None)
    )
    return and_(
        exists(its_own.correlate(message)),
        opted_out(),
        ~opted_out(opt_out.c.team == its_own.correlate(message).scalar_subquery()),
    )


def opted_out(*of: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that an entry of the list was made by an opt-out, of these teams."""
    wanted = select(opt_out.c.recipient).where(opt_out.c.recipient == suppression.c.recipient, *of)
    return exists(wanted.correlate(suppression, message))


def skip_suppressed(connection: Connection, these: ColumnElement[bool]) -> dict[int, LateSkip]:
    """Skip those of `these` messages that are not begun and whose recipients are on the
    do-not-contact list."""
    rows = connection.execute(
        select(message.c.id, suppression.c.reason, suppression.c.added_at)
        .join(suppression, suppression.c.recipient == message.c.recipient)
        .where(these, status_is(message, *TO_COME), ~is_of_others())
    )
    skipped = {
        row.id: LateSkip(SkipReason.SUPPRESSED, describe_listed(row.reason, row.added_at))
        for row in rows
    }
    return skip_late(connection, skipped)


def skip_own_list(
    connection: Connection, these: ColumnElement[bool], listed: Mapping[str, str]
) -> dict[int, LateSkip]:
    """Skip those of `these` messages whose recipients are `listed`: id to where."""
    rows = connection.execute(
        select(message.c.id, message.c.recipient).where(these, status_is(message, *TO_COME))
    )
    skipped = {
        row.id: LateSkip(SkipReason.SUPPRESSED, f"is in {listed[row.recipient]}")
        for row in rows
        if row.recipient in listed
    }
    return skip_late(connection, skipped)
