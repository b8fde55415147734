"""The do-not-contact list of a ledger, each change with its audit entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from runner.clock import Clock, iso
from runner.ledger.campaigns import audit, submissions
from runner.ledger.campaigns.audit import Act
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions


def suppress(
    ledger: Ledger,
    clock: Clock,
    wanted: Mapping[str, tuple[str, float]],
    *,
    why: str = "",
    by: str,
    via: str,
) -> int:
    """Put people (id -> reason, since when) on the do-not-contact list and take their queued
    messages out; how many messages that stopped. `why`: a word for all of them."""
    with ledger.writing() as connection:
        added, stopped = decisions.suppress_each(connection, wanted)
        if added:
            audit.record(
                connection,
                Act.SUPPRESS,
                at=clock.now(),
                by=by,
                via=via,
                recipients=added,
                why=why,
            )
    return stopped


def unsuppress(ledger: Ledger, clock: Clock, ids: Iterable[str], *, by: str, via: str) -> list[str]:
    """Take people off the do-not-contact list; the next run queues them again. Who was on it."""
    with ledger.writing() as connection:
        gone = decisions.unsuppress(connection, ids)
        if gone:
            audit.record(
                connection,
                Act.UNSUPPRESS,
                at=clock.now(),
                by=by,
                via=via,
                recipients=gone,
            )
    return gone


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
    """Put people on hold until then (Unix s; None: until somebody says otherwise). Their queued
    messages stay queued."""
    at = clock.now()
    with ledger.writing() as connection:
        changed = decisions.hold_each(connection, ids, until, why=why, at=at, by=by)
        if changed:
            ends = [] if until is None else [f"until {iso(until)}"]
            told = "; ".join([*ends, *([why] if why else [])])
            audit.record(connection, Act.HOLD, at=at, by=by, via=via, recipients=changed, why=told)
    if changed:  # some may end sooner than before
        ledger.write(submissions.wake_for, changed, at)


def unhold(ledger: Ledger, clock: Clock, ids: Iterable[str], *, by: str, via: str) -> list[str]:
    """Take people off hold, and wake the workers that have messages to them; a live run hears of
    it within a second. Who was on it."""
    at = clock.now()
    with ledger.writing() as connection:
        gone = decisions.unhold(connection, ids, at)
        if gone:
            audit.record(connection, Act.UNHOLD, at=at, by=by, via=via, recipients=gone)
    if gone:
        ledger.write(submissions.wake_for, gone, at)
    return gone
