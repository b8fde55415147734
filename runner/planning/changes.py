"""Changes that a plan makes to what was planned before, refused until they are accepted."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from runner.errors import ChangesError
from runner.message.plan import Entry
from runner.planning.preview import Preview

GONE = 0.2
"""More than this share of the queue gone from the file is taken for a mistake until accepted."""


def refuse_changes(previews: Sequence[Preview]) -> None:
    """Raise ChangesError if a person has to look at what changed first."""
    for found in previews:
        if found.changed:
            shown = "\n".join(_difference(entry) for entry in found.changes)
            more = found.changed - len(found.changes)
            raise ChangesError(
                f"{found.campaign}: {found.changed} messages that are not sent yet would change:\n"
                f"{shown}" + (f"\n… and {more} more" if more else ""),
                "run with --accept-changes to send the new texts; sent messages never change",
            )
        queue = found.queued_seen + found.removed
        if found.removed > queue * GONE:
            raise ChangesError(
                f"{found.campaign}: {found.removed} of {queue} queued recipients are gone from the "
                "prospects file, or not selected any more",
                "run with --accept-changes if that is meant: they will not be written to",
            )


def _difference(entry: Entry) -> str:
    planned, known = entry.planned, entry.known
    assert known is not None
    lines = [f"  {planned.recipient} (row {planned.row})"]
    if known.sender != planned.sender:
        lines.append(f"    sender {known.sender} -> {planned.sender}")
    differences = difflib.ndiff(known.text.splitlines(), planned.text.splitlines())
    lines += [f"    {line}" for line in differences if line.startswith(("-", "+"))]
    return "\n".join(lines)
