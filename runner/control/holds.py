"""The people on hold, each change with its audit entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runner.clock import Clock, iso
from runner.ledger.campaigns import audit, submissions
from runner.ledger.campaigns.audit import Act
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions


def hold(
    ledger: Ledger,
    clock: Clock,
    ids: Collection[str],
    until: float | None,
    *,
    why: str = "",
    by: str,
    via: str,
) -> None:
    """Put people on hold until then (Unix s; None: until `unhold`). Their queued messages stay
    queued."""
    at = clock.now()
    with ledger.writing() as connection:
        changed = decisions.hold_each(connection, ids, until, why=why, at=at, by=by)
        if changed:
            ends = [] if until is None else [f"until {iso(until)}"]
            told = "; ".join([*ends, *([why] if why else [])])
            audit.record(connection, Act.HOLD, at=at, by=by, via=via, recipients=changed, why=told)
            submissions.wake_for(connection, changed, at)  # some may end sooner than before


def unhold(ledger: Ledger, clock: Clock, ids: Iterable[str], *, by: str, via: str) -> list[str]:
    """Take people off hold, and wake the workers that have messages to them; a live run applies it
    within a second. Return who was on hold."""
    at = clock.now()
    with ledger.writing() as connection:
        gone = decisions.unhold(connection, ids, at)
        if gone:
            audit.record(connection, Act.UNHOLD, at=at, by=by, via=via, recipients=gone)
            submissions.wake_for(connection, gone, at)  # in one: else a lane could rest for good
    return gone
