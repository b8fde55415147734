"""A message's idempotency key, and the name it is made from."""

from __future__ import annotations

import hashlib
import json
import unicodedata

from runner.message.words import Recipient


def normal_name(name: str) -> str:
    """A campaign's name as its identity: Unicode NFC, outer spaces off."""
    return unicodedata.normalize("NFC", name).strip()


def message_key(campaign: str, step: str, recipient: Recipient, generation: int = 0) -> str:
    """The message's idempotency key: `rc1-` and 64 hex digits.

    SHA-256 over the UTF-8 JSON array [campaign, step, platform, id_type, id, generation] without
    spaces. It names who is written to by which campaign and never the text, so that an edited
    template cannot write to a person twice. Frozen by test vectors.
    """
    parts = [normal_name(campaign), step, *recipient, generation]
    return "rc1-" + hashlib.sha256(_encode(parts).encode()).hexdigest()


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: `json.dumps` would make an encoder for every message."""
