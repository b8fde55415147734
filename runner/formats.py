"""The format of numbers, times and texts for people: safe to show, short enough to fit."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from datetime import datetime


def safe(text: str, *, lines: bool = False) -> str:
    """Return `text` without anything that could control a terminal; line ends stay if `lines`."""
    return "".join(
        char
        if char.isprintable() or (lines and char == "\n")
        else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def short(text: str, width: int) -> str:
    """Return `text` on one line of at most `width` characters, safe to show."""
    told = safe(" ".join(text.split()))
    return told if len(told) <= width else told[: max(0, width - 1)] + "…"


def by_handle(text: str, handles: Mapping[str, str]) -> str:
    """Return `text` with the ids of senders as `@handle` where that is known."""
    for id, handle in handles.items():
        text = text.replace(id, f"@{handle}")
    return text


def fold(line: str, width: int) -> list[str]:
    """Return a line in lines of at most `width` characters, folded at words; what follows is
    indented. A command to paste stays whole, however long it is."""
    if len(line) <= width:
        return [line]
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), line)
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    lines = textwrap.wrap(
        kept,
        max(width, NARROWEST),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    return [each.replace("\0", " ") for each in lines]


_COMMAND = re.compile(r"run-campaign (?:[^;,()`\s]+ ?)+(?<! )")
NARROWEST = 40
"""Characters of a line below which it is not folded any narrower."""


def number(count: int) -> str:
    """Return `12,345`."""
    return f"{count:,}"


def bar(done: int, total: int, width: int) -> str:
    """Return a bar of `width` characters, and how much is done in per cent."""
    share = done / total if total else 1.0
    full = int(width * share)
    return f"{'━' * full}{'╌' * (width - full)} {share:4.0%}"


def counted(count: int, noun: str) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    seconds = max(0.0, seconds)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def moment(at: float, now: float) -> str:
    """Return a time by this machine's clock: `14:05` today, `Tue 14:05` within a week, else with
    its date."""
    then, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    if then.date() == today.date():
        return f"{then:%H:%M}"
    if 0 < at - now < 6 * 86400:
        return f"{then:%a %H:%M}"
    return f"{then:%Y-%m-%d %H:%M}"
