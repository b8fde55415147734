"""The reads of the ledger that several pages and forms share."""

from __future__ import annotations

from typing import NamedTuple

from runner.clock import Clock
from runner.ledger.campaigns import audit, registry
from runner.ledger.campaigns.audit import Action
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Connection, Ledger
from runner.ledger.queries import attempts, message_lists
from runner.ledger.queries.attempts import LogLine
from runner.ledger.queries.message_lists import ListedMessage, MessageDetail
from runner.message.status import MessageStatus
from runner.project.open import file_of
from runner.status.outlook import outlook_of
from runner.status.statistics import ColumnFigures, Statistics, column_of, statistics_of
from runner.status.status import Outlook, status_of

LINES = 15
"""Attempts on a campaign's page. Our own choice."""


def campaign_row(ledger: Ledger, id: int) -> CampaignRow:
    """Return the campaign of this number. Raises LookupError."""
    for row in ledger.read(registry.campaigns):
        if row.id == id:
            return row
    raise LookupError(id)


def message_detail(ledger: Ledger, id: int) -> MessageDetail:
    """Return all that is known of the message of this number. Raises LookupError."""
    detail = ledger.read(message_lists.detail, id)
    if detail is None:
        raise LookupError(id)
    return detail


def campaign_statistics(ledger: Ledger, id: int, clock: Clock, zone: str) -> Statistics:
    """Return the statistics of a campaign, by the clock of `zone`, without its outlook; counts all
    of its messages."""
    row = campaign_row(ledger, id)
    return statistics_of(ledger, row, None, clock, zone=zone, with_outlook=False)


def campaign_outlook(ledger: Ledger, id: int, clock: Clock) -> Outlook:
    """Return the outlook of a campaign, which takes long where much is queued."""
    row, now = campaign_row(ledger, id), clock.now()
    status = ledger.read(status_of, row, now, str(file_of(ledger, row)))
    return outlook_of(ledger, row, status, clock)


def campaign_column(ledger: Ledger, id: int, name: str) -> ColumnFigures:
    """Return the figures of a campaign by one column of its sheet; counts all of its messages."""
    return column_of(ledger, campaign_row(ledger, id), name)


class Latest(NamedTuple):
    """The newest of a campaign: attempts, messages that are next, and actions."""

    attempts: tuple[LogLine, ...]
    next_messages: tuple[ListedMessage, ...]
    actions: tuple[Action, ...]


def latest(connection: Connection, id: int) -> Latest:
    """Return the newest attempts, the next messages and the newest actions of a campaign."""
    return Latest(
        attempts.recent(connection, id, limit=LINES).rows,
        message_lists.messages(connection, id, MessageStatus.QUEUED, limit=3).rows,
        audit.actions(connection, id, limit=5).rows,
    )
