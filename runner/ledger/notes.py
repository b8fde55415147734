"""Small facts that the ledger keeps beside its rows."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from runner.ledger.schema import meta


def note(connection: Connection, key: str) -> str:
    """A small fact that the ledger keeps beside its rows; empty when there is none."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar() or ""


def set_note(connection: Connection, key: str, value: str) -> None:
    """Keep a small fact."""
    connection.execute(delete(meta).where(meta.c.key == key))
    connection.execute(insert(meta).values(key=key, value=value))
