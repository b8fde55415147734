"""The messages of one person in order, each with the date before which it does not go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from runner.clock import iso
from runner.message.plan import Entry, PlannedMessage
from runner.schedule import Hours, next_open


class DatedMessage(NamedTuple):
    """A message of a sequence. `at`: it goes then at the earliest (Unix s), infinity for never;
    `zone`: by whose clock the date is told, empty for
    this machine's."""

    planned: PlannedMessage
    at: float
    zone: str

    @property
    def date(self) -> str:
        """Return its date and time in words."""
        if self.at == float("inf"):
            return "never: the schedule does not open within two years"
        then = datetime.fromtimestamp(self.at, ZoneInfo(self.zone) if self.zone else None)
        return f"{then:%a %Y-%m-%d %H:%M}" + (f" ({self.zone})" if self.zone else "")

    def as_json(self) -> dict[str, Any]:
        """Return the public form, whose names stay."""
        planned = self.planned
        return {
            "step": planned.step,
            "not_before": iso(self.at) or None if self.at < float("inf") else None,
            "content": planned.text,
            "reason": str(planned.skip or ""),
        }


def sequence(
    first: PlannedMessage, later: Sequence[Entry], hours: Hours | None, begins: float
) -> Iterator[DatedMessage]:
    """Yield a person's messages, if they never answer. `begins`: when the first of the campaign may
    go (Unix s). Those that are skipped have the date that they would have."""
    zone = first.zone or (hours.zone if hours else "")
    at = begins
    for planned in (first, *(entry.planned for entry in later)):
        at += planned.after
        if hours is not None:
            at = next_open(hours, first.zone, at)
        yield DatedMessage(planned, at, zone)
