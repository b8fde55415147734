"""Paths as a campaign file writes them: relative to the file that they stand in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn


class PlacedText(str):
    """A text of a file in another folder than the campaign's. `folder`: what a path in it is
    relative to."""

    folder: Path

    @classmethod
    def of(cls, text: str, folder: Path) -> PlacedText:
        placed = cls(text)
        placed.folder = folder
        return placed


def parse_path(value: str, folder: Path) -> Path:
    """Return the path that is written for a file, relative to `folder`.

    Raises ValueError, with what to write instead, for what is no path of this machine.
    """
    if not value.strip():
        raise ValueError("is not a file name; write a path, relative to this file")
    if not value.isprintable():
        raise ValueError(
            "is not a file name: there is a control character in it; "
            "in double quotes a backslash makes one; write / between folders"
        )
    if re.match(r"file:/", value, re.IGNORECASE):
        bare = re.sub(r"^file:/+(localhost/)?(?=[A-Za-z]:)?", "/", value, flags=re.IGNORECASE)
        raise ValueError(f"is an address, not a path; write {bare}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", value):
        raise ValueError("is an address of the web, not a file; download it, and name that file")
    if value == "~" or value.startswith("~/"):
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError(
                "names a home folder, and there is none here; write the whole path"
            ) from None
    if "\\" in value and os.sep == "/" and not (folder / value).exists():
        _refuse_backslashes(value)
    return folder / value


def _refuse_backslashes(value: str) -> NoReturn:
    if re.match(r"[A-Za-z]:|\\\\", value):
        raise ValueError(
            "is a path of Windows, with backslashes; "
            "write where the file is on this computer, with / between folders"
        )
    raise ValueError(f"has backslashes in it; write {value.replace(chr(92), '/')}")


def tidy(path: Path) -> Path:
    """Return `campaigns/../teams/a.yaml` as `teams/a.yaml`, where that is the same file."""
    short = Path(os.path.normpath(path))
    try:
        return short if short.samefile(path) else path
    except (OSError, ValueError):
        return path
