"""Making a ledger ready for workers."""

from __future__ import annotations

import asyncio

from runner import __version__
from runner.distributed import engine
from runner.ledger import lanes, notes, open_ledger, submissions

ENGINE = "engine"
"""Where the ledger keeps which release of the engine made the engine's tables."""


def set_up(location: str) -> str:
    """Make or upgrade the engine's tables, and let workers be of this version; what was done, in
    words. Safe to repeat, and for two at once."""
    with open_ledger(location) as ledger, ledger.writing() as connection:
        lanes.one_at_a_time(connection)
        asyncio.run(engine.set_up(location, notes.note(connection, ENGINE)))
        notes.set_note(connection, ENGINE, engine.engine_version())
        submissions.set_workers_version(connection, __version__)
    return f"ready for workers of version {__version__}"
