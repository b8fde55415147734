"""Loaded by a measured process as it starts: on SIGUSR2 it writes down how many asyncio tasks it
has, or what its event loop has done so far. Only the benchmarks put this folder on a process's
path."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import json
import os
import signal
from asyncio.base_events import BaseEventLoop
from collections import Counter
from pathlib import Path
from typing import Any


def _tell(file: str, text: str) -> None:
    told = Path(os.environ[file])
    fresh = told.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(told)  # a reader finds the whole of it, never an empty file


def _count(*_: object) -> None:
    with contextlib.suppress(RuntimeError):  # no loop runs
        _tell("BENCH_TASKS", str(len(asyncio.all_tasks())))


def _counted(counts: Counter[str], of: type, method: str, name: str) -> None:
    """Count the calls of a method."""
    real = getattr(of, method)

    def counting(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return real(*args, **kwargs)

    setattr(of, method, counting)


def _count_loop() -> None:
    counts = Counter({"turns": 0, "timers": 0, "hand-overs": 0, "transactions": 0})
    _counted(counts, BaseEventLoop, "_run_once", "turns")
    _counted(counts, BaseEventLoop, "call_at", "timers")
    _counted(counts, BaseEventLoop, "call_soon_threadsafe", "hand-overs")
    run = BaseEventLoop.run_until_complete

    def run_until_complete(loop: Any, future: Any) -> Any:
        if not counts["hooked"]:
            counts["hooked"] = 1
            sqlalchemy = importlib.import_module("sqlalchemy")  # as late as the program does
            sqlalchemy.event.listen(
                sqlalchemy.Engine, "commit", lambda _: counts.update(transactions=1)
            )
        return run(loop, future)

    setattr(BaseEventLoop, "run_until_complete", run_until_complete)  # noqa: B010 - for mypy
    signal.signal(signal.SIGUSR2, lambda *_: _tell("BENCH_COUNTS", json.dumps(counts)))


if "BENCH_TASKS" in os.environ:
    signal.signal(signal.SIGUSR2, _count)
if "BENCH_COUNTS" in os.environ:
    _count_loop()
if {"BENCH_TASKS", "BENCH_COUNTS"} & os.environ.keys():
    # A signal that comes as the process ends must not be what ends it.
    atexit.register(signal.signal, signal.SIGUSR2, signal.SIG_IGN)
