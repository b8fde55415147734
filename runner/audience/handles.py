"""Handles in cells: `@ada`, `ada`, the address of a profile; and the ids that are kept for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from runner.audience.ids import MAX_TEXT_ID, IdRefusal, cleaned, id_checker, never_an_id, shown
from runner.message.handle import HandleAnswer, KeptHandle, one_handle
from runner.message.status import SkipReason

HANDLE_COLUMNS = ("handle", "username")
"""Column names that say by themselves that they hold handles."""

X_HANDLE = re.compile(r"[A-Za-z0-9_]{1,15}")
"""A handle of X (xdevplatform/docs `openapi.json`, `usernames`)."""

SURE_ID = 16
"""Digits from which on a number is not a handle of X, but an id."""

_X_HOST = re.compile(r"(?:(?:www|mobile|m)\.)?(?:x|twitter)\.com", re.IGNORECASE)
_LINKEDIN_HOST = re.compile(r"(?:[a-z]{1,3}\.|www\.)?linkedin\.com", re.IGNORECASE)
_NO_PROFILES = frozenset(
    {
        *(
            "about",
            "account",
            "compose",
            "download",
            "explore",
            "hashtag",
            "home",
            "i",
            "intent",
            "jobs",
        ),
        *(
            "login",
            "logout",
            "messages",
            "notifications",
            "privacy",
            "search",
            "settings",
            "share",
            "signup",
            "tos",
        ),
    }
)
"""First parts of X's addresses that are not a person's."""


class CellHandle(NamedTuple):
    """A handle as a cell has it, without `@`; or the id that stands in its place."""

    handle: str = ""
    id: str = ""


def read_handle(cell: str, platform: str) -> CellHandle | IdRefusal:
    """Return the handle of a cell, or why there is none.

    X (`twitter`): 1 to 15 letters, digits and `_`, with or without `@`, or the address of a
    profile. Digits alone are a handle, unless they are too many for one: then they are an id.
    Other platforms: any text without spaces, or the address of a LinkedIn profile.
    """
    found = cleaned(cell)
    refused = never_an_id(cell, found)
    if refused:
        return refused
    if platform != "twitter":
        return _read_other(found)
    if found.isascii() and found.isdigit() and len(found) >= SURE_ID:
        id = id_checker(platform, "platform")(found)
        return id if isinstance(id, IdRefusal) else CellHandle(id=id)
    if "/" in found:
        return _read_x_address(found)
    handle = found.removeprefix("@")
    if X_HANDLE.fullmatch(handle):
        return CellHandle(handle)
    return _refuse(found, "is not a username of X: those are 1 to 15 letters, digits and _")


def _read_x_address(found: str) -> CellHandle | IdRefusal:
    parts = _address(found)
    if not _X_HOST.fullmatch(parts.netloc):
        return _refuse(found, "is not an address of a profile on X")
    path = (parts.fragment.removeprefix("!") if parts.path in ("", "/") else parts.path).strip("/")
    first, *rest = path.split("/")
    query = parse_qs(parts.query)
    if [first, *rest] == ["intent", "user"] or [first, *rest] == ["intent", "follow"]:
        names, ids = query.get("screen_name", []), query.get("user_id", [])
        first, rest = (names[0], []) if len(names) == 1 else ("", [])
        if not names and len(ids) == 1:
            return _id_in(found, ids[0])
    elif len(rest) == 2 and [first, rest[0]] == ["i", "user"]:
        return _id_in(found, rest[1])
    handle = first.removeprefix("@")
    if rest or handle.lower() in _NO_PROFILES or not X_HANDLE.fullmatch(handle):
        return _refuse(found, "is not an address of a profile; write x.com/NAME, or @NAME")
    return CellHandle(handle)


def _address(found: str) -> SplitResult:
    """Return the parts of an address; none of a text that cannot be one."""
    try:
        return urlsplit(found if "://" in found else f"https://{found}")
    except ValueError:  # brackets that hold no address, signs that a host cannot have
        return SplitResult("", "", "", "", "")


def _id_in(address: str, id: str) -> CellHandle | IdRefusal:
    checked = id_checker("twitter", "platform")(id)
    if isinstance(checked, IdRefusal):
        return _refuse(address, "is not an address of a profile; write x.com/NAME, or @NAME")
    return CellHandle(id=checked)


def _read_other(found: str) -> CellHandle | IdRefusal:
    handle = normalize("NFC", found).removeprefix("@")
    if "/" in found:
        parts = _address(found)
        words = parts.path.removeprefix("/mwlite").strip("/").split("/")
        if not _LINKEDIN_HOST.fullmatch(parts.netloc) or len(words) < 2 or words[0] != "in":
            what = "is not an address of a profile; LinkedIn's are linkedin.com/in/NAME"
            return _refuse(found, what)
        handle = normalize("NFC", unquote(words[1]))
    if 0 < len(handle) <= MAX_TEXT_ID and handle.isprintable() and not re.search(r"[\s/]", handle):
        return CellHandle(handle)
    return _refuse(found, f"is not a handle: spaces, control characters or over {MAX_TEXT_ID} long")


def profile_name(address: str) -> str:
    """Return the name in the address of a LinkedIn profile; empty for any other text."""
    found = _read_other(address) if "/" in address else None
    return found.handle if isinstance(found, CellHandle) else ""


def _refuse(found: str, why: str) -> IdRefusal:
    return IdRefusal(SkipReason.BAD_ID, f"{shown(found)} {why}")


def handle_checker(
    platform: str, kept: Mapping[str, KeptHandle], resolve: str
) -> Callable[[str], str | IdRefusal]:
    """Return the function that turns a cell with a handle into the id that is kept for it, or says
    why there is none. `resolve`: the command that asks for handles."""

    def check(cell: str) -> str | IdRefusal:
        read = read_handle(cell, platform)
        if isinstance(read, IdRefusal):
            return read
        if read.id:
            return read.id
        known = kept.get(one_handle(read.handle))
        if known is not None and known.answer is HandleAnswer.FOUND:
            return known.id
        return IdRefusal(
            SkipReason.UNKNOWN_HANDLE, why_unknown(read.handle, known, resolve, platform)
        )

    return check


def why_unknown(handle: str, known: KeptHandle | None, resolve: str, platform: str) -> str:
    """Return why no id can be said for a handle, and what to do."""
    told = f"@{shown(handle)}"
    if known is None:
        return f"{told} is not resolved; run {resolve}"
    day = f"{datetime.fromtimestamp(known.asked_at, UTC):%Y-%m-%d}"
    match known.answer:
        case HandleAnswer.NOT_A_CONTACT:
            more = f"; {resolve} --via x asks X" if platform == "twitter" else ""
            return f"{told} was in no contact of Inbox on {day}{more}"
        case HandleAnswer.SUSPENDED:
            return f"{told} is suspended, by {_SOURCES[known.source]} of {day}"
        case HandleAnswer.SEVERAL:
            return f"{told} is a handle of several profiles in Inbox ({day}); write the id"
        case HandleAnswer.CHANGED:
            return (
                f"{told} is the handle of {known.id} ({day}) and was that of {known.before}: write "
                f"the id, or {resolve} --take-changed"
            )
        case HandleAnswer.UNANSWERED:
            return f"{told}: {_SOURCES[known.source]} said nothing of it on {day}"
    return f"{told} was not found on {day}, by {_SOURCES[known.source]}"


_SOURCES = {"inbox": "Inbox's contacts", "x": "X's API"}
