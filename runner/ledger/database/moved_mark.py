"""The mark on an SQLite ledger that has moved into a database: nothing is written to it any more.

The file itself refuses, by triggers, every process that has it open, of any version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection

from runner.errors import LedgerError
from runner.ledger.schema import metadata, note, set_note
from runner.passwords import hide_password

MARK = "moved"
"""The note that holds the mark."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The place that a ledger has moved to, without the password, and the number of the ledger
    there. Not `done`: a move has begun, and its end is not known yet."""

    place: str
    ledger: str
    done: bool

    def __str__(self) -> str:
        return f"this ledger {'has' if self.done else 'is being'} moved to {self.place}"

    def refusal(self, place: str) -> LedgerError:
        """Make the error for a command that wants to change the ledger at `place`."""
        if self.done:
            hint = f"name that one instead of {place}: --state, or RUN_CAMPAIGN_STATE"
        else:
            hint = "finish that: run-campaign db move --to URL"
        return LedgerError(str(self), hint)


def read_mark(connection: Connection) -> Moved | None:
    """Read the mark; None on a ledger that is in use."""
    text = note(connection, MARK)
    if not text:
        return None
    mark = json.loads(text)
    # Older versions kept what stood in the query of its URL.
    return Moved(hide_password(mark["place"]), mark["ledger"], mark["done"])


def refuse_moved(connection: Connection, place: str) -> None:
    """Raise LedgerError if the ledger at `place` has moved."""
    if (moved := read_mark(connection)) is not None:
        raise moved.refusal(place)


def set_mark(connection: Connection, moved: Moved) -> None:
    """Refuse every change from now on but those of the mark itself."""
    mark = {"place": moved.place, "ledger": moved.ledger, "done": moved.done}
    set_note(connection, MARK, json.dumps(mark))
    refusal = f"this ledger has moved to {moved.place}".replace("'", "''")
    for name, on, when in _triggers():
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {on} {when}"
            f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )


def remove_mark(connection: Connection) -> None:
    """Allow changes again, after a move that has failed."""
    for name, _, _ in _triggers():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
    set_note(connection, MARK, "")


def _triggers() -> list[tuple[str, str, str]]:
    triggers = []
    for table in metadata.tables:
        for what, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            when = f"WHEN {row}.key <> '{MARK}'" if table == "meta" else ""
            triggers.append((f"moved_{table}_{what.lower()}", f'{what} ON "{table}"', when))
    return triggers
