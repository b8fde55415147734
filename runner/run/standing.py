"""How campaigns stand, without reading their prospects: for `status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.campaign import Campaign
from runner.clock import Clock
from runner.errors import RunnerError
from runner.forecast import Forecast
from runner.ledger import Ledger, history, moved, planning
from runner.ledger.history import RunRow
from runner.ledger.planning import CampaignRow
from runner.pacing.steady import Steady
from runner.report import Status
from runner.run.driver import is_alive, status_now
from runner.run.finish import allowed, pace_of, when_done
from runner.run.hours import hours_of
from runner.run.opening import campaign_of, file_of, location_of, row_of
from runner.run.places import ledger_upward, open_existing
from runner.schedule import next_open


@dataclass(frozen=True, slots=True)
class Standing:
    """A campaign's status, its file, when it would be done, and what its next message waits for now
    (`binds_now`, empty for nothing, until `next_at` in Unix seconds), and how fast its limits let
    it go; `forecast` and `allowed` are None when nothing is queued, something stops it, or the
    campaign file cannot be read any more."""

    status: Status
    path: str
    forecast: Forecast | None
    binds_now: str = ""
    next_at: float | None = None
    allowed: Steady | None = None


@dataclass(frozen=True, slots=True)
class Standings:
    """What a ledger says. `alive`: whether the last run lives; None when another host knows."""

    place: str
    moved: str  # whither the ledger has moved; empty if it has not
    campaigns: list[Standing]
    last_run: RunRow | None
    alive: bool | None


@dataclass(frozen=True, slots=True)
class Paced:
    """A campaign and what the ledger knows of it."""

    campaign: Campaign
    row: CampaignRow | None


def standings(
    path: Path | None, state: str | None, environ: Mapping[str, str], folder: Path, clock: Clock
) -> Standings:
    """Of the campaign at `path`, or of all in the ledger found upward from `folder`."""
    if path is not None:
        location = location_of(path, state, environ)
    else:
        location = ledger_upward(state, environ, folder)
    with open_existing(location) as ledger:
        rows = ledger.read(planning.campaigns) if path is None else [row_of(path, ledger)]
        told = [standing_of(ledger, row, path, clock) for row in rows]
        last = ledger.read(history.last_run)
        mark = ledger.read(moved.mark_of)
        return Standings(ledger.place, str(mark or ""), told, last, is_alive(last))


def standing_of(
    ledger: Ledger,
    row: CampaignRow,
    path: Path | None,
    clock: Clock,
    status: Status | None = None,
) -> Standing:
    """How one campaign stands. `path`: its file, where it is known better than by the ledger;
    `status`: where that has been looked at."""
    status = status or ledger.read(status_now, row, clock.now())
    told: Forecast | None = None
    binds_now = ""
    next_at: float | None = None
    file = path or file_of(ledger, row)
    most: Steady | None = None
    if status.waiting and status.brake is None:
        try:
            paced = Paced(campaign_of(ledger, row, file), row)
            pacer, now = pace_of([paced], ledger, clock), clock.boot()
            senders = {each.sender for each in status.waiting}
            most = allowed([paced.campaign])
            ready = pacer.soonest(sorted(senders), now)
            if ready.at > now:
                binds_now, next_at = ready.binds, clock.now() + ready.at - now
            if hours := hours_of(paced):
                wall = clock.now()
                zones = {each.zone for each in status.waiting}
                opens = min(next_open(hours, zone, wall) for zone in zones)
                if opens > (next_at or wall):
                    binds_now, next_at = "the schedule", opens
            told = when_done([(paced, status.waiting)], ledger, clock)
        except (RunnerError, OSError):
            told = None  # the file is gone or broken; what the ledger says is still true
    return Standing(status, str(file), told, binds_now, next_at, most)
