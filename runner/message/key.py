"""A message's idempotency key, and the name it is made from."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any

from runner.message.prospect import Recipient

REHEARSAL = " (SANDBOX)"
"""The end of the name of a campaign that is sent to a stand-in of the API: nothing of it is
real."""

TEST = " (test)"
"""The end of the name of a campaign's tests."""


def name_fields(name: str) -> dict[str, Any]:
    """Return a campaign's name as programs are given it: as its file has it, and whether it is a
    rehearsal."""
    return {"campaign": name.removesuffix(REHEARSAL), "sandbox": name.endswith(REHEARSAL)}


def normal_name(name: str) -> str:
    """Return a campaign's name as its identity: Unicode NFC, outer spaces off."""
    return unicodedata.normalize("NFC", name).strip()


def message_key(campaign: str, step: str, recipient: Recipient, generation: int = 0) -> str:
    """Make the message's idempotency key: `rc1-` and 64 hex digits.

    SHA-256 over the UTF-8 JSON array [campaign, step, platform, id_type, id, generation] without
    spaces. It names who is written to by which campaign and never the text, so that an edited
    template cannot write to a person twice. Frozen by test vectors.
    """
    parts = [normal_name(campaign), step, *recipient, generation]
    return "rc1-" + hashlib.sha256(_encode(parts).encode()).hexdigest()


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: `json.dumps` would make an encoder for every message."""
