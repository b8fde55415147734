"""The widgets of the live display and of `status --watch`: lines that fit the screen.

Everything is said by words and signs; colours only repeat it. Bold and plain text are in the
terminal's own colours, so that they can be read on whatever background it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich import get_console
from rich.cells import cell_len
from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from runner.formats import number, safe

GOOD, BAD, DOUBT = "#0077d9", "#c85000", "#a052c8"
"""Blue, vermilion and purple keep apart for the colour-blind (after Okabe and Ito,
https://jfly.uni-koeln.de/color/). These shades have a contrast of at least 4.5 to white and to
black, which WCAG 2.1 asks for text (https://www.w3.org/TR/WCAG21/#contrast-minimum)."""

REDRAWS = 4
"""Redraws per second."""

LONGEST_BAR = 80
NARROW = 60
"""Cells of a screen below which labels have no column of their own."""

LABEL = 9

COMMAND = "run-campaign "
"""The beginning of a command to paste."""

Draw = Callable[[int, int], Sequence[Text]]
"""A function that returns lines for a screen of so many columns and rows."""


class Part(NamedTuple):
    """The part of a campaign's messages that is of one kind."""

    many: int
    word: str
    sign: str
    style: str = ""
    more: str = ""  # such as what has changed


def sent(count: int, word: str = "sent", more: str = "") -> Part:
    """Return the part that was sent."""
    return Part(count, word, "━", GOOD, more)


def not_sent(count: int, word: str, more: str = "") -> Part:
    """Return a part that was rejected or failed."""
    return Part(count, word, "×", BAD, more)


def in_doubt(count: int, word: str = "in doubt", more: str = "") -> Part:
    """Return the part that is in doubt."""
    return Part(count, word, "?", DOUBT, more)


def waits(count: int, word: str = "queued", more: str = "") -> Part:
    """Return a part that is queued or on its way."""
    return Part(count, word, "╌", "", more)


def aside(count: int, word: str, more: str = "") -> Part:
    """Return a part that was skipped or cancelled: it has no bar."""
    return Part(count, word, "", "", more)


class Bar(NamedTuple):
    """A campaign's or a sender's name and the parts of its messages."""

    name: str
    parts: Sequence[Part]


def bars(each: Sequence[Bar], width: int, height: int) -> list[Text]:
    """Draw a bar and the counts of each: in two lines while that is no more than a third of the
    screen, else in one."""
    lines = 2 if 2 * len(each) <= height / 3 else 1
    longest = max((cell_len(_plain(bar.name)) for bar in each), default=0)
    name_width = min(longest, max(8, width // (4 if lines == 1 else 3)))
    room = width - name_width - len("  100%")
    room = min(LONGEST_BAR, room if lines > 1 else width // 5)
    told: list[Text] = []
    for bar in each:
        name = Text(_plain(bar.name), "bold")
        name.truncate(name_width, overflow="ellipsis", pad=True)
        head = Text.assemble(name, " ", meter(bar.parts, room), f" {_percent(bar.parts):>4}")
        if lines > 1:
            told += [head, Text.assemble("  ", counts(bar.parts))]
        else:
            told.append(Text.assemble(head, "  ", counts(bar.parts)))
    return told


def counts(parts: Iterable[Part]) -> Text:
    """Return `86 sent · 3 rejected · 110 queued`, without what there is none of."""
    shown = [part for part in parts if part.many or part.more]
    words = [Text(f"{number(part.many)} {part.word}{part.more}", part.style) for part in shown]
    return Text(" · ").join(words) if words else Text("nobody yet")


def meter(parts: Sequence[Part], width: int) -> Text:
    """Return a bar of `width` cells with each part's signs, at least one for a part that is not
    empty."""
    parts = [part for part in parts if part.sign]
    total = sum(part.many for part in parts)
    left, cells = max(0, width), [0] * len(parts)
    for at, part in enumerate(parts):
        if part.many and left:
            cells[at] = 1
            left -= 1
    spare, seen, given = left, 0, 0
    for at, part in enumerate(parts):
        seen += part.many
        more = (spare * seen // total if total else 0) - given
        cells[at] += more
        given += more
    told = Text.assemble(*((p.sign * n, p.style) for p, n in zip(parts, cells, strict=True)))
    told.append("╌" * (max(0, width) - told.cell_len))
    return told


def _percent(parts: Iterable[Part]) -> str:
    """Return the share that is settled for good; 100% only when all is."""
    told = [(part.many, part.sign in "━×") for part in parts if part.sign]
    total = sum(count for count, _ in told)
    return f"{100 * sum(count for count, done in told if done) // total}%" if total else ""


def labelled(label: str, words: str, width: int, style: str = "") -> Text:
    """Return words with a label, in a column of its own where there is room for one."""
    told = (_plain(words), style)
    if width >= NARROW:
        return Text.assemble((f"{label:<{LABEL}}", "bold"), told)
    return Text.assemble((f"{label}: " if label else "  ", "bold"), told)


def with_command(label: str, words: str, width: int, style: str) -> list[Text]:
    """Return labelled words that end with a command to paste. What does not fit goes on below: the
    command is shown whole, and it is not broken where a line of its own is enough for it."""
    whole = labelled(label, words, width, style)
    at = words.find(COMMAND)
    if whole.cell_len <= width or at < 0:
        return [whole]
    indent = " " * LABEL if width >= NARROW else "  "
    room = max(8, width - len(indent))
    first = labelled(label, "", width)
    told = Text(_plain(words[:at]), style).wrap(get_console(), max(8, width - first.cell_len))
    command = Text(_plain(words[at:])).wrap(get_console(), room)
    lines = [first + told[0], *(Text(indent) + line for line in [*told[1:], *command])]
    for line in lines:
        line.rstrip()
    return lines


def fit(lines: Sequence[Text], width: int, height: int) -> list[Text]:
    """Return the first lines that a screen has room for, each cut to its width, without the blank
    ones if there are too many; the last one says how many are not shown."""
    most = max(1, height)
    shown = [line.copy() for line in lines]
    if len(shown) > most:
        shown = [line for line in shown if line.plain]
    if len(shown) > most:
        left = len(shown) - most + 1
        shown = [*shown[: most - 1], Text(f"… {left} more lines")]
    for line in shown:
        line.truncate(max(1, width), overflow="ellipsis")
    return shown


def in_place(console: Console, draw: Draw, *, transient: bool) -> Live:
    """Return a display that draws itself over what it drew before, at the size that the screen has
    then. `transient`: it is gone at the end."""
    drawn: list[Text] = []

    def renderable() -> Group:
        width, height = console.size
        # A terminal that became narrower has broken the old lines into several.
        broken = sum(max(0, -(-line.cell_len // width) - 1) for line in drawn)
        if broken:
            up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
            console.control(Control(*up * broken))
        # The last row is left for the cursor, and for what is typed.
        drawn[:] = fit(draw(width, height - 1), width, height - 1)
        # It may have become narrower still.
        return Group(*(Text.assemble(line, no_wrap=True, overflow="crop") for line in drawn))

    return Live(
        console=console,
        get_renderable=renderable,
        refresh_per_second=REDRAWS,
        transient=transient,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _plain(text: str) -> str:
    return safe(" ".join(text.split()))
