"""Small facts that the ledger keeps beside its rows."""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from runner.ledger.schema import meta


def note(connection: Connection, key: str) -> str:
    """A small fact that the ledger keeps beside its rows; empty when there is none."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar() or ""


def set_note(connection: Connection, key: str, value: str) -> None:
    """Keep a small fact. In one statement: another process may note the same."""
    connection.execute(_NOTE, {"key": key, "value": value})


_NOTE = text(
    "INSERT INTO meta (key, value) VALUES (:key, :value)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
