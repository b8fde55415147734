"""`db upgrade` for workers: a ledger is made ready for them."""

from __future__ import annotations

import asyncio

from runner import __version__
from runner.ledger import locks, schema
from runner.ledger.campaigns import workers
from runner.ledger.ledger import open_ledger
from runner.workers import engine

ENGINE = "engine"
"""The ledger's key for the release of the engine that made the engine's tables."""


def set_up(location: str) -> str:
    """Make or upgrade the engine's tables, and let workers be of this version. Returns what
    was done, in words. Safe to repeat, and for two at once."""
    with open_ledger(location) as ledger, ledger.writing() as connection:
        locks.lock_all_campaigns(connection)
        asyncio.run(engine.set_up(location, schema.note(connection, ENGINE)))
        schema.set_note(connection, ENGINE, engine.engine_version())
        workers.set_workers_version(connection, __version__)
    return f"ready for workers of version {__version__}"
