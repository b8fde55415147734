"""Old copies of a ledger, refused by the progress of it that this machine has seen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import reduce
from pathlib import Path

import platformdirs

from runner.errors import LedgerError, OldLedger
from runner.formats import counted
from runner.ledger import rehearsals
from runner.ledger.copies import staleness
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.copies.staleness import Newest, ProgressMarks
from runner.ledger.ledger import Ledger
from runner.ledger.people import erased
from runner.message.erased import ErasedPeople

MEMORY_VARIABLE = "RUN_CAMPAIGN_MEMORY"
"""Names a folder to remember ledgers in, instead of the user's state folder."""

RECORD_EVERY = 1.0
"""Seconds between two records of how far a live run's ledger has come: what was sent since the last
is all that a copy made in the middle of a run can hide."""

RECORD_POSTGRESQL_EVERY = 5.0
"""The same for a ledger in PostgreSQL, which counts every attempt for it; what the run itself has
begun last is remembered every `RECORD_EVERY` there too."""

CHECK_EVERY = 0.2
"""Seconds between two checks whether another process has recorded progress of the ledger."""

Stop = Callable[[BaseException], None]
"""Ends what sends."""

Tell = Callable[[str], None]
"""Called with a line that a person should know."""


def allow_changes(
    ledger: Ledger,
    environ: Mapping[str, str],
    at: float,
    *,
    accept: bool = False,
    names: Iterable[str] = (),
    tell: Tell = lambda _: None,
) -> SeenLedger:
    """Let a command change this ledger, and remember that it did. Raises OldLedger if the ledger
    is an old copy of itself, or new where another one was, or if a run of another copy is live,
    unless it is to `accept` that; then its campaigns and `names` go on with care."""
    seen_ledger, lost = seen_ledgers(ledger, environ)
    with ExitStack() as alone:
        # One step: of two copies that begin in one moment, the second is to be the old one.
        writable = _is_written(tell, lambda: alone.enter_context(seen_ledger.locked()))
        # What was seen is read first: the ledger may go on meanwhile.
        remembered = _remembered(seen_ledger, lost)
        found = ledger.read(staleness.progress_marks)
        if accept:
            others = (other.erased() for other in lost)
            gone = reduce(ErasedPeople.joined, others, seen_ledger.erased())
            advanced = ledger.write(staleness.accept, remembered, names, at, gone)
            _is_written(tell, *(other.outdate for other in lost))
            tell(
                "going on with an old copy of the ledger: messages that it may not know of "
                "become in doubt; do-not-contact entries made since are not in it: add them again"
            )
            tell("people whom another machine has erased since are in that copy: erase them again")
        elif writable and seen_ledger.is_live_elsewhere():
            raise OldLedger(
                f"a run is live on another copy of this ledger: {seen_ledger.last_place()}",
                "go on there, or let that run end first",
            )
        elif (error := _incomplete(ledger, found, remembered, [seen_ledger, *lost])) is not None:
            _tell_other_machines(seen_ledger, ledger)
            raise error
        else:
            advanced = ledger.write(staleness.advance)
        if found.is_new and (before := seen_ledger.rehearsed()):
            ledger.write(rehearsals.note_deleted, before)
        if writable:
            _is_written(tell, lambda: seen_ledger.write(advanced))
    return seen_ledger


@contextmanager
def person_changes(
    ledger: Ledger,
    environ: Mapping[str, str],
    at: float,
    *,
    accept: bool = False,
    names: Iterable[str] = (),
) -> Iterator[None]:
    """Let a person change this ledger, as `allow_changes` does, and remember the action: what is
    done is done, though the wait for it was interrupted."""
    seen_ledger = allow_changes(ledger, environ, at, accept=accept, names=names)
    before = None if ledger.file is not None else ledger.read(staleness.newest_action)
    try:
        yield
    finally:
        _remember_action(seen_ledger, ledger, before)


def _remember_action(seen_ledger: SeenLedger, ledger: Ledger, before: Newest | None) -> None:
    """Remember what a person did in a database, if anything since what was there `before`: a
    standby may lack it later. Nothing older: what has moved there may be taken back."""
    if ledger.file is not None:
        return
    with contextlib.suppress(OSError, LedgerError):  # told when the command began, or told now
        newest = ledger.read(staleness.newest_action)
        if newest is not None and not newest.is_same(before):
            seen_ledger.remember(ProgressMarks(newest={f"{socket.gethostname()} actions": newest}))


def remember_erased(ledger: Ledger, environ: Mapping[str, str]) -> None:
    """Remember who was erased, so that an older copy of the ledger is told when it is gone on
    with."""
    with contextlib.suppress(OSError):  # told when the command began
        seen_ledgers(ledger, environ)[0].remember_erased(ledger.read(erased.people))


