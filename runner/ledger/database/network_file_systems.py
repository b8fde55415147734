"""Network file systems, where SQLite's locks are not to be trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

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


def read_mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text(errors="replace")
    except OSError:
        return ""  # macOS
