"""New files, written together: all of them, or none when one cannot be written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runner.errors import UsageError

PRIVATE = 0o600
PLAIN = 0o644


def write_together(
    files: Mapping[Path, str | Path], private: frozenset[Path] = frozenset()
) -> None:
    """Write files that are not there yet: a text, or a copy of another file. Those in `private` can
    be read by their owner alone.

    Raises UsageError for one that is there, which stays as it is. Whatever ends this early, an
    interruption too, leaves no file and no folder behind.
    """
    made: list[Path] = []
    folders: list[Path] = []
    try:
        waiting = []
        for path, content in files.items():
            _make_folder(path.parent, folders)
            waiting.append((_beside(path, content, path in private, made), path))
        for written, path in waiting:
            try:
                os.link(written, path)  # which never replaces a file
            except FileExistsError:
                raise UsageError(f"{path} is there already", "choose another name") from None
            made.append(path)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        for folder in reversed(folders):
            folder.rmdir()
        raise
    for written, _ in waiting:
        written.unlink()


def _make_folder(folder: Path, made: list[Path]) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _beside(path: Path, content: str | Path, private: bool, made: list[Path]) -> Path:
    """Write a file under a passing name in the same folder; return that name."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    made.append(Path(name))
    with os.fdopen(handle, "wb") as stream:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, stream)
        else:
            stream.write(content.encode())
        os.fchmod(stream.fileno(), PRIVATE if private else PLAIN)
    return Path(name)
