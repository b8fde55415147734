"""The table of a rehearsal by day: what the sandbox accepted and received, and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from runner.formats import number
from runner.ledger.campaigns import registry
from runner.ledger.ledger import open_ledger
from runner.ledger.queries import replied, totals
from runner.sandbox.judgement import doubled, happenings, written_after_answer
from runner.sandbox.store import Store

DAY = 86400.0
WAITING = ("queued", "waiting")
DOUBTFUL = ("sending", "in_doubt")


def at_text(at: float, zone: str) -> str:
    """Return a moment as `Mon 2026-11-30 17:31`."""
    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"


@dataclass(slots=True)
class DayTable:
    """The days of a rehearsal, from `start` to `end` (Unix s); a day ends at midnight in `zone`."""

    store: Store
    state: str
    zone: str
    start: float
    end: float
    _waiting: dict[str, Counter[str]] = field(default_factory=dict)

    def day_of(self, at: float) -> str:
        """Return the day of a moment, as `2026-11-30`."""
        return f"{datetime.fromtimestamp(at, ZoneInfo(self.zone)):%Y-%m-%d}"

    def midnights(self) -> Iterator[float]:
        """Give the midnights between start and end."""
        zone = ZoneInfo(self.zone)
        day = datetime.fromtimestamp(self.start, zone).date()
        while True:
            day += timedelta(days=1)
            at = datetime.combine(day, time(), zone).timestamp()
            if at >= self.end:
                return
            yield at

    def count_waiting(self, at: float) -> None:
        """Count what the ledger has to send at a day's end, or later on a day that is not over."""
        if not Path(self.state).exists():
            return
        kinds: Counter[str] = Counter()
        with open_ledger(self.state, read_only=True) as ledger:
            for row in ledger.read(registry.campaigns):
                for status, count in ledger.read(totals.counts, row.id).items():
                    kinds["waiting"] += count if status in WAITING else 0
                    kinds["in doubt"] += count if status in DOUBTFUL else 0
        self._waiting[self.day_of(at - 0.001)] = kinds

    def counts_on(self, day: str) -> tuple[int, int]:
        """Return how many messages were accepted on a day, and how many people have answered."""
        on = Counter(each.kind for each in happenings(self.store) if self.day_of(each.at) == day)
        return on["first"] + on["later"], on["answered"]

    def faults(self) -> tuple[int, int]:
        """Return how many messages went to people who had answered, and how many went twice."""
        return len(written_after_answer(self.store)), len(doubled(self.store))

    def text(self, now: float) -> str:
        """Return the table up to now. Follow-ups and doubts have a column where there are any; days
        in a row on which nothing changed share a line."""
        by_day: dict[str, Counter[str]] = {}
        for each in happenings(self.store):
            by_day.setdefault(self.day_of(each.at), Counter())[each.kind] += 1
        for at in self._opt_outs():
            by_day.setdefault(self.day_of(at), Counter())["opted out"] += 1
        days = [self.day_of(at - 0.001) for at in self.midnights() if at < now]
        days.append(self.day_of(max(self.start, now - 0.001)))
        columns = {"first": "written to", "later": "follow-ups", "answered": "answered"}
        columns |= {"opted out": "opted out", "waiting": "waiting", "in doubt": "in doubt"}
        rows: list[tuple[str, Counter[str]]] = []
        total: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        quiet = ""  # the first of days in a row on which nothing changed
        for day in dict.fromkeys(days):
            before, waiting = waiting, self._waiting.get(day, waiting)
            happened = by_day.get(day, Counter())
            label = f"{datetime.fromisoformat(day):%a} {day}"
            if happened or waiting != before:
                quiet = ""
            elif quiet:
                rows.pop()
                label = f"{quiet} to {day[5:]}"
            else:
                quiet = label
            total += happened
            rows.append((label, happened | waiting))
        rows.append(("in all", total | waiting))
        some = [
            name
            for name in columns
            if name not in ("later", "in doubt") or any(row[name] for _, row in rows)
        ]
        return _aligned(
            [
                ["day", *(columns[name] for name in some)],
                *([day, *(number(row[name]) for name in some)] for day, row in rows),
            ]
        )

    def _opt_outs(self) -> Iterator[float]:
        """Give when people opted out, as the run has understood them."""
        if not Path(self.state).exists():
            return
        with open_ledger(self.state, read_only=True) as ledger:
            for row in ledger.read(registry.campaigns):
                for each in ledger.read(replied.replied, row.id):
                    if each.out_at is not None:
                        yield each.out_at


def _aligned(rows: list[list[str]]) -> str:
    """Return rows as columns: the first to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  " + "  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
