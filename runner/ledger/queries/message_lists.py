"""Lists of messages and rows, a page at a time, and one message in full.

Every query is bounded, whatever the ledger holds: it reads by an index, or so many messages at
most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select

from runner.ledger.campaigns.audit import Action, actions_about
from runner.ledger.pagination import Page, make_cursor, page_of, parse_cursor
from runner.ledger.people import holds
from runner.ledger.people.holds import HeldPerson
from runner.ledger.queries.totals import is_own_result
from runner.ledger.schema import attempt, campaign, message, row_skip, run, status_is, suppression
from runner.message.plan import FIRST_STEP
from runner.message.status import MessageStatus

_S = MessageStatus

MOST_SCANNED = 20_000
"""The most messages that are scanned for a page of a list. Our own choice:
about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message, or a row of the sheet without a usable id (`message` is None), as it is now.
    `columns` are the prospect's cells."""

    campaign: int
    campaign_name: str
    message: int | None
    row: int
    recipient: str
    status: MessageStatus
    reason: str
    detail: str
    columns: dict[str, str]
    sender: str = ""
    text: str = ""
    attempts: int = 0
    not_before: float = 0.0
    message_id: str = ""
    thread_id: str = ""
    sent_at: float | None = None
    variant: str = ""
    chosen: bool = False  # the variant, by a person
    step: str = FIRST_STEP
    previous: str = ""
    after: float = 0.0

    @property
    def due_at(self) -> float | None:
        """Return when a queued message is due, if that is told (Unix s)."""
        is_told = self.status is _S.QUEUED and self.not_before
        return self.not_before if is_told else None


LISTED = (
    select(
        message.c.campaign,
        campaign.c.name,
        message.c.id,
        message.c.row,
        message.c.recipient,
        message.c.status,
        message.c.reason,
        message.c.detail,
        message.c.columns,
        message.c.sender,
        message.c.text,
        message.c.attempts,
        message.c.not_before,
        func.coalesce(message.c.message_id, ""),
        func.coalesce(message.c.thread_id, ""),
        message.c.sent_at,
        message.c.variant,
        message.c.chosen,
        message.c.step,
        message.c.previous,
        message.c.after,
    )
    .join(campaign, campaign.c.id == message.c.campaign)
    .order_by(message.c.id)
)
ROWS_LISTED = select(
    row_skip.c.campaign,
    campaign.c.name,
    row_skip.c.row,
    row_skip.c.recipient,
    row_skip.c.reason,
    row_skip.c.detail,
    row_skip.c.columns,
).join(campaign, campaign.c.id == row_skip.c.campaign)


def listed(row: Sequence[Any]) -> ListedMessage:
    """Return a message from a row of `LISTED`."""
    campaign, name, id, number, to, status, reason, detail, columns, *rest = row
    cells = json.loads(columns)
    return ListedMessage(
        campaign, name, id, number, to, MessageStatus(status), reason, detail, cells, *rest
    )


def row_listed(row: Sequence[Any]) -> ListedMessage:
    """Return a row of the sheet from a row of `ROWS_LISTED`."""
    campaign, name, number, to, reason, detail, columns = row
    cells = json.loads(columns)
    return ListedMessage(campaign, name, None, number, to, _S.SKIPPED, reason, detail, cells)


def messages(
    connection: Connection,
    id: int,
    status: MessageStatus,
    *,
    reason: str = "",
    sender: str = "",
    after: str = "",
    limit: int = 50,
) -> Page[ListedMessage]:
    """Return a campaign's messages of one status, in plan order. Empty `reason` and `sender`:
    any."""
    [since] = parse_cursor(after, int) if after else [0]
    by_sender = status is _S.QUEUED and bool(sender)  # which has an index of its own
    is_so = status_is(message, status) if by_sender else message.c.status == status
    among = [message.c.campaign == id, is_so]
    among += [message.c.sender == sender] if by_sender else []
    asked = [message.c.reason == reason] if reason else []
    asked += [message.c.sender == sender] if sender and not by_sender else []
    end = _end_of_look(connection, message.c.id, among, since) if asked else None
    part = [message.c.id > since, *([] if end is None else [message.c.id <= end])]
    wanted = LISTED.where(*among, *part, *asked).limit(limit)
    rows = [listed(row) for row in connection.execute(wanted)]
    page = page_of(rows, limit, lambda each: (each.message,))
    return page if page.after or end is None else Page(page.rows, make_cursor(end), cut=True)


