"""What this machine remembers of a ledger, so that an old copy of it is recognised."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import reduce
from pathlib import Path

import platformdirs

from runner.errors import LedgerError, OldLedger
from runner.ledger import rehearsals
from runner.ledger.copies import staleness
from runner.ledger.copies.staleness import Marks, Memory
from runner.ledger.ledger import Ledger

MEMORY_VARIABLE = "RUN_CAMPAIGN_MEMORY"
"""Names a folder to remember ledgers in, instead of the user's state folder."""

BEAT = 1.0
"""Seconds between two looks at how far a live run's ledger has come: what was sent since the last
is all that a copy made in the middle of a run can hide."""

SELDOM = 5.0
"""The same for a ledger in PostgreSQL, which counts every attempt for it; what the run itself has
begun last is remembered every `BEAT` there too."""

GLANCE = 0.2
"""Seconds between two looks at whether another process has said something of the ledger."""

Stop = Callable[[BaseException], None]
"""Ends what sends."""

Tell = Callable[[str], None]
"""Told, in a line, what a person should know."""


def may_change(
    ledger: Ledger,
    environ: Mapping[str, str],
    at: float,
    *,
    accept: bool = False,
    names: Iterable[str] = (),
    tell: Tell = lambda _: None,
) -> Memory:
    """Let a command change this ledger, and remember that it did. Raises OldLedger if the ledger
    is an old copy of itself, or new where another one was, unless it is to `accept` that; then
    its campaigns and `names` go on with care."""
    memory, lost = _memories(ledger, environ)
    with ExitStack() as alone:
        # One step: of two copies that begin in one moment, the second is to be the old one.
        writable = _unless_unwritable(tell, lambda: alone.enter_context(memory.alone()))
        # The memory first: what it says the ledger has said before, and it may go on meanwhile.
        remembered = _remembered(memory, lost)
        found = ledger.read(staleness.marks)
        if accept:
            kept = ledger.write(staleness.accept, remembered, names, at)
            _unless_unwritable(tell, *(other.outdate for other in lost))
            tell(
                "going on with an old copy of the ledger: whoever it may have forgotten is in "
                "doubt, and do-not-contact entries made since are not in it: add them again"
            )
        elif (error := _unless_whole(ledger, found, remembered, [memory, *lost])) is not None:
            _tell_others(memory, ledger)
            raise error
        else:
            kept = ledger.write(staleness.advance)
        if found.is_new and (before := memory.rehearsed()):
            ledger.write(rehearsals.begin_anew, before)
        if writable:
            _unless_unwritable(tell, lambda: memory.write(kept))
    return memory


def keep_action(memory: Memory, ledger: Ledger, since: float) -> None:
    """Remember what a person did in a database, if anything `since` (Unix s) then: a standby may
    lack it later. Nothing older: what has moved there may be taken back."""
    if ledger.file is not None:
        return
    with contextlib.suppress(OSError, LedgerError):  # told when the command began, or told now
        newest = ledger.read(staleness.newest_action)
        if newest is not None and newest.at >= since:
            memory.keep(Marks(newest={f"{socket.gethostname()} actions": newest}))


def never_old(ledger: Ledger, environ: Mapping[str, str]) -> Memory:
    """What remembers this ledger, which is left as it is. Raises OldLedger as `may_change`."""
    memory, lost = _memories(ledger, environ)
    remembered = _remembered(memory, lost)
    found = ledger.read(staleness.marks)
    if (error := _unless_whole(ledger, found, remembered, [memory, *lost])) is not None:
        raise error
    return memory


def _unless_whole(
    ledger: Ledger, found: Marks, remembered: Marks, memories: Sequence[Memory]
) -> OldLedger | None:
    """The error for a ledger that lacks something of what is remembered, by its own memory, which
    is the first, or by those of others that were at its place."""
    missing = ledger.read(staleness.missing, memories[0].recall())
    if not missing and not found.is_behind(remembered):
        return None
    return _old(ledger.place, found, remembered, memories, missing)


def _tell_others(memory: Memory, ledger: Ledger) -> None:
    """Let other machines know what only this one can: that a database lacks what was in it."""
    if ledger.file is None and (missing := ledger.read(staleness.missing, memory.recall())):
        ledger.write(staleness.tell_old, missing)


def refuse_lost(location: str, environ: Mapping[str, str]) -> None:
    """Raise OldLedger if another ledger was used where there is none now."""
    place = str(Path(location).resolve())
    memory = Memory(_folder(environ), "", place)
    if lost := memory.lost():
        raise _old(place, Marks(), _remembered(memory, lost), [memory, *lost])


def _folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get(MEMORY_VARIABLE) or platformdirs.user_state_path("run-campaign"))


