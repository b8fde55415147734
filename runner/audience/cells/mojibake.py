"""Text that was read in a wrong encoding before it came into the sheet."""

from __future__ import annotations

import importlib
import re

LOST = "\ufffd"
"""Signs that programs put where they could not read a letter."""

_SUSPECT = re.compile(
    # A lone U+0085 is a line break of some programs.
    "\ufffd|[\x80-\x84\x86-\x9f]|[\xc2-\xf4][\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6"
    "\u02dc\u2013-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]|"
    "[\u0410-\u044f][\u0402-\u040f\u0452-\u045f\xa0-\xbf\u0490\u0491\u2013-\u2026\u20ac\u2116\u2122\u0410-\u044f]|"
    "[\u221a\u0102\u0139\u251c\u252c\u2500][^\\s\\w]?|\u00ef\u00bf\u00bd"
)
_CODECS = ("cp1252", "latin-1", "cp1251", "mac_roman", "cp1250", "cp850", "cp437")


def suspect(text: str) -> bool:
    """Return whether a text has signs that such text has; cheap, and true of some that is right."""
    return bool(_SUSPECT.search(text))


def mended(cell: str) -> str | None:
    """Return how a cell read before it was misread; empty when letters are lost; None if it is
    right."""
    if LOST in cell or "ï¿½" in cell:
        return ""
    for codec in _CODECS:
        try:
            found = cell.encode(codec).decode("utf-8")
        except UnicodeError:
            continue
        if found != cell and found.isprintable():
            return found
    badness = importlib.import_module("ftfy.badness")  # takes 50 ms: only who needs it
    if not badness.is_bad(cell):
        return None
    found = str(importlib.import_module("ftfy").fix_encoding(cell))
    return found if found != cell else None