def refuse_old_copy(ledger: Ledger, environ: Mapping[str, str]) -> SeenLedger:
    """Return what is remembered of this ledger, which stays as it is. Raises OldLedger as
    `allow_changes` does."""
    seen_ledger, lost = seen_ledgers(ledger, environ)
    remembered = _remembered(seen_ledger, lost)
    found = ledger.read(staleness.progress_marks)
    if (error := _incomplete(ledger, found, remembered, [seen_ledger, *lost])) is not None:
        raise error
    return seen_ledger


def _incomplete(
    ledger: Ledger,
    found: ProgressMarks,
    remembered: ProgressMarks,
    seen_ledgers: Sequence[SeenLedger],
) -> OldLedger | None:
    """Return the error for a ledger that lacks something of what was seen: of itself, which is the
    first, or of others that were at its place."""
    missing = ledger.read(staleness.missing, seen_ledgers[0].marks())
    if not missing and not found.is_behind(remembered):
        return None
    return _old(ledger.place, found, remembered, seen_ledgers, missing)


def _tell_other_machines(seen_ledger: SeenLedger, ledger: Ledger) -> None:
    """Tell other machines what only this one can know: that a database lacks what was in it."""
    if ledger.file is None and (missing := ledger.read(staleness.missing, seen_ledger.marks())):
        ledger.write(staleness.tell_old, missing)


def refuse_lost(location: str, environ: Mapping[str, str]) -> None:
    """Raise OldLedger if another ledger was used where there is none now."""
    place = str(Path(location).resolve())
    seen_ledger = SeenLedger(memory_folder(environ), "", place)
    if lost := seen_ledger.lost():
        raise _old(place, ProgressMarks(), _remembered(seen_ledger, lost), [seen_ledger, *lost])


def forget_seen(folder: Path, id: str) -> None:
    """Forget a ledger that was removed before anything was kept in it."""
    for ending in (".json", ".lock"):
        with contextlib.suppress(OSError):
            (folder / f"{id}{ending}").unlink(missing_ok=True)


def memory_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder in which this user's machine remembers ledgers."""
    return Path(environ.get(MEMORY_VARIABLE) or platformdirs.user_state_path("run-campaign"))


def seen_ledgers(ledger: Ledger, environ: Mapping[str, str]) -> tuple[SeenLedger, list[SeenLedger]]:
    """Return what this machine remembers of a ledger; and if that is new, of others at its
    place."""
    place = str(ledger.file.resolve()) if ledger.file else ledger.place
    seen_ledger = SeenLedger(memory_folder(environ), ledger.read(staleness.ledger_id), place)
    return seen_ledger, seen_ledger.lost() if ledger.read(staleness.progress_marks).is_new else []


def _remembered(seen_ledger: SeenLedger, lost: Sequence[SeenLedger]) -> ProgressMarks:
    return reduce(ProgressMarks.joined, (other.marks() for other in lost), seen_ledger.marks())


def _old(
    place: str,
    found: ProgressMarks,
    remembered: ProgressMarks,
    seen_ledgers: Sequence[SeenLedger],
    lacks: str = "",
) -> OldLedger:
    if moved := next(filter(None, (each.moved_to() for each in seen_ledgers)), ""):
        return OldLedger(
            f"the ledger at {place} has moved to {moved}; what lies there now does not know who "
            "was written to since",
            "name that one: --state, or RUN_CAMPAIGN_STATE. If it is lost, run the campaign here "
            "with --accept-old-ledger",
        )
    missing = max(0, remembered.attempts - found.attempts)
    hint = (
        "bring the newest one back; or run the campaign with --accept-old-ledger: messages that "
        "may have been sent since become in doubt, and are looked up before anything is sent"
    )
    if lacks or not found.is_new:
        what = (
            f"{counted(missing, 'send')} that this copy does not know"
            if missing
            else "changes to it since"
        )
        return OldLedger(
            f"the ledger {place} is an old copy, or another has taken its place: "
            f"{lacks or f'this machine remembers {what}'}",
            hint,
        )
    return OldLedger(
        f"the ledger that was at {place} is gone: this machine remembers "
        f"{counted(missing, 'send')} of {', '.join(remembered.campaigns)}",
        f"{hint}. To start over, if it was only for trying out: run-campaign db forget --state "
        f"{shlex.quote(place)}",
    )


def _is_written(tell: Tell, *writes: Callable[[], object]) -> bool:
    """Do these, and return whether all of them could be done; if not, tell why."""
    try:
        for write in writes:
            write()
    except OSError as error:
        tell(f"an old copy of this ledger will not be recognised: {error}")
        return False
    return True


