"""Loaded by a measured process as it starts: on SIGUSR2 it writes down how many asyncio tasks it
has. Only the benchmarks put this folder on a process's path."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
from pathlib import Path


def _count(*_: object) -> None:
    with contextlib.suppress(RuntimeError):  # no loop runs
        told = Path(os.environ["BENCH_TASKS"])
        fresh = told.with_suffix(".new")
        fresh.write_text(str(len(asyncio.all_tasks())))
        fresh.replace(told)  # a reader finds the whole number, never an empty file


if "BENCH_TASKS" in os.environ:
    signal.signal(signal.SIGUSR2, _count)
    # A signal that comes as the process ends must not be what ends it.
    atexit.register(signal.signal, signal.SIGUSR2, signal.SIG_IGN)
