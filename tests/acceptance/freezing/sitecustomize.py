"""Test-only: in a child with this folder on its PYTHONPATH, clocks that a test sets, and a process
that stops itself at a named point.

CLOCKS    a file of two numbers: seconds to add to the wall clock and to the boot-time clock
FREEZE    `module:Class.method` or `module:function`: SIGSTOP on entering it …
FREEZE_IF … while this file is there; it is removed first, so once
"""

import importlib
import os
import signal
import time
from functools import wraps
from pathlib import Path
from typing import Any


def set_clocks(file: Path) -> None:
    """Have the wall clock and the boot-time clock read as `file` says."""
    wall, clock = time.time, time.clock_gettime

    def offsets() -> list[float]:
        return [float(each) for each in file.read_text().split()]

    def read(which: int) -> float:
        return clock(which) + (offsets()[1] if which == time.CLOCK_BOOTTIME else 0.0)

    time.time = lambda: wall() + offsets()[0]
    time.clock_gettime = read


def freeze_at(point: str, while_there: Path) -> None:
    """Stop this process whenever it enters `point`, as long as the file can be removed."""
    name, _, path = point.partition(":")
    *outer, last = path.split(".")
    owner = importlib.import_module(name)
    for each in outer:
        owner = getattr(owner, each)
    original = getattr(owner, last)

    @wraps(original)
    def freezing(*args: Any, **kwargs: Any) -> Any:
        try:
            while_there.unlink()
        except FileNotFoundError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGSTOP)
        return original(*args, **kwargs)

    setattr(owner, last, freezing)


if "CLOCKS" in os.environ:
    set_clocks(Path(os.environ["CLOCKS"]))
if "FREEZE" in os.environ:
    freeze_at(os.environ["FREEZE"], Path(os.environ["FREEZE_IF"]))
