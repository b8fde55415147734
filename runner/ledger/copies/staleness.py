"""Whether a ledger is an old copy of itself, by a memory of it that is kept outside.

A snapshot, a synchronised folder or a restored backup looks like the ledger that it was, and knows
nothing of whom was written to since. So how far each ledger has come is kept in a small file of
the user's own (`Memory`), and compared whenever it is opened to be changed.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Integer, exists, func, insert, literal_column, select, update

from runner.clock import iso
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.schema import action, attempt, campaign, message, note, set_note
from runner.message.evidence import AttemptOutcome, Evidence
from runner.message.key import message_key
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus
from runner.passwords import hide_password

_S = MessageStatus

FROZEN = 10.0
"""Seconds to wait for the lock of a memory: a process that holds it longer is frozen."""

PART = 500
"""Messages named in one statement."""

PROCESSES = 100
"""Processes whose newest entries are remembered: those that made one last."""

_CHANGES = "changes"
_LOST = "attempts_lost"  # that other copies were seen to have made
_PRESUMED = "presumed "
_ACCEPTED = "accepted_at"  # when this ledger was last taken for one although it is an old copy
_OLD = "old_copy"  # what a machine has missed in it
_ATTEMPT, _ACTION = "attempt", "action"


class Newest(NamedTuple):
    """The newest entry that a process knows to be on the disk of a ledger: an attempt's message and
    number, or an action's id and 0; and when it was made, which tells it from what a copy has in
    its place."""

    table: str
    id: int
    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a ledger has come. Both counts only ever grow; `campaigns` are the names that it
    knows of what is real: without any it has had rehearsals alone. `newest`: what processes of one
    machine know to be in a database. Counts do not show that: a standby that took over without a
    machine's newest entries may have those of others, so that it counts more than was seen."""

    changes: int = 0  # commands that were allowed to change it
    attempts: int = 0  # with those of copies that it has taken the place of
    campaigns: tuple[str, ...] = ()
    newest: Mapping[str, Newest] = field(default_factory=dict)  # by process, the last one last

    @property
    def is_new(self) -> bool:
        """Whether nothing real was ever planned with this ledger."""
        return not self.campaigns

    def is_behind(self, other: Marks) -> bool:
        """Whether this is what a copy from before `other` would say."""
        return self.changes < other.changes or self.attempts < other.attempts

    def joined(self, other: Marks) -> Marks:
        """The furthest of both."""
        names = tuple(sorted({*self.campaigns, *other.campaigns}))
        changes = max(self.changes, other.changes)
        kept = {who: each for who, each in other.newest.items() if who not in self.newest}
        newest = dict([*kept.items(), *self.newest.items()][-PROCESSES:])
        return Marks(changes, max(self.attempts, other.attempts), names, newest)


def ledger_id(connection: Connection) -> str:
    """The ledger's own number, which its copies share."""
    return note(connection, "ledger_id")


def marks(connection: Connection) -> Marks:
    """How far this ledger has come."""
    if connection.dialect.name == "sqlite":
        # Attempts are never deleted, so the last row's number is their count, at no cost.
        last = func.max(literal_column("rowid", Integer))
        counted = select(func.coalesce(last, 0)).select_from(attempt)
    else:
        counted = select(func.count()).select_from(attempt)
    real = ~campaign.c.is_test, ~campaign.c.rehearsal
    names = connection.execute(select(campaign.c.name).where(*real)).scalars()
    attempts: int = connection.execute(counted).scalar_one()
    changes, lost = (int(note(connection, key) or 0) for key in (_CHANGES, _LOST))
    return Marks(changes, attempts + lost, tuple(sorted(names)))


def advance(connection: Connection) -> Marks:
    """Count one more command that may change the ledger."""
    set_note(connection, _CHANGES, str(int(note(connection, _CHANGES) or 0) + 1))
    return marks(connection)


def missing(connection: Connection, remembered: Marks) -> str:
    """What a ledger lacks of what a machine knows was in it, in words; empty for nothing. What was
    made before the ledger was accepted as an old copy is none of that."""
    if told := is_told_old(connection):
        return told
    accepted = float(note(connection, _ACCEPTED) or "-inf")
    lost = [
        each
        for each in remembered.newest.values()
        if each.at > accepted and not _is_there(connection, each)
    ]
    if not lost:
        return ""
    what = "a send" if any(each.table == _ATTEMPT for each in lost) else "a change"
    seen = iso(max(each.at for each in lost))
    return f"{socket.gethostname()} knows of {what} at {seen} that is not in it"


