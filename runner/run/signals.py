"""Early ends of a live run: by Ctrl-C, and after a time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runner.clock import Clock
from runner.events import EventBus, Notice
from runner.sending.lane import Lane


@contextmanager
def obey_signals(driven: Sequence[Lane], bus: EventBus, clock: Clock) -> Iterator[None]:
    """Drain lanes at the first Ctrl-C (or SIGTERM), abort them at the second."""
    task = asyncio.current_task()
    assert task is not None

    def obey() -> None:
        if any(lane.stops.is_interrupted for lane in driven):
            task.cancel()
            return
        under_way = sum(lane.to_finish for lane in driven)
        text = (
            f"finishing {under_way} under way; Ctrl-C again aborts them (they are then in doubt)"
            if under_way
            else "stopping"
        )
        bus.emit(Notice(clock.now(), text))
        for lane in driven:
            lane.stops.interrupt()

    with call_at_signals(obey):
        yield


@contextmanager
def call_at_signals(obey: Callable[[], None]) -> Iterator[None]:
    """Call `obey` at Ctrl-C and SIGTERM."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGINT, signal.SIGTERM)
    for number in caught:
        loop.add_signal_handler(number, obey)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


@contextmanager
def drain_after(seconds: float | None, driven: Sequence[Lane]) -> Iterator[None]:
    """Begin nothing more after so many seconds."""
    timers: list[asyncio.TimerHandle] = []
    if seconds is not None:
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(seconds, lane.stops.drain) for lane in driven]
    with contextlib.ExitStack() as stack:
        for timer in timers:
            stack.callback(timer.cancel)
        yield
