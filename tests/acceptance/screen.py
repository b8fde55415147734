"""A terminal that a program is shown on: a pseudo-terminal, and what a person would see of it."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from tests.processes import start

PATIENCE = 60.0

STILL = 0.5
"""Seconds after which a drawing that no other has followed is taken to be whole."""

DRAWS = "\r\x1b[2K"
"""How a drawing over the one before begins."""


class Terminal:
    """A program on a terminal of its own. Use as a context manager: the program ends with it.

    `raw` is every byte that came.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.raw = b""
        self._drawings: list[str] = []
        self._stream = pyte.Stream(self.screen)
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._own, theirs = pty.openpty()
        self._tell_size()
        self.process = start(
            words,
            cwd=folder,
            env={"TERM": "xterm-256color", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            terminal=True,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen, without the blanks at their ends."""
        return [row.rstrip() for row in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip("\n")

    def until(self, condition: Callable[[str], object], what: str) -> str:
        """What is on the screen as soon as `condition` holds for it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.text):
            if not self._read(deadline) or time.monotonic() > deadline:
                raise AssertionError(f"never on the screen: {what}; it shows:\n{self.text}")
        return self.text

    def asked(self, question: str, after: str = "") -> None:
        """Wait until a question is the last line, and `after` was told in the lines before it."""

        def is_asked(text: str) -> bool:
            *before, last = text.splitlines() or [""]
            return question in last and any(after in line for line in before[-2:] or [""])

        self.until(is_asked, question)

    def answer(self, question: str, keys: str, after: str = "") -> None:
        """Type `keys` and Enter when a question is asked."""
        self.asked(question, after)
        self.type(f"{keys}\r")

    def read(self) -> None:
        """Show what comes next."""
        self._read(time.monotonic() + PATIENCE)

    def wait(self) -> int:
        """Read on until the program ends: its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    def resize(self, columns: int, rows: int) -> None:
        """What a person does with the mouse."""
        self.screen.resize(rows, columns)
        self._tell_size()  # the kernel signals it

    def type(self, keys: str) -> None:
        """Press keys; Ctrl-C is `\\x03`."""
        os.write(self._own, keys.encode())

    def _tell_size(self) -> None:
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, size)

    def _read(self, deadline: float) -> bool:
        """Show what has come, or wait for it; False when there will be no more. A drawing is shown
        when all of it has come, which the beginning of the next one tells."""
        while len(self._drawings) < 2:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select(
                [self._own], [], [], min(left, STILL) if self._drawings else left
            )
            if not ready and self._drawings:
                break  # the program waits, for a key perhaps: nothing is drawn over this
            found = b""
            if ready:
                with contextlib.suppress(OSError):  # the program has closed its side
                    found = os.read(self._own, 65536)
            if not found:
                self._stream.feed("".join(self._drawings))
                self._drawings = []
                return False
            self.raw += found
            told = "".join(self._drawings) + self._decode.decode(found)
            self._drawings = re.split(f"(?={re.escape(DRAWS)})", told)
            if not self._drawings[0].startswith("\r"):
                break  # lines, and no drawing
        self._stream.feed(self._drawings.pop(0))
        return True
