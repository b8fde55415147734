"""Changes that a plan makes to what was planned before, refused until they are accepted."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from runner.errors import ChangesError
from runner.formats import counted, duration, number
from runner.message.plan import Entry
from runner.message.status import MessageStatus
from runner.planning.preview import Preview

_S = MessageStatus

GONE = 0.2
"""More than this share of the queue gone from the file is taken for a mistake until accepted."""


def refuse_changes(previews: Sequence[Preview]) -> None:
    """Raise ChangesError if a person has to look at what changed first."""
    for found in previews:
        if found.changed:
            shown = "\n".join(_difference(entry) for entry in found.changes)
            more = found.changed - len(found.changes)
            are = "is" if found.changed == 1 else "are"
            raise ChangesError(
                f"{found.campaign}: {counted(found.changed, 'message')} that {are} not sent yet "
                "would change:\n"
                f"{shown}" + (f"\n… and {more} more" if more else ""),
                "run with --accept-changes to send the new texts; sent messages never change",
            )
        refuse_step_changes(found)
        queue = found.queued_seen + found.removed
        if found.removed > queue * GONE:
            raise ChangesError(
                f"{found.campaign}: {number(found.removed)} of "
                f"{counted(queue, 'queued recipient')} "
                f"{'is' if found.removed == 1 else 'are'} gone from the prospects file, or not "
                "selected any more",
                "run with --accept-changes if that is meant: they will not be written to",
            )


def refuse_step_changes(found: Preview) -> None:
    """Raise ChangesError if steps were added for people who are past their place already, or taken
    away from people who have them to come."""
    told = [
        f"step {name} is new, and would go to {_people(each.added)} written to already: "
        f"{number(each.added - each.added_late)} before it, {number(each.added_late)} who have had "
        f"the message before it; past it, and not to get it: {number(each.passed)}"
        for name, each in found.steps.items()
        if each.added
    ]
    told += [
        f"step {each.name} is gone from the file, and {_people(each.to_come)} would not get it: "
        f"{number(each.counts[_S.WAITING])} before it, {number(each.counts[_S.QUEUED])} in it "
        f"(their time is running); past it: {number(each.counts[_S.SENT])}"
        for each in found.steps_removed
    ]
    told += [
        f"step {name} has another place: it would come after another step to "
        f"{_people(each.reordered)}"
        for name, each in found.steps.items()
        if each.reordered
    ]
    if told:
        raise ChangesError(
            f"{found.campaign}: its steps have changed:\n"
            + "\n".join(f"  {each}" for each in told),
            "run with --accept-changes if that is meant; nobody gets a step of one name twice",
        )


def moved_texts(found: Preview) -> list[str]:
    """Return for which steps another time is told now, and to how many people that have them to
    come."""
    return [
        f"step {name} comes {duration(each.after)} after the message before it now, not "
        f"{duration(each.moved_from)}: for {_people(each.moved)} with it to come"
        for name, each in found.steps.items()
        if each.moved
    ]


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{number(count)} people"


def _difference(entry: Entry) -> str:
    planned, known = entry.planned, entry.known
    assert known is not None
    lines = [f"  {planned.recipient} (row {planned.row})"]
    if known.sender != planned.sender:
        lines.append(f"    sender {known.sender} -> {planned.sender}")
    differences = difflib.ndiff(known.text.splitlines(), planned.text.splitlines())
    lines += [f"    {line}" for line in differences if line.startswith(("-", "+"))]
    return "\n".join(lines)
