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
        refuse_step_changes(found)
        queue = found.queued_seen + found.removed
        if found.removed > queue * GONE:
            raise ChangesError(
                f"{found.campaign}: {found.removed} of {queue} queued recipients are gone from the "
                "prospects file, or not selected any more",
                "run with --accept-changes if that is meant: they will not be written to",
            )


def refuse_step_changes(found: Preview) -> None:
    """Raise ChangesError if steps were added for people who are past their place already, or taken
    away from people who have them to come."""
    told = [
        f"step {name} is new: {each.added} people whose message before it is sent would get it"
        for name, each in found.steps.items()
        if each.added
    ]
    told += [
        f"step {name} is gone from the file: {count} people have it to come, and would not get it"
        for name, count in found.steps_removed.items()
    ]
    if told:
        raise ChangesError(
            f"{found.campaign}: its steps have changed:\n"
            + "\n".join(f"  {each}" for each in told),
            "run with --accept-changes if that is meant; nobody gets a step of one name twice",
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
