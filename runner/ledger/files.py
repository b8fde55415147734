"""The place of an SQLite ledger: where one may lie, and whether an open one still does."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from runner.errors import LedgerError

NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p"),
        *("ceph", "glusterfs", "lustre", "beegfs", "gpfs", "gfs2", "ocfs2", "orangefs"),
        # Folders of a virtual machine's host: its programs do not see the guest's locks.
        *("virtiofs", "vboxsf", "prl_fs", "vmhgfs", "drvfs"),
    }
)
"""Their file locks and shared memory are not to be trusted with a WAL (sqlite.org/wal.html: all
processes must be on the same host)."""

LOCAL_FUSE = frozenset(
    f"fuse.{name}"
    for name in (
        *("bindfs", "fuse-overlayfs", "mergerfs", "unionfs", "unionfs-fuse"),
        *("encfs", "gocryptfs", "cryfs", "securefs", "ntfs", "ntfs-3g", "exfat", "ext2", "apfs"),
    )
)
"""File systems in user space that are local. Most others (sshfs, s3fs, rclone, gcsfuse …) speak to
a network, and an unknown name is not to be trusted."""

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
    kind = file_system_of(real.parent, _mounts())
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
    if str(path.resolve()) in {point for point, _ in mount_points(_mounts())}:
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


def is_network(kind: str) -> bool:
    """Return whether a file system's type says that other machines may have its files open."""
    if kind == "fuse" or kind.startswith("fuse."):
        return kind not in LOCAL_FUSE
    return kind in NETWORK_FILE_SYSTEMS


def file_system_of(folder: Path, mounts: str) -> str:
    """Return the type of the file system that `folder` lies on by Linux's mount table; empty when
    that does not say."""
    best = ("", "")
    resolved = str(folder.resolve())
    for point, kind in mount_points(mounts):
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def mount_points(mounts: str) -> Iterator[tuple[str, str]]:
    """Yield (mount point, type of file system) of Linux's mount table."""
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        yield re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point), kind


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text(errors="replace")
    except OSError:
        return ""  # macOS


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