def _is_there(connection: Connection, wanted: Newest) -> bool:
    if wanted.table == _ATTEMPT:
        its = attempt.c.message == wanted.id, attempt.c.number == wanted.number
        at = connection.scalar(select(attempt.c.started_at).where(*its))
    else:
        at = connection.scalar(select(action.c.at).where(action.c.id == wanted.id))
    return at == wanted.at


def newest_action(connection: Connection) -> Newest | None:
    """The last thing that a person did, in this ledger."""
    found = select(action.c.id, action.c.at).order_by(action.c.id.desc()).limit(1)
    row = connection.execute(found).first()
    return None if row is None else Newest(_ACTION, row.id, 0, row.at)


def newest_attempt(message: int, number: int, at: float) -> Newest:
    """An attempt that has been committed."""
    return Newest(_ATTEMPT, message, number, at)


def is_told_old(connection: Connection) -> str:
    """What another machine misses in this ledger, in words; empty for nothing."""
    return note(connection, _OLD)


def tell_old(connection: Connection, what: str) -> None:
    """Say in the ledger itself what a machine misses in it: other machines cannot know that."""
    set_note(connection, _OLD, what)


def accept(connection: Connection, remembered: Marks, names: Iterable[str], at: float) -> Marks:
    """Go on with an old copy: from here on it is the ledger, further than any other copy.

    Whatever a lost run may have sent of its campaigns, and of `names`, is presumed to be sent
    (`presume`), from now on: people may have been added to the files after the copy was made.
    """
    own = marks(connection)
    real = ~campaign.c.is_test, ~campaign.c.rehearsal
    first_planned = select(campaign.c.name, campaign.c.created_at).where(*real)
    known = dict(connection.execute(first_planned).all())
    for name in sorted({*known, *remembered.campaigns, *names}):
        if accepted_at(connection, name) is None:
            since = known.get(name, 0.0)
            set_note(connection, _PRESUMED + name, json.dumps({"since": since, "at": at}))
    lost = int(note(connection, _LOST) or 0) + max(0, remembered.attempts - own.attempts)
    set_note(connection, _LOST, str(lost))
    set_note(connection, _CHANGES, str(max(own.changes, remembered.changes)))
    set_note(connection, _ACCEPTED, repr(at))
    set_note(connection, _OLD, "")
    return advance(connection)


def count_as_lost(connection: Connection, attempts: int) -> None:
    """Go on counting attempts that were removed: a ledger only ever comes further."""
    set_note(connection, _LOST, str(int(note(connection, _LOST) or 0) + attempts))


def forget_accepted(connection: Connection, name: str) -> None:
    """A campaign that is removed did not go on from an old copy here."""
    set_note(connection, _PRESUMED + name, "")


def accepted_at(connection: Connection, name: str) -> float | None:
    """When (Unix s) a campaign went on from an old copy; None if it never did."""
    said = note(connection, _PRESUMED + name)
    return float(json.loads(said)["at"]) if said else None


def presume(connection: Connection, row: CampaignRow, version: str, base_url: str, run: int) -> int:
    """Put in doubt what a run that an accepted copy does not know may have sent of a campaign: all
    that is queued and was not in doubt for this reason before. How many.

    Each gets an attempt that nobody made, without a body, from the time that the campaign was
    first planned, so that look-ups know where to begin. The campaign must be bound.
    """
    said = note(connection, _PRESUMED + row.name)
    if not said:
        return 0
    since = float(json.loads(said)["since"])
    before = exists().where(attempt.c.message == message.c.id, attempt.c.body == b"")
    wanted = (
        select(
            message.c.id,
            message.c.step,
            message.c.platform,
            message.c.id_type,
            message.c.recipient,
            message.c.generation,
            message.c.sender,
            message.c.attempts,
        )
        .where(message.c.campaign == row.id, message.c.status == _S.QUEUED, ~before)
        .order_by(message.c.id)
        .limit(PART)
        .with_for_update()
    )
    count = 0
    while found := connection.execute(wanted).all():
        made = [
            {
                "message": each.id,
                "number": each.attempts + 1,
                "run": run,
                "sender": each.sender,
                "version": version,
                "base_url": base_url,
                "lane": row.lane,
                "key": message_key(
                    row.name,
                    each.step,
                    Recipient(each.platform, each.id_type, each.recipient),
                    each.generation,
                ),
                "body": b"",
                "started_at": since,
                "server_at": since,
                "outcome": AttemptOutcome.UNKNOWN,
                "evidence": Evidence.PRESUMED,
                "reason": "old_ledger",
            }
            for each in found
        ]
        connection.execute(insert(attempt), made)
        connection.execute(
            update(message)
            .where(message.c.id.in_([each.id for each in found]))
            .values(
                status=_S.IN_DOUBT,
                attempts=message.c.attempts + 1,
                reason="old_ledger",
                detail="the ledger was an old copy: a run that it does not know may have sent it",
            )
        )
        count += len(found)
    return count


