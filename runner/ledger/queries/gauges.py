"""The gauges of campaigns for metrics, in one consistent read."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from runner.instrumentation import CampaignFigures
from runner.ledger.campaigns import brakes
from runner.ledger.messages import queue
from runner.ledger.queries import replied, totals
from runner.ledger.schema import campaign, message, status_is, submission
from runner.message.status import MessageStatus


def campaign_figures(
    connection: Connection, driven: Collection[int], only: Collection[str], *, submitted: bool
) -> tuple[list[CampaignFigures], list[queue.SenderQueue]]:
    """Return the figures of the campaigns that are `driven` here, and their queues;
    `submitted`: the figures of all others too that were handed to workers."""
    wanted = select(campaign.c.id, campaign.c.name).order_by(campaign.c.id)
    handed = select(submission.c.campaign)
    mine = campaign.c.id.in_(driven)
    rows = connection.execute(wanted.where(mine | campaign.c.id.in_(handed) if submitted else mine))
    names = {row.id: row.name for row in rows}
    stopped = brakes.active(connection, names)
    figures = [
        CampaignFigures(
            name,
            _messages(connection, id),
            str(stopped[id].kind) if id in stopped else "",
            _last_sent_at(connection, id),
            *replied.answered_since(connection, id, 0.0),
        )
        for id, name in names.items()
    ]
    return figures, queue.waiting(connection, driven, only) if driven else []


def _messages(connection: Connection, id: int) -> dict[tuple[str, str], int]:
    rest = {str(status): count for status, count in totals.counts(connection, id).items()}
    found: dict[tuple[str, str], int] = {}
    for status, reason, count in totals.reasons(connection, id):
        if reason:
            found[str(status), reason] = count
            rest[str(status)] -= count
    return found | {(status, ""): count for status, count in rest.items()}


def _last_sent_at(connection: Connection, id: int) -> float | None:
    sent = message.c.campaign == id, status_is(message, MessageStatus.SENT)
    at: float | None = connection.scalar(select(func.max(message.c.sent_at)).where(*sent))
    return at
