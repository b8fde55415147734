"""What this machine remembers of a ledger, so that an old copy of it is recognised."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import platformdirs

from runner.errors import LedgerError, OldLedger
from runner.ledger import Ledger, age
from runner.ledger.age import Memory

MEMORY_VARIABLE = "RUN_CAMPAIGN_MEMORY"
"""Names a folder to remember ledgers in, instead of the user's state folder."""

BEAT = 5.0
"""Seconds between two looks at how far a live run's ledger has come: what was sent since the last
is all that a copy made in the middle of a run can hide."""

Unwritable = Callable[[str], None]
"""Told, in a line, when nothing can be remembered."""


def may_change(
    ledger: Ledger,
    environ: Mapping[str, str],
    *,
    accept: bool = False,
    unwritable: Unwritable = lambda _: None,
) -> Memory:
    """Let a command change this ledger, and remember that it did. Raises OldLedger if the ledger
    is an old copy of itself, or new where another one was, unless it is to `accept` that."""
    folder = environ.get(MEMORY_VARIABLE) or platformdirs.user_state_path("run-campaign")
    place = str(ledger.file.resolve()) if ledger.file else ledger.place
    memory = Memory(Path(folder), ledger.read(age.ledger_id), place)
    found = ledger.read(age.marks)
    remembered = memory.recall_lost() if found.is_new else memory.recall()
    if not found.is_behind(remembered):
        _keep(memory, ledger.write(age.advance), unwritable)
        return memory
    if not accept:
        missing = max(0, remembered.attempts - found.attempts)
        what = f"{missing} sends that this copy does not know" if missing else "changes to it since"
        told = f"the ledger {ledger.place} is an old copy: this machine remembers {what}"
        if found.is_new:
            told = (
                f"the ledger that was at {ledger.place} is gone: this machine remembers {missing} "
                f"sends of {', '.join(remembered.campaigns)}"
            )
        raise OldLedger(
            told,
            "bring the newest one back; or run the campaign with --accept-old-ledger: whoever may "
            "have been written to since is then in doubt, and is looked up before anything is sent",
        )
    _keep(memory, ledger.write(age.accept, remembered), unwritable)
    return memory


def _keep(memory: Memory, seen: age.Marks, unwritable: Unwritable) -> None:
    try:
        memory.keep(seen)
    except OSError as error:
        unwritable(f"an old copy of this ledger will not be recognised: {error}")


@asynccontextmanager
async def kept(memory: Memory | None, ledger: Ledger) -> AsyncIterator[None]:
    """Remember how far a live run's ledger comes, again and again, and once more at the end."""
    if memory is None:
        yield
        return
    beat = asyncio.create_task(_beat(memory, ledger), name="memory")
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        _look(memory, ledger)


async def _beat(memory: Memory, ledger: Ledger) -> None:
    while True:
        await asyncio.sleep(BEAT)
        await asyncio.to_thread(_look, memory, ledger)


def _look(memory: Memory, ledger: Ledger) -> None:
    # A folder that cannot be written was told when the run began; a ledger that fails is told by
    # whoever sends.
    with contextlib.suppress(OSError, LedgerError):
        memory.keep(ledger.read(age.marks))