@dataclass(frozen=True, slots=True)
class Memory:
    """What this user's machine remembers of one ledger, in `folder`."""

    folder: Path
    ledger: str
    place: str

    @property
    def file(self) -> Path:
        """Where it is written down."""
        return self.folder / f"{self.ledger}.json"

    def recall(self) -> Marks:
        """The furthest that the ledger was seen; nothing when it was never seen, or the file
        cannot be read."""
        return _read(self.file).marks

    def moved_to(self) -> str:
        """The place to which the ledger has moved from here; empty if it has not."""
        return _read(self.file).moved_to

    def lost(self) -> list[Memory]:
        """Of the other ledgers that were seen at this place, those that were used for what is real,
        and that none has taken the place of."""
        return [
            Memory(self.folder, stem, self.place)
            for stem, seen in self._others()
            if seen.marks.campaigns and not seen.outdated
        ]

    def rehearsed(self) -> int:
        """How many of the other ledgers that were seen at this place had rehearsals alone."""
        return sum(not seen.marks.campaigns for _, seen in self._others())

    def _others(self) -> list[tuple[str, _Remembered]]:
        """The other ledgers that were seen at this place, and used."""
        told = [(file, _read(file)) for file in sorted(self.folder.glob("*.json"))]
        return [
            (file.stem, seen)
            for file, seen in told
            if file != self.file and seen.place == self.place and seen.marks.attempts
        ]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process compare a copy of the ledger with this memory, or change it,
        meanwhile: of two copies that begin in one moment, one comes first. Raises OSError where
        nothing can be written, or a frozen process is alone with it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        from filelock import FileLock

        with FileLock(self.file.with_suffix(".lock"), mode=0o600, timeout=FROZEN):
            yield

    def keep(self, seen: Marks, moved_to: str = "") -> None:
        """Remember how far the ledger has come, and whither it has gone. Raises OSError where that
        cannot be written."""
        with self.alone():
            self.write(seen, moved_to)

    def write(self, seen: Marks, moved_to: str = "") -> None:
        """The same, with the lock already held (`alone`)."""
        self._write(seen.joined(self.recall()), moved_to)

    def touched(self) -> tuple[int, int]:
        """What changes with each word that anybody adds: the file's time and inode, or nothing."""
        try:
            found = self.file.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def outdate(self) -> None:
        """Another ledger has taken the place of this one: should it come back, it is old."""
        from filelock import FileLock

        with FileLock(self.file.with_suffix(".lock"), mode=0o600):
            seen = self.recall()
            self._write(replace(seen, changes=seen.changes + 1), self.moved_to(), outdated=True)

    def _write(self, seen: Marks, moved_to: str, *, outdated: bool = False) -> None:
        partial = self.file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as stream:
            more = {"place": self.place, "moved_to": moved_to, "outdated": outdated}
            json.dump(asdict(seen) | more, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.file)


class _Remembered(NamedTuple):
    marks: Marks = Marks()
    place: str = ""
    moved_to: str = ""
    outdated: bool = False


def _read(file: Path) -> _Remembered:
    """What a file remembers; nothing if it cannot be read."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        names = tuple(str(name) for name in said["campaigns"])
        newest = {str(who): _newest(*each) for who, each in said.get("newest", {}).items()}
        seen = Marks(int(said["changes"]), int(said["attempts"]), names, newest)
        # Older versions kept what stood in the query of a database's URL.
        place, moved_to = (hide_password(str(said.get(key, ""))) for key in ("place", "moved_to"))
        return _Remembered(seen, place, moved_to, bool(said.get("outdated")))
    except (OSError, ValueError, KeyError, TypeError):
        return _Remembered()


def _newest(table: str, id: int, number: int, at: float) -> Newest:
    return Newest(str(table), int(id), int(number), float(at))
