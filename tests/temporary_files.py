"""Where all that tests write is: in memory, if there is enough of it.

A commit waits for the disk, and a run of the tests does a hundred thousand. Nothing that they prove
needs a disk: a process that is killed loses nothing that it has written, wherever that is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "run-campaign-"
ENOUGH = 4 * 1024**3
"""Bytes free there: a run needs less than half of it."""


def move_into_memory() -> Path | None:
    """Let this process and those that it starts make temporary files in memory. Returns the folder
    to remove, None where they stay as they are: there is not enough, or TMPDIR says where."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return None
    there = os.statvfs(MEMORY)
    if there.f_bavail * there.f_frsize < ENOUGH or there.f_flag & os.ST_NOEXEC:  # scripts are run
        return None
    _remove_what_is_left()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY))
    folder.chmod(0o755)  # the database server is another user
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # it has been looked for already
    return folder


def remove(folder: Path) -> None:
    """Remove it, and go on where temporary files are usual."""
    del os.environ["TMPDIR"]
    tempfile.tempdir = None
    shutil.rmtree(folder, ignore_errors=True)


def _remove_what_is_left() -> None:
    """Remove what runs have kept that failed, or were killed."""
    for folder in MEMORY.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
