"""A run that has begun sends ahead: four on the wire, four that wait for it."""

from __future__ import annotations

from pathlib import Path

from runner.ledger.ledger import open_ledger
from runner.ledger.messages import queue

from .support import Project, Running, people, until

CONCURRENCY = 4
FAST = 12
"""Answers that come at once: from then on sends are begun ahead, and wait for the wire."""


def start(project: Project, *state: str | Path, more: str = "", seconds: float = 3.0) -> Running:
    """Start a run with four sends on the wire, accepted and not answered for a while, and four more
    that are begun."""
    project.write(people(40), concurrency=CONCURRENCY, more=more)
    slow = [
        f"slow:at={FAST + number},seconds={seconds},phase=after"
        for number in range(1, CONCURRENCY + 1)
    ]
    project.api.faults(*slow)
    run = project.start(project.campaign, *state)
    until(lambda: len(project.api.recipients) == FAST + CONCURRENCY, "four to be on the wire")
    return run


def begun_only(project: Project, location: str | Path) -> list[str]:
    """Wait until four more are begun: who they are."""

    def found() -> list[str] | None:
        with open_ledger(str(location), read_only=True) as ledger:
            there = ledger.read(queue.open_messages, people(40), None)
        begun = [each.recipient for each in there if each.recipient not in project.api.recipients]
        return begun if len(begun) == CONCURRENCY else None

    waiting: list[str] = until(found, "four to be begun")
    return waiting