def skipped(
    connection: Connection, id: int, *, reason: str = "", after: str = "", limit: int = 50
) -> Page[ListedMessage]:
    """Return what a campaign skipped: rows without a usable id first, in the order of the sheet,
    then messages in plan order. Empty `reason`: any."""
    of_messages, since = parse_cursor(after, int, int) if after else (0, -1)
    if of_messages:
        return _then(
            messages(connection, id, _S.SKIPPED, reason=reason, after=str(since), limit=limit)
        )
    among = [row_skip.c.campaign == id]
    asked = [is_own_result(), *([row_skip.c.reason == reason] if reason else [])]
    end = _end_of_look(connection, row_skip.c.row, among, since)
    part = [row_skip.c.row > since, *([] if end is None else [row_skip.c.row <= end])]
    wanted = ROWS_LISTED.where(*among, *part, *asked).order_by(row_skip.c.row).limit(limit)
    rows = tuple(row_listed(row) for row in connection.execute(wanted))
    if len(rows) == limit:
        return Page(rows, make_cursor(0, rows[-1].row))
    if end is not None:
        return Page(rows, make_cursor(0, end), cut=True)
    rest = _then(messages(connection, id, _S.SKIPPED, reason=reason, limit=limit - len(rows)))
    return Page(rows + rest.rows, rest.after, rest.cut)


def _then(page: Page[ListedMessage]) -> Page[ListedMessage]:
    """Return a page of messages as one of a list that began with rows."""
    return Page(page.rows, page.after and f"1_{page.after}", page.cut)


def _end_of_look(
    connection: Connection, key: Column[int], among: Sequence[ColumnElement[bool]], since: int
) -> int | None:
    """Return the key up to which a page is scanned; None for the end."""
    next_ones = select(key).where(*among, key > since).order_by(key).limit(MOST_SCANNED).subquery()
    last, count = connection.execute(select(func.max(next_ones.c[0]), func.count())).one()
    return last if count == MOST_SCANNED else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send a message. Times are Unix s; `server_at` is `started_at` by the server's
    clock, `ended_at` None while it goes on. `host`: of the run that made it."""

    number: int
    started_at: float
    server_at: float
    ended_at: float | None
    outcome: str
    evidence: str
    reason: str
    detail: str
    http_status: int
    request_id: str
    version: str
    sender: str
    key: str
    message_id: str
    thread_id: str
    host: str


@dataclass(frozen=True, slots=True)
class MessageDetail:
    """All that the ledger knows of one message. `suppressed`: why, and since when, its recipient is
    on the do-not-contact list, None if they are not; `held`: their hold, which may be over;
    `others`: messages to the same person, of other campaigns too, at most `OTHERS`; `actions`: what
    persons did about it, newest first."""

    message: ListedMessage
    platform: str
    id_type: str
    step: str
    zone: str
    attempts: tuple[Attempt, ...]
    actions: tuple[Action, ...]
    suppressed: tuple[str, float] | None
    held: HeldPerson | None
    others: tuple[ListedMessage, ...]


OTHERS = 100


def detail(connection: Connection, id: int) -> MessageDetail | None:
    """Return one message in full; None if there is no such message."""
    found = connection.execute(LISTED.where(message.c.id == id)).one_or_none()
    if found is None:
        return None
    told = listed(found)
    person = (message.c.platform, message.c.id_type, message.c.step, message.c.zone)
    platform, id_type, step, zone = connection.execute(
        select(*person).where(message.c.id == id)
    ).one()
    same = (
        message.c.recipient == told.recipient,
        message.c.platform == platform,
        message.c.id_type == id_type,
        message.c.id != id,
    )
    others = connection.execute(LISTED.where(*same).limit(OTHERS))
    barred = connection.execute(
        select(suppression.c.reason, suppression.c.added_at).where(
            suppression.c.recipient == told.recipient
        )
    ).one_or_none()
    return MessageDetail(
        message=told,
        platform=platform,
        id_type=id_type,
        step=step,
        zone=zone,
        attempts=_attempts(connection, id),
        actions=tuple(actions_about(connection, told.campaign, told.recipient)),
        suppressed=None if barred is None else (barred.reason, barred.added_at),
        held=holds.hold_of(connection, told.recipient),
        others=tuple(listed(row) for row in others),
    )


def _attempts(connection: Connection, id: int) -> tuple[Attempt, ...]:
    wanted = (
        select(
            attempt.c.number,
            attempt.c.started_at,
            attempt.c.server_at,
            attempt.c.ended_at,
            attempt.c.outcome,
            attempt.c.evidence,
            attempt.c.reason,
            attempt.c.detail,
            attempt.c.http_status,
            attempt.c.request_id,
            attempt.c.version,
            attempt.c.sender,
            attempt.c.key,
            attempt.c.message_id,
            attempt.c.thread_id,
            run.c.host,
        )
        .join(run, run.c.id == attempt.c.run)
        .where(attempt.c.message == id)
        .order_by(attempt.c.number)
    )
    rows: Iterable[Any] = connection.execute(wanted)
    return tuple(Attempt(*row) for row in rows)
