"""The echo of control keys by a terminal, which disturbs what redraws itself."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def keys_not_echoed() -> Iterator[None]:
    """Keep the terminal from showing `^C` and other control keys while the context lasts: they move
    a display that redraws itself, so that a line of it stays behind."""
    try:
        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)
    except (termios.error, OSError, ValueError):  # no terminal
        yield
        return
    quiet = list(before)
    quiet[3] &= ~termios.ECHOCTL
    _set_terminal(handle, quiet)
    try:
        yield
    finally:
        _set_terminal(handle, before)


def _set_terminal(handle: int, to: list[Any]) -> None:
    with contextlib.suppress(termios.error, OSError):  # not this process's terminal
        if os.tcgetpgrp(handle) == os.getpgrp():  # in the background it would stop this process
            termios.tcsetattr(handle, termios.TCSANOW, to)