def _memories(ledger: Ledger, environ: Mapping[str, str]) -> tuple[Memory, list[Memory]]:
    """What this machine remembers of a ledger; and if that is new, of others at its place."""
    place = str(ledger.file.resolve()) if ledger.file else ledger.place
    memory = Memory(_folder(environ), ledger.read(staleness.ledger_id), place)
    return memory, memory.lost() if ledger.read(staleness.marks).is_new else []


def _remembered(memory: Memory, lost: Sequence[Memory]) -> Marks:
    return reduce(Marks.joined, (other.recall() for other in lost), memory.recall())


def _old(
    place: str,
    found: Marks,
    remembered: Marks,
    memories: Sequence[Memory],
    lacks: str = "",
) -> OldLedger:
    if moved := next(filter(None, (each.moved_to() for each in memories)), ""):
        return OldLedger(
            f"the ledger at {place} has moved to {moved}; what lies there now does not know who "
            "was written to since",
            "name that one: --state, or RUN_CAMPAIGN_STATE. If it is lost, run the campaign here "
            "with --accept-old-ledger",
        )
    files = [each.file for each in memories[1:]]
    missing = max(0, remembered.attempts - found.attempts)
    hint = (
        "bring the newest one back; or run the campaign with --accept-old-ledger: whoever may "
        "have been written to since is then in doubt, and is looked up before anything is sent"
    )
    if lacks or not found.is_new:
        what = f"{missing} sends that this copy does not know" if missing else "changes to it since"
        return OldLedger(
            f"the ledger {place} is an old copy, or another has taken its place: "
            f"{lacks or f'this machine remembers {what}'}",
            hint,
        )
    return OldLedger(
        f"the ledger that was at {place} is gone: this machine remembers {missing} sends of "
        f"{', '.join(remembered.campaigns)}",
        f"{hint}. If it was only for trying out, remove {' '.join(map(str, files))}",
    )


def _unless_unwritable(tell: Tell, *writes: Callable[[], object]) -> bool:
    """Do these, and say whether all of them could be done."""
    try:
        for write in writes:
            write()
    except OSError as error:
        tell(f"an old copy of this ledger will not be recognised: {error}")
        return False
    return True


@asynccontextmanager
async def kept(
    memory: Memory | None, ledger: Ledger, stop: Stop, every: float | None = None
) -> AsyncIterator[None]:
    """Remember how far a live run's ledger comes, again and again, and once more at the end.
    `stop`: told when a copy of the ledger has gone further meanwhile; nothing more is to be sent
    from this one."""
    if memory is None:
        yield
        return
    if every is None:
        every = BEAT if ledger.file is not None else SELDOM
    beat = asyncio.create_task(_beat(memory, ledger, stop, every), name="memory")
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        _look(memory, ledger)


async def _beat(memory: Memory, ledger: Ledger, stop: Stop, every: float) -> None:
    touched, since, newest = memory.touched(), 0.0, 0.0
    while True:
        await asyncio.sleep(GLANCE)
        since, newest = since + GLANCE, newest + GLANCE
        if since >= every or memory.touched() != touched:
            look, since = _look, 0.0
        elif newest >= BEAT and ledger.file is None:
            look = _look_at_newest
        else:
            continue
        error = await asyncio.to_thread(look, memory, ledger)
        if error is not None:
            stop(error)
            return
        touched, newest = memory.touched(), 0.0


def _look(memory: Memory, ledger: Ledger) -> OldLedger | None:
    """Remember how far the ledger has come; the error, when it lacks something that was in it."""
    # A folder that cannot be written was told when the run began; a ledger that fails is told by
    # whoever sends.
    with contextlib.suppress(OSError, LedgerError), memory.alone():
        _keep_newest(memory, ledger)  # first: the ledger may have failed
        remembered = memory.recall()
        found = ledger.read(staleness.marks)
        memory.write(found)
        if (error := _unless_whole(ledger, found, remembered, [memory])) is not None:
            _tell_others(memory, ledger)
            return error
    return None


def _look_at_newest(memory: Memory, ledger: Ledger) -> OldLedger | None:
    """The same at little cost, for a database in which other machines write too: remember what this
    process has written, and hear what they miss."""
    with contextlib.suppress(OSError, LedgerError):
        with memory.alone():
            _keep_newest(memory, ledger)
        if told := ledger.read(staleness.is_told_old):
            return _old(ledger.place, Marks(), Marks(), [memory], told)
    return None


def _keep_newest(memory: Memory, ledger: Ledger) -> None:
    if ledger.newest_attempt is None:
        return
    newest = staleness.newest_attempt(*ledger.newest_attempt)
    process = f"{socket.gethostname()} {os.getpid()}"
    if memory.recall().newest.get(process) != newest:
        memory.write(Marks(newest={process: newest}))
