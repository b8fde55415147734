"""The do-not-contact list of a ledger, each change with its audit entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.clock import Clock
from runner.ledger.campaigns import audit
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
    messages out; return how many messages that stopped. `why`: one reason for all of them."""
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
    """Take people off the do-not-contact list: the next run queues them again; return who was on
    it."""
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
