"""A person's decision that something is not a reply, with its audit entry."""

from __future__ import annotations

from collections.abc import Collection

from runner.clock import Clock
from runner.ledger.campaigns import audit
from runner.ledger.campaigns.audit import Act
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.messages import replies


def dismiss(
    ledger: Ledger, row: CampaignRow, clock: Clock, ids: Collection[str], *, by: str, via: str
) -> list[str]:
    """Let what these people wrote be no replies to a campaign; return who had any. The
    do-not-contact list and holds stay as they are."""
    with ledger.writing() as connection:
        found = replies.dismiss(connection, row.id, ids)
        if found:
            audit.record(
                connection,
                Act.NOT_A_REPLY,
                at=clock.now(),
                by=by,
                via=via,
                campaign=row.id,
                recipients=found,
            )
    return found
