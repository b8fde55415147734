"""Tags: the contacts whom a campaign has written to, and which of them have its tag already."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, exists, insert, select

from runner.ledger.people import erased
from runner.ledger.schema import message, tagged
from runner.message.status import MessageStatus


class Untagged(NamedTuple):
    """A first message that was sent, and whose recipient does not have the campaign's tag yet."""

    message: int
    id_type: str
    recipient: str


def untagged(
    connection: Connection, campaign: int, tag: str, limit: int, after: int = 0
) -> list[Untagged]:
    """Return the first messages of people `after` one that were sent, and whose recipients do not
    have this tag yet. Follow-ups tag nobody again."""
    done = exists().where(tagged.c.message == message.c.id, tagged.c.tag == tag)
    wanted = (
        select(message.c.id, message.c.id_type, message.c.recipient)
        .where(
            message.c.campaign == campaign,
            message.c.status == MessageStatus.SENT,
            message.c.previous == "",
            message.c.message_id.is_not(None),
            message.c.id > after,
            ~erased.is_erased(),
            ~done,
        )
        .order_by(message.c.id)
        .limit(limit)
    )
    return [Untagged(*row) for row in connection.execute(wanted)]


def keep(connection: Connection, messages: list[int], tag: str, at: float) -> None:
    """Note that these messages' recipients have the tag, or cannot get it."""
    if messages:
        rows = [{"message": id, "tag": tag, "at": at} for id in messages]
        connection.execute(insert(tagged), rows)
