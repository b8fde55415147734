"""The last agreement to send a campaign, so that going on with it needs no second question."""

from __future__ import annotations

import json
import time

from sqlalchemy import Connection

from runner.ledger.schema import note, set_note


def agree(connection: Connection, campaign: str, at: float, count: int, by: str) -> None:
    """Remember that `by` agreed to `count` messages of this campaign."""
    set_note(connection, _key(campaign), json.dumps([at, count, by]))


def agreed(connection: Connection, campaign: str) -> str:
    """Describe what was agreed to last, when and by whom; empty for nothing."""
    kept = note(connection, _key(campaign))
    if not kept:
        return ""
    at, count, by = json.loads(kept)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    return f"{when} by {by}: {count} message{'' if count == 1 else 's'}"


def _key(campaign: str) -> str:
    return f"agreed {campaign}"
