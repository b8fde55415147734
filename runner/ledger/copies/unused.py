"""Unused ledgers: made by a command that was then refused, so that nothing in them has to stay."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from runner.ledger.copies import staleness
from runner.ledger.schema import meta, metadata, request


def is_unused(connection: Connection) -> bool:
    """Return whether nothing is kept that the next run would not find out by itself. Requests that
    were counted and names of senders do not have to stay."""
    if staleness.was_accepted(connection):
        return False  # it has taken the place of one that was lost
    tables = [each for each in metadata.sorted_tables if each not in (meta, request)]
    return not any(connection.scalar(select(func.count()).select_from(each)) for each in tables)