@asynccontextmanager
async def keep_progress(
    seen_ledger: SeenLedger | None, ledger: Ledger, stop: Stop, every: float | None = None
) -> AsyncIterator[None]:
    """Record how far a live run's ledger comes while the context lasts, and at its end; meanwhile
    no command begins on another copy. When one has gone further all the same, nothing more is
    claimed in this ledger, and `stop` is called: nothing more is to be sent from it."""
    if seen_ledger is None:
        yield
        return
    if every is None:
        every = RECORD_EVERY if ledger.file is not None else RECORD_POSTGRESQL_EVERY
    compare = ledger.before_claims = _comparison(seen_ledger, ledger)
    regularly = _record_regularly(seen_ledger, ledger, compare, stop, every)
    with ExitStack() as live:
        with contextlib.suppress(OSError):  # told when the run began
            live.enter_context(seen_ledger.live())
        task = asyncio.create_task(regularly, name="progress")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            _record(seen_ledger, ledger)


def _comparison(seen_ledger: SeenLedger, ledger: Ledger) -> Callable[[], None]:
    """Return a function that raises OldLedger once a copy of the ledger has gone further. Cheap: it
    reads nothing as long as nothing was written down."""
    seen: tuple[int, int] | None = None  # nothing yet: others may have begun during the plan
    known: Mapping[str, Newest] = {}

    def compare() -> None:
        nonlocal seen, known
        if (stamp := seen_ledger.stamp()) == seen:
            return
        # What was seen is read first, as in `allow_changes`.
        remembered = seen_ledger.marks()
        newer = {who: each for who, each in remembered.newest.items() if known.get(who) != each}
        lacks = ledger.read(staleness.missing, ProgressMarks(newest=newer))
        if lacks or ledger.read(staleness.changes) < remembered.changes:
            found = ledger.read(staleness.progress_marks)
            raise _old(ledger.place, found, remembered, [seen_ledger], lacks)
        seen, known = stamp, remembered.newest

    return compare


async def _record_regularly(
    seen_ledger: SeenLedger,
    ledger: Ledger,
    compare: Callable[[], None],
    stop: Stop,
    every: float,
) -> None:
    since, newest = 0.0, 0.0
    while True:
        await asyncio.sleep(CHECK_EVERY)
        since, newest = since + CHECK_EVERY, newest + CHECK_EVERY
        found = await asyncio.to_thread(_error_of, compare)
        if found is not None or since >= every:
            record, since = _record, 0.0
        elif newest >= RECORD_EVERY and ledger.file is None:
            record = _record_newest
        else:
            continue
        newest = 0.0
        error = await asyncio.to_thread(record, seen_ledger, ledger) or found
        if error is not None:
            stop(error)
            return


def _error_of(compare: Callable[[], None]) -> OldLedger | None:
    try:
        compare()
    except OldLedger as error:
        return error
    except LedgerError:
        pass  # it is told where something is sent
    return None


def _record(seen_ledger: SeenLedger, ledger: Ledger) -> OldLedger | None:
    """Record how far the ledger has come. Returns the error when it lacks something that was in
    it."""
    # A folder that cannot be written was told when the run began; a ledger that fails is told where
    # something is sent.
    with contextlib.suppress(OSError, LedgerError), seen_ledger.locked():
        _remember_newest(seen_ledger, ledger)  # first: the ledger may have failed
        remembered = seen_ledger.marks()
        found = ledger.read(staleness.progress_marks)
        seen_ledger.write(found)
        if (error := _incomplete(ledger, found, remembered, [seen_ledger])) is not None:
            _tell_other_machines(seen_ledger, ledger)
            return error
    return None


def _record_newest(seen_ledger: SeenLedger, ledger: Ledger) -> OldLedger | None:
    """Record only what this process has written, at little cost, where other machines write too.
    Returns the error when one of them misses something."""
    with contextlib.suppress(OSError, LedgerError):
        with seen_ledger.locked():
            _remember_newest(seen_ledger, ledger)
        if told := ledger.read(staleness.is_told_old):
            return _old(ledger.place, ProgressMarks(), ProgressMarks(), [seen_ledger], told)
    return None


def _remember_newest(seen_ledger: SeenLedger, ledger: Ledger) -> None:
    if ledger.newest_attempt is None:
        return
    known = seen_ledger.marks()
    newest = staleness.newest_attempt(*ledger.newest_attempt, known.changes)
    process = f"{socket.gethostname()} {os.getpid()}"
    if not newest.is_same(known.newest.get(process)):
        seen_ledger.write(ProgressMarks(newest={process: newest}))
