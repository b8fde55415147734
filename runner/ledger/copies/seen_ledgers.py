"""Seen ledgers: how far this user's machine has seen each ledger come, in a file outside of it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from runner.ledger.copies.staleness import Newest, ProgressMarks
from runner.ledger.locks import hold_live_file, hold_seen_file, is_live
from runner.message.erased import NOBODY, ErasedPeople
from runner.passwords import hide_password


@dataclass(frozen=True, slots=True)
class SeenLedger:
    """One ledger as this user's machine has seen it, kept in `folder`."""

    folder: Path
    ledger: str
    place: str

    @property
    def file(self) -> Path:
        """Return the file that keeps it."""
        return self.folder / f"{self.ledger}.json"

    def marks(self) -> ProgressMarks:
        """Read how far the ledger was seen at most; nothing when it was never seen, or the file
        cannot be read."""
        return _read(self.file).marks

    def erased(self) -> ErasedPeople:
        """Read whom this machine has erased from the ledger: hashes, with the keys of these."""
        return _read(self.file).erased

    def remember_erased(self, people: ErasedPeople) -> None:
        """Remember who was erased, so that an older copy of the ledger is told. Raises OSError
        where that cannot be written."""
        with self.locked():
            kept = _read(self.file)
            self._write(kept.marks, kept.moved_to, outdated=kept.outdated, erased=people)

    def moved_to(self) -> str:
        """Read the place to which the ledger has moved from here; empty if it has not."""
        return _read(self.file).moved_to

    def lost(self) -> list[SeenLedger]:
        """List the other ledgers that were seen at this place, that were used for what is real, and
        that none has taken the place of."""
        return [
            SeenLedger(self.folder, stem, self.place)
            for stem, seen in self._others()
            if seen.marks.campaigns and not seen.outdated
        ]

    def rehearsed(self) -> int:
        """Count the other ledgers that were seen at this place and had rehearsals alone."""
        return sum(not seen.marks.campaigns for _, seen in self._others())

    def _others(self) -> list[tuple[str, _Remembered]]:
        """List the other ledgers that were seen at this place, and used."""
        known = [(file, _read(file)) for file in sorted(self.folder.glob("*.json"))]
        return [
            (file.stem, seen)
            for file, seen in known
            if file != self.file and seen.place == self.place and seen.marks.attempts
        ]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process compare a copy of the ledger with this, or change it, meanwhile: of
        two copies that begin in one moment, one comes first. Raises OSError where nothing can be
        written, or a frozen process holds the lock."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with hold_seen_file(self.file.with_suffix(".lock")):
            yield

    @contextmanager
    def live(self) -> Iterator[None]:
        """Let commands on other copies see, while the context lasts, that a run of this one lives.
        Only of a ledger in a file. Raises OSError where nothing can be written."""
        with contextlib.ExitStack() as held:
            if copy := self._copy():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                name = f"{self.ledger}.{copy}.{os.getpid()}.live"
                held.enter_context(hold_live_file(self.folder / name))
            yield

    def is_live_elsewhere(self) -> bool:
        """Return whether a run of another copy of the ledger lives."""
        own = f"{self.ledger}.{self._copy()}."
        found = self.folder.glob(f"{self.ledger}.*.live")
        return any(is_live(file) for file in found if not file.name.startswith(own))

    def _copy(self) -> str:
        """Return what tells this copy from others, whatever path leads to it; empty for none in a
        file."""
        try:
            status = os.stat(self.place)
        except OSError:
            return ""
        return f"{status.st_dev:x}-{status.st_ino:x}"

    def last_place(self) -> str:
        """Read where the ledger was when it was remembered last."""
        return _read(self.file).place

    def remember(self, seen: ProgressMarks, moved_to: str = "") -> None:
        """Remember how far the ledger has come, and where it has moved to. Raises OSError where
        that cannot be written."""
        with self.locked():
            self.write(seen, moved_to)

    def write(self, seen: ProgressMarks, moved_to: str = "") -> None:
        """Remember the same, with the lock already held (`locked`)."""
        self._write(seen.joined(self.marks()), moved_to)

    def stamp(self) -> tuple[int, int]:
        """Return what differs after each change of the file: its time and inode, zeros for none."""
        try:
            status = os.stat(f"{self.folder}/{self.ledger}.json")  # as `file`, quickly
        except OSError:
            return 0, 0
        return status.st_mtime_ns, status.st_ino

    def outdate(self) -> None:
        """Remember that another ledger has taken the place of this one: should it come back, it is
        old."""
        with self.locked():
            seen = self.marks()
            self._write(replace(seen, changes=seen.changes + 1), self.moved_to(), outdated=True)

    def _write(
        self,
        seen: ProgressMarks,
        moved_to: str,
        *,
        outdated: bool = False,
        erased: ErasedPeople = NOBODY,
    ) -> None:
        partial = self.file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as stream:
            more = {"place": self.place, "moved_to": moved_to, "outdated": outdated}
            gone = _read(self.file).erased.joined(erased)
            hashes = {"erased": {"keys": gone.keys, "hashes": sorted(gone.hashes)}} if gone else {}
            json.dump(asdict(seen) | more | hashes, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.file)


class _Remembered(NamedTuple):
    marks: ProgressMarks = ProgressMarks()
    place: str = ""
    moved_to: str = ""
    outdated: bool = False
    erased: ErasedPeople = NOBODY


def _read(file: Path) -> _Remembered:
    """Read a file; nothing if it cannot be read."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        names = tuple(str(name) for name in kept["campaigns"])
        newest = {str(who): _newest(*each) for who, each in kept.get("newest", {}).items()}
        seen = ProgressMarks(int(kept["changes"]), int(kept["attempts"]), names, newest)
        # Older versions kept what stood in the query of a database's URL.
        place, moved_to = (hide_password(str(kept.get(key, ""))) for key in ("place", "moved_to"))
        gone = kept.get("erased", {"keys": (), "hashes": ()})
        people = ErasedPeople(tuple(gone["keys"]), frozenset(gone["hashes"]))
        return _Remembered(seen, place, moved_to, bool(kept.get("outdated")), people)
    except (OSError, ValueError, KeyError, TypeError):
        return _Remembered()


def _newest(table: str, id: int, number: int, at: float, changes: int = 0) -> Newest:
    return Newest(str(table), int(id), int(number), float(at), int(changes))
