"""The handles of senders as the API told them last: what people call them by."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection

from runner.ledger.schema import note, set_note


def keep_handles(connection: Connection, handles: Mapping[str, str], *, rehearsal: bool) -> None:
    """Keep the handles of senders by their ids; those that are known otherwise stay."""
    before = known_handles(connection, rehearsal=rehearsal)
    if (joined := {**before, **handles}) != before:
        set_note(connection, _key(rehearsal=rehearsal), json.dumps(joined))


def known_handles(connection: Connection, *, rehearsal: bool) -> dict[str, str]:
    """Read the handles of senders by their ids, of the API or of its stand-ins."""
    kept: dict[str, str] = json.loads(note(connection, _key(rehearsal=rehearsal)) or "{}")
    return kept


def _key(*, rehearsal: bool) -> str:
    return "handles SANDBOX" if rehearsal else "handles"
