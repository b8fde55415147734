"""JSON as it is printed."""

from __future__ import annotations

import json
import sys
from typing import Any


def json_text(told: Any) -> str:
    """A value as JSON, with escapes for letters that the output cannot hold for certain."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    return json.dumps(told, ensure_ascii=not unicode, indent=2)
