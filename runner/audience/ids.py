"""Ids of people: their forms, and the error for a cell that holds none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from unicodedata import normalize

from runner.audience.cells.empty_cells import ERRORS, seen
from runner.audience.cells.rounded_ids import is_rounded
from runner.errors import UsageError
from runner.message.erased import is_placeholder
from runner.message.status import SkipReason
from runner.tables.cell_types import ErrorCell, FormattedNumber, Uncalculated

MAX_PLATFORM_ID = 2**64
"""X's user ids are unsigned 64-bit numbers."""
MAX_TEXT_ID = 256
MAX_INBOX_ID = 64

_INBOX_ID = re.compile(r"[0-9a-z]+")
_FRACTION = re.compile(r"[0-9]+[.,][0-9]*")
INVISIBLE = (
    "\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3164\ufe0e\ufe0f\ufeff\uffa0"
)

_ROUNDED = "Excel has rounded this id; format the column as text and paste the ids again"
_UNCALCULATED = "that was never calculated; open the workbook, save it, and run again"


@dataclass(frozen=True, slots=True)
class IdRefusal:
    """The reason why a cell is not an id."""

    reason: SkipReason
    detail: str


def id_checker(platform: str, id_type: str) -> Callable[[str], str | IdRefusal]:
    """Return the function that turns a cell into an id, outer spaces off, or says why it is none.

    X (`twitter`): digits, below 2**64. Inbox ids: small letters and digits, 64 at most. Other
    platforms: up to 256 printable characters without spaces, in Unicode NFC: `é` may be stored as
    one character or as two, and is one letter to a reader.
    """
    if id_type == "inbox":
        return _inbox_id
    return _x_id if platform == "twitter" else _platform_id


def one_form(id: str) -> str:
    """Return an id as it is compared."""
    return id if id.isascii() else normalize("NFC", id)


def checked_ids(ids: Iterable[str], platform: str, id_type: str) -> list[str]:
    """Return ids as a campaign would have them. Raises UsageError for one that is none: it would
    protect nobody."""
    check = id_checker(platform, id_type)
    found = []
    for id in ids:
        checked = check(id)
        if isinstance(checked, IdRefusal):
            if re.fullmatch(r"[0-9a-z]{20,64}", id) and re.search(r"[a-z]", id):
                raise UsageError(f"{id} looks like an Inbox id; say so with --id-type inbox")
            raise UsageError(checked.detail)
        found.append(checked)
    return found


def is_numeric(platform: str, id_type: str) -> bool:
    return id_type == "platform" and platform == "twitter"


def of_any_kind(id: str, refused: IdRefusal) -> str | IdRefusal:
    """Return an id of either kind that is beyond doubt one: Inbox ids have 20 characters and
    more."""
    for check in (_x_id, _inbox_id):
        checked = check(id)
        if isinstance(checked, str) and (check is _x_id or len(checked) >= 20):
            return checked
    return refused


def _x_id(cell: str) -> str | IdRefusal:
    found = cell.strip()
    if found.isascii() and found.isdigit() and len(found) < 20 and type(cell) is str:
        # Nearly every row.
        return (
            found if found[0] != "0" else str(int(found)) if found.strip("0") else _odd_x_id(cell)
        )
    return _odd_x_id(cell)


def _odd_x_id(cell: str) -> str | IdRefusal:
    found = cleaned(cell)
    refused = never_an_id(cell, found)
    if refused:
        return refused
    digits = found.lstrip("0") or "0"  # 007 and 7 are one person
    if found.isascii() and found.isdigit() and len(digits) <= 20 and int(digits) < MAX_PLATFORM_ID:
        if digits != "0":
            return digits
        return IdRefusal(
            SkipReason.BAD_ID, f"{shown(found)} is not an id; no account has that number"
        )
    told = shown(found)
    if found.startswith("'") and found[1:].isdigit():
        detail = f"{told} begins with an apostrophe; remove it"
    elif _FRACTION.fullmatch(found):
        detail = f"{told} is a number with a fraction; format the column as text"
    elif found.isdigit() and found.isascii():
        detail = f"{told} is too long; X's ids have 19 digits at most"
    elif found.isdecimal():
        detail = f"{told} is not in the digits 0 to 9"
    elif found.startswith("@") or re.fullmatch(r"[A-Za-z0-9_]*[A-Za-z_][A-Za-z0-9_]*", found):
        detail = f"{told} is a username; the API needs the numeric id"
    elif "://" in found or "/" in found:
        detail = f"{told} is an address; the API needs the numeric id"
    else:
        detail = f"{told} is not an id; X's ids are digits only"
    return IdRefusal(SkipReason.BAD_ID, detail)


def _inbox_id(cell: str) -> str | IdRefusal:
    found = cleaned(cell)
    refused = never_an_id(cell, found)
    if refused:
        return refused
    if len(found) <= MAX_INBOX_ID and _INBOX_ID.fullmatch(found):
        return found
    detail = f"{shown(found)} is not an Inbox id; those are small letters and digits only"
    return IdRefusal(SkipReason.BAD_ID, detail)


def _platform_id(cell: str) -> str | IdRefusal:
    found = one_form(cleaned(cell))
    refused = never_an_id(cell, found)
    if refused:
        return refused
    if len(found) <= MAX_TEXT_ID and found.isprintable() and not re.search(r"\s", found):
        return found
    detail = (
        f"{shown(found)} is not an id: spaces, control characters or more than {MAX_TEXT_ID} long"
    )
    return IdRefusal(SkipReason.BAD_ID, detail)


def cleaned(cell: str) -> str:
    """Return a cell without outer spaces and signs that nobody sees; numbers without a format."""
    # 1,234 is shown, 1234 is meant; 00123 may be both.
    if type(cell) is FormattedNumber and cell.lstrip("0") != cell.plain:
        cell = cell.plain
    return seen(cell.strip().strip(INVISIBLE).strip())


def never_an_id(cell: str, found: str) -> IdRefusal | None:
    """Return the reason why a cell can be no kind of id: nothing at all, what a formula gives that
    went wrong, a number that a spreadsheet has rounded, or what is left of an erased person's."""
    if type(cell) is Uncalculated:
        return IdRefusal(SkipReason.BAD_ID, f"the id is a formula {_UNCALCULATED}")
    if type(cell) is ErrorCell or found in ERRORS:
        detail = f"the id is {shown(found)}, a spreadsheet's error; write the id itself"
        return IdRefusal(SkipReason.BAD_ID, detail)
    if not found:
        return IdRefusal(SkipReason.NO_ID, "the id is empty; fill it in or delete the row")
    if is_placeholder(found):
        return IdRefusal(SkipReason.ERASED, "the id is of a person who was erased")
    if is_rounded(cell, found):
        return IdRefusal(SkipReason.BAD_ID, f"{shown(found)}: {_ROUNDED}")
    return None


def shown(text: str) -> str:
    """Return a cell, fit for one line of a message."""
    text = text if len(text) <= 60 else text[:59] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
