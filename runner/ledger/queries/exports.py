"""The lines of an export, read a batch at a time."""

from __future__ import annotations

import heapq
import json
from array import array
from collections.abc import Collection, Generator, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from runner.ledger.queries.replied import first_replies, has_any
from runner.ledger.queries.totals import is_own_result
from runner.ledger.schema import message, row_skip
from runner.ledger.statements import Prepared, is_one_of
from runner.message.status import MessageStatus

_S = MessageStatus
_STATUS = {status.value: status for status in MessageStatus}


class ExportRow(NamedTuple):
    """One row of an export. `detail` explains the reason; `columns`: the prospect's cells, as the
    ledger has them: a JSON object."""

    row: int
    recipient: str
    status: MessageStatus
    reason: str
    detail: str
    sender: str
    step: str
    message_id: str
    thread_id: str
    attempts: int
    sent_at: float | None
    content: str
    columns: str
    variant: str = ""
    not_before: float = 0.0
    replied_at: float | None = None
    opted_out_at: float | None = None


_EXPORTED = Prepared(
    lambda database: select(
        message.c.id,
        message.c.row,
        message.c.recipient,
        message.c.status,
        message.c.reason,
        message.c.detail,
        message.c.sender,
        message.c.step,
        func.coalesce(message.c.message_id, ""),
        func.coalesce(message.c.thread_id, ""),
        message.c.attempts,
        message.c.sent_at,
        message.c.text,
        message.c.columns,
        message.c.variant,
        message.c.not_before,
    ).where(is_one_of(message.c.id, "ids", database))
)
EXPORT_BATCH = 500
"""Messages that are read at once."""


def export_names(
    connection: Connection, id: int, statuses: Collection[MessageStatus] = ()
) -> list[str]:
    """Return the names of the prospects' own columns in an export, each once."""
    names: dict[str, None] = {}
    of_messages = select(message.c.columns).where(message.c.campaign == id).order_by(message.c.id)
    if statuses:
        of_messages = of_messages.where(message.c.status.in_(statuses))
    of_skips = select(row_skip.c.columns).where(row_skip.c.campaign == id, is_own_result())
    wanted = [of_messages]
    if not statuses or _S.SKIPPED in statuses:
        wanted.append(of_skips.order_by(row_skip.c.row))
    for each in wanted:
        for (columns,) in connection.execute(each.execution_options(yield_per=1000)):
            found = json.loads(columns)
            if not found.keys() <= names.keys():
                names.update(dict.fromkeys(found))
    return list(names)


def export_rows(
    connection: Connection, id: int, statuses: Collection[MessageStatus] = ()
) -> Generator[ExportRow, None, None]:
    """Yield every recipient and every row without a usable id, in the order of the sheet."""
    messages = _messages(connection, id, statuses)
    if statuses and _S.SKIPPED not in statuses:
        yield from messages
    else:
        yield from heapq.merge(messages, _skips(connection, id), key=attrgetter("row"))


def _messages(
    connection: Connection, id: int, statuses: Collection[MessageStatus]
) -> Iterator[ExportRow]:
    wanted = select(message.c.id).where(message.c.campaign == id)
    if statuses:
        wanted = wanted.where(message.c.status.in_(statuses))
    # Their ids alone are put into order: whole rows would be written to a temporary file for it.
    ordered = connection.execute(wanted.order_by(message.c.row, message.c.id))
    ids = array("q", (each for (each,) in ordered))
    answered = has_any(connection)
    for at in range(0, len(ids), EXPORT_BATCH):
        some = ids[at : at + EXPORT_BATCH].tolist()
        rows = _EXPORTED.rows(connection, ids=json.dumps(some))
        found: dict[int, tuple[Any, ...]] = {row[0]: row for row in rows}
        answers = first_replies(connection, some) if answered else {}
        for each in some:
            _, number, to, status, *rest = found[each]
            yield ExportRow(number, to, _STATUS[status], *rest, *answers.get(each, (None, None)))


def _skips(connection: Connection, id: int) -> Iterator[ExportRow]:
    skipped = (
        select(
            row_skip.c.row,
            row_skip.c.recipient,
            row_skip.c.reason,
            row_skip.c.detail,
            row_skip.c.columns,
        )
        .where(row_skip.c.campaign == id, is_own_result())
        .order_by(row_skip.c.row)
    )
    asked = skipped.execution_options(yield_per=1000)
    with connection.execute(asked) as found:  # closed, too, where nobody reads it to its end
        for row, recipient, reason, detail, columns in found:
            yield ExportRow(
                row=row,
                recipient=recipient,
                status=_S.SKIPPED,
                reason=reason,
                detail=detail,
                sender="",
                step="",
                message_id="",
                thread_id="",
                attempts=0,
                sent_at=None,
                content="",
                columns=columns,
            )
