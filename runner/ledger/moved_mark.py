"""The mark on an SQLite ledger that has moved into a database: nothing is written to it any more.

The file itself refuses, by triggers, whoever has it open and whatever version that is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection

from runner.errors import LedgerError
from runner.ledger.schema import metadata, note, set_note
from runner.passwords import hide_password

MARK = "moved"
"""Where the mark is kept."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a ledger has moved to: its `place` without the password, and the other's number. Not
    `done`: a move has begun, and nobody has seen its end yet."""

    place: str
    ledger: str
    done: bool

    def __str__(self) -> str:
        return f"this ledger {'has' if self.done else 'is being'} moved to {self.place}"

    def refusal(self, place: str) -> LedgerError:
        """The error for whoever wants to write to the ledger at `place`."""
        if self.done:
            hint = f"name that one instead of {place}: --state, or RUN_CAMPAIGN_STATE"
        else:
            hint = "finish that: run-campaign db move --to URL"
        return LedgerError(str(self), hint)


def mark_of(connection: Connection) -> Moved | None:
    """The mark, None on a ledger that is in use."""
    said = note(connection, MARK)
    if not said:
        return None
    told = json.loads(said)
    # Older versions kept what stood in the query of its URL.
    return Moved(hide_password(told["place"]), told["ledger"], told["done"])


def refuse_moved(connection: Connection, place: str) -> None:
    """Raise LedgerError if the ledger at `place` has moved."""
    if (moved := mark_of(connection)) is not None:
        raise moved.refusal(place)


def set_mark(connection: Connection, moved: Moved) -> None:
    """Let nothing be written any more but the mark itself."""
    said = {"place": moved.place, "ledger": moved.ledger, "done": moved.done}
    set_note(connection, MARK, json.dumps(said))
    told = f"this ledger has moved to {moved.place}".replace("'", "''")
    for name, on, when in _triggers():
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {on} {when}"
            f" BEGIN SELECT RAISE(ABORT, '{told}'); END"
        )


def remove_mark(connection: Connection) -> None:
    """Let it be written to again."""
    for name, _, _ in _triggers():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
    set_note(connection, MARK, "")


def _triggers() -> list[tuple[str, str, str]]:
    found = []
    for table in metadata.tables:
        for what, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            when = f"WHEN {row}.key <> '{MARK}'" if table == "meta" else ""
            found.append((f"moved_{table}_{what.lower()}", f'{what} ON "{table}"', when))
    return found
