"""Keeping other runs out of a lane for as long as this process lives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.ledger import Ledger, lanes


@contextmanager
def hold_lane(ledger: Ledger, lane: str, what: str, at: float, *, wait: bool) -> Iterator[None]:
    """Hold one lane. Raises LaneHeld if another process does, unless it is to `wait`. `what`: what
    is being run, for whoever finds it held."""
    if ledger.file is None:
        with ledger.hold(lane, wait=wait):
            yield
        return
    folder = ledger.file.resolve().parent / ".run-campaign"  # one folder, whatever it is called
    with lanes.lane_lock(folder, lane, what, at, -1.0 if wait else 0.0):
        yield
