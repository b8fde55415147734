"""What the ledger says of campaigns to whoever measures: one consistent look, reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from runner.ledger.campaigns import brakes
from runner.ledger.messages import queue
from runner.ledger.messages.queue import SenderQueue
from runner.ledger.queries import totals
from runner.ledger.schema import campaign, message, status_is, submission
from runner.message.status import MessageStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """How a campaign stands. `messages`: how many have which (status, reason), the reason empty
    where it does not matter any more; each status is there, if only with none. `brake`: what stops
    it, empty for nothing. `waiting`: its queue, if it was asked for."""

    campaign: str
    messages: Mapping[tuple[str, str], int]
    brake: str
    last_sent_at: float | None
    waiting: list[SenderQueue]


def standings(
    connection: Connection, driven: Collection[int], only: Collection[str], *, submitted: bool
) -> dict[int, Standing]:
    """How the campaigns stand that are `driven` here, their queues too; `submitted`: and all others
    that were handed to workers."""
    wanted = select(campaign.c.id, campaign.c.name).order_by(campaign.c.id)
    handed = select(submission.c.campaign)
    mine = campaign.c.id.in_(driven)
    found = connection.execute(
        wanted.where(mine | campaign.c.id.in_(handed) if submitted else mine)
    )
    names = {row.id: row.name for row in found}
    stopped = brakes.active(connection, names)
    waiting = queue.waiting(connection, driven, only) if driven else []
    return {
        id: Standing(
            name,
            _messages(connection, id),
            str(stopped[id].kind) if id in stopped else "",
            _last_sent_at(connection, id),
            [each for each in waiting if each.campaign == id],
        )
        for id, name in names.items()
    }


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
