"""How the campaigns of a ledger stand, as one look has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.clock import Clock
from runner.ledger import Ledger, brakes, history, planning, submissions
from runner.ledger.history import RunRow
from runner.ledger.planning import CampaignRow
from runner.report import Status, status_in
from runner.run.standing import Standing, file_of, is_alive, standing_of


@dataclass(frozen=True, slots=True)
class Seen:
    """A campaign. `driven`: who sends it now, in words, empty for nobody; `workers`: whether it was
    handed to them; `path`: its file."""

    row: CampaignRow
    status: Status
    driven: str
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
            last = history.last_run(connection)
            alive = is_alive(last)
            driven = {
                lane.lane: f"by a worker on {lane.host}"
                for lane in submissions.lane_rows(connection)
                if lane.driven
            }
            found = []
            for row in planning.campaigns(connection):
                by = driven.get(row.lane or "", "")
                workers = submissions.is_submitted(connection, row.id)
                if not by and not workers and row.lane and alive is not False and last:
                    heard = brakes.heard_by_driver(connection, row.lane, row.id)
                    by = "" if heard is None else f"by process {last.pid} on {last.host}"
                status = status_in(connection, row, clock.now())
                found.append(Seen(row, status, by, workers, str(file_of(ledger, row))))
            return All(found, last, alive)

    return look


def standings_of(clock: Clock) -> Callable[[Ledger], dict[int, Standing]]:
    """A look at when each will be done: that is reckoned from its file, and may take long."""

    def look(ledger: Ledger) -> dict[int, Standing]:
        rows = ledger.read(planning.campaigns)
        return {row.id: standing_of(ledger, row, None, clock) for row in rows}

    return look
