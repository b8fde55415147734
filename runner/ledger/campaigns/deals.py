"""The deals of campaigns with variants: how far a plan has dealt them, and by which shares."""

from __future__ import annotations

import json
from typing import NamedTuple

from sqlalchemy import Connection

from runner.ledger.schema import note, set_note
from runner.variants.dealer import Left


class Deal(NamedTuple):
    """The state of a campaign's variants after its last plan: their shares, when they may be judged
    (seconds after a message), and what is left of each sender's block."""

    shares: dict[str, int]
    judge_after: float
    left: Left


def find(connection: Connection, campaign: str) -> Deal | None:
    """Return a campaign's deal by its name; None for one that never had variants."""
    kept = note(connection, f"deal {campaign}")
    return Deal(*json.loads(kept)) if kept else None


def keep(connection: Connection, campaign: str, deal: Deal) -> None:
    """Keep a campaign's deal, in the transaction of the plan that has dealt."""
    set_note(connection, f"deal {campaign}", json.dumps(deal, ensure_ascii=False))
