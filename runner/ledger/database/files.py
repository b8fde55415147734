"""The place of an SQLite ledger: where one may lie, and whether an open one still does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from runner.errors import LedgerError
from runner.ledger.database.network_file_systems import (
    file_system_of,
    is_network,
    mount_points,
    read_mounts,
)

KEEP_IT = "do not remove it: it knows who was written to"


def check_place(path: Path, *, read_only: bool) -> None:
    """Raise LedgerError when no ledger may be opened, or made, at `path`. Symbolic links are
    followed: the real place counts."""
    if path.is_dir():
        raise LedgerError(
            f"{path} is a folder, not a ledger", "name the file: --state DIR/state.db"
        )
    real = path.resolve()
    if not real.parent.is_dir():
        raise LedgerError(
            f"{real.parent} does not exist", "make the folder, or name another --state"
        )
    kind = file_system_of(real.parent, read_mounts())
    if is_network(kind):
        raise LedgerError(
            f"{path} lies on a network file system ({kind}), where SQLite's locks cannot be "
            "trusted",
            "keep the ledger on a local disk: --state PATH, or use PostgreSQL",
        )
    log = _size(wal_of(path))  # first: another run may be making both, the file before its log
    there = path.exists()
    if there and not read_only:
        _refuse_second_name(path)
    if read_only and not there:
        raise LedgerError(f"no ledger at {path}")
    if log and not _size(path):
        # SQLite would throw the WAL away, and with it who was written to.
        raise LedgerError(
            f"{path} is {'empty' if there else 'gone'}, but its {wal_of(path).name} is there: it "
            "has been cut, moved or removed",
            f"put the file back, or restore the newest `run-campaign db backup` ({KEEP_IT})",
        )


def _refuse_second_name(path: Path) -> None:
    """Raise LedgerError for a ledger of two names: what is written under one lies in a WAL beside
    it, unseen by the other."""
    if path.stat().st_nlink > 1:
        raise LedgerError(
            f"{path} has a second name (a hard link); what one name has written, the other does "
            "not see",
            "remove the other name; for a copy: run-campaign db backup",
        )
    if str(path.resolve()) in {point for point, _ in mount_points(read_mounts())}:
        raise LedgerError(
            f"{path} is mounted as a single file: its newest entries would lie outside the mount",
            "mount the folder that it lies in",
        )


def wal_of(path: Path) -> Path:
    """Return SQLite's log of what is not in the file yet; it lies beside the real file."""
    return Path(f"{path.resolve()}-wal")


def runs_took_place(path: Path) -> bool:
    """Return whether a run has held a lane of a ledger in this folder."""
    return any((path.resolve().parent / ".run-campaign").glob("lane-*.lock"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Anchor:
    """The files of an open ledger. Its name must go on leading to them: an intent in a file that
    cannot be found again is no intent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        wal = wal_of(path)
        self._beside = (wal, wal.with_name(wal.name.removesuffix("-wal") + "-shm"))
        self._opened = _identity(path)
        self._opened_beside = [_identity(each) for each in self._beside]

    def check(self) -> None:
        """Raise LedgerError unless every file is still in its place."""
        now = _identity(self._path)
        if now is None or now != self._opened:
            what = "is gone" if now is None else "is another file now"
            raise LedgerError(
                f"the ledger {self._path} {what}: it was moved, removed or replaced while it was "
                "in use; nothing more is sent",
                "put it back, then run the same command again; without it everybody would be "
                "written to again",
            )
        for path, opened in zip(self._beside, self._opened_beside, strict=True):
            if _identity(path) != opened:
                raise LedgerError(
                    f"{path} was removed or replaced while it was in use; nothing more is sent",
                    "leave it beside the ledger, then run the same command again",
                )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def lock_holder(path: Path) -> str:
    """Describe the other process that holds the ledger's write lock, as Linux tells; empty when it
    does not."""
    with contextlib.suppress(OSError, ValueError):
        inodes = {_identity(each) for each in (path, Path(f"{path.resolve()}-shm"))}
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: POSIX  ADVISORY  WRITE 4711 fd:01:1234567 120 120
            fields = line.split()
            pid, place = int(fields[-4]), fields[-3].split(":")
            device = os.makedev(int(place[0], 16), int(place[1], 16))
            if "WRITE" in fields and pid != os.getpid() and (device, int(place[2])) in inodes:
                return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    return ""
