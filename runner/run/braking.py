"""What a person says to a campaign as a whole: pause, cancel, go on. Heard by a live run too."""

from __future__ import annotations

import getpass
import os
import time

from runner.clock import iso
from runner.errors import LaneHeld
from runner.ledger import Ledger, brakes
from runner.ledger.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.planning import CampaignRow
from runner.run.holding import hold_lane

HEARS_WITHIN = 5.0
"""Seconds after which a run that has not heard a word is not waited for: it is frozen, or hangs."""


def user() -> str:
    """Who sits at this terminal, as the system knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this number, as in some containers
        return f"user {os.getuid()}"


def in_words(name: str, brake: Brake) -> str:
    """What stops a campaign, who did it and when."""
    if brake.kind in BY_A_PERSON:
        return f"{name} was {brake.kind} by {brake.by} at {iso(brake.at)}"
    by = " by its guard" if brake.kind is BrakeKind.GUARDED else ""
    return f"{name} was stopped{by} at {iso(brake.at)}: {brake.why}"


def goes_on_elsewhere(ledger: Ledger, row: CampaignRow, at: float) -> bool:
    """Whether a live run has this campaign and has heard what was said last of it. One that is
    ending lets go of it instead."""
    if row.lane is None or ledger.read(brakes.heard_by_driver, row.lane, row.id) is None:
        return False
    try:
        with hold_lane(ledger, row.lane, "resume", at, wait=False):
            return False  # it died without a word
    except LaneHeld:
        pass
    last = ledger.read(brakes.latest, [row.id]).get(row.id)
    said = 0 if last is None else last.id
    give_up = time.monotonic() + HEARS_WITHIN
    while (heard := ledger.read(brakes.heard_by_driver, row.lane, row.id)) is not None:
        if heard >= said:
            return True
        if time.monotonic() > give_up:
            break
        time.sleep(0.05)
    return False
