"""The questions about a campaign's files that a person has accepted, so that none is asked
again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from runner.ledger.schema import note, set_note

KEPT_ANSWERS = 500
"""Answers kept of a campaign. Our own choice: years of edits."""


def accepted(connection: Connection, campaign: str, files: str) -> frozenset[str]:
    """Return the codes that were accepted for this campaign with `files`, a fingerprint."""
    kept = json.loads(note(connection, _key(campaign)) or "[]")
    return frozenset(code for code, of in kept if of == files)


def accept(connection: Connection, campaign: str, files: str, codes: Sequence[str]) -> None:
    """Remember that these codes are accepted for this campaign with `files`."""
    kept = json.loads(note(connection, _key(campaign)) or "[]")
    new = [[code, files] for code in codes if [code, files] not in kept]
    set_note(connection, _key(campaign), json.dumps((kept + new)[-KEPT_ANSWERS:]))


def _key(campaign: str) -> str:
    return f"accepted {campaign}"
