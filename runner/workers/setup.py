"""`db upgrade` for workers: a ledger is made ready for them."""

from __future__ import annotations

from runner import __version__
from runner.ledger import locks, schema
from runner.ledger.campaigns import workers
from runner.ledger.ledger import Connection, open_ledger
from runner.ledger.migrations import steps as migrations
from runner.workers import engine

ENGINE = "engine"
"""The ledger's key for the release of the engine that made the engine's tables, or its last
migration that was made."""


def set_up(location: str) -> str:
    """Make or upgrade the engine's tables, and let workers be of this version. Returns what was
    done, in words. Safe to repeat, for two at once, and after it was killed at any step."""
    with open_ledger(location) as ledger:
        while not ledger.write(_take_step):
            pass
    return f"ready for workers of version {__version__}"


def _take_step(connection: Connection) -> bool:
    """Make the engine's tables, or their next migration, and write down in the same transaction
    that this was done. Returns whether nothing is left to do.

    A transaction for each: a value that one adds to a type can be used once that is committed.
    """
    locks.lock_all_campaigns(connection)
    made_by = schema.note(connection, ENGINE)
    if not made_by and not migrations.has_table(connection, engine.TABLE):
        migrations.run_script(connection, engine.whole_schema())
    # Without a note an older version was killed before it could write down what it had made.
    elif (found := engine.next_migration(made_by or engine.engine_version())) is not None:
        name, script = found
        migrations.run_script(connection, script)
        schema.set_note(connection, ENGINE, name)
        workers.set_workers_version(connection, "")  # none begins meanwhile, or goes on
        return False
    schema.set_note(connection, ENGINE, engine.engine_version())
    workers.set_workers_version(connection, __version__)
    return True
