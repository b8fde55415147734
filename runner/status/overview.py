"""How the campaigns of a ledger stand, as one look has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.clock import Clock
from runner.ledger import lanes
from runner.ledger.campaigns import registry, submissions
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.lanes import RunRow
from runner.ledger.ledger import Ledger
from runner.project.open import file_of
from runner.status.driver import is_alive, status_now
from runner.status.standing import Standing, standing_of
from runner.status.status import Status


@dataclass(frozen=True, slots=True)
class Seen:
    """A campaign. `workers`: whether it was handed to them; `path`: its file."""

    row: CampaignRow
    status: Status
    workers: bool
    path: str


@dataclass(frozen=True, slots=True)
class All:
    """All campaigns, and the last run in words."""

    campaigns: list[Seen]
    last_run: RunRow | None
    alive: bool | None


def seen(clock: Clock) -> Callable[[Ledger], All]:
    """A look at all campaigns."""

    def look(ledger: Ledger) -> All:
        with ledger.reading() as connection:
            last = lanes.last_run(connection)
            found = []
            for row in registry.campaigns(connection):
                workers = submissions.is_submitted(connection, row.id)
                status = status_now(connection, row, clock.now())
                found.append(Seen(row, status, workers, str(file_of(ledger, row))))
            return All(found, last, is_alive(last))

    return look


def standings_of(clock: Clock) -> Callable[[Ledger], dict[int, Standing]]:
    """A look at when each will be done: that is reckoned from its file, and may take long."""

    def look(ledger: Ledger) -> dict[int, Standing]:
        rows = ledger.read(registry.campaigns)
        return {row.id: standing_of(ledger, row, None, clock) for row in rows}

    return look
