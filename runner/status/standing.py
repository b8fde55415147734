"""How campaigns stand, without reading their prospects: for `status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.clock import Clock
from runner.errors import RunnerError
from runner.ledger import lanes, moved_mark
from runner.ledger.campaigns import registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.lanes import RunRow
from runner.ledger.ledger import Ledger
from runner.project.ledger_location import ledger_upward, open_existing
from runner.project.open import file_of, location_of, row_of
from runner.status.driver import is_alive, status_now
from runner.status.status import Status

if TYPE_CHECKING:
    from runner.pacing.capacity import SustainedRate
    from runner.pacing.forecast import Forecast


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
    allowed: SustainedRate | None = None


@dataclass(frozen=True, slots=True)
class Standings:
    """What a ledger says. `alive`: whether the last run lives; None when another host knows."""

    place: str
    moved: str  # whither the ledger has moved; empty if it has not
    campaigns: list[Standing]
    last_run: RunRow | None
    alive: bool | None


def standings(
    path: Path | None, state: str | None, environ: Mapping[str, str], folder: Path, clock: Clock
) -> Standings:
    """Of the campaign at `path`, or of all in the ledger found upward from `folder`."""
    if path is not None:
        location = location_of(path, state, environ)
    else:
        location = ledger_upward(state, environ, folder)
    with open_existing(location) as ledger:
        rows = ledger.read(registry.campaigns) if path is None else [row_of(path, ledger)]
        told = [standing_of(ledger, row, path, clock) for row in rows]
        last = ledger.read(lanes.last_run)
        mark = ledger.read(moved_mark.read_mark)
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
    file = path or file_of(ledger, row)
    if not status.waiting or status.brake is not None:
        return Standing(status, str(file), None)
    # Loads all that campaign files and limits need, which takes longer than the ledger's answer.
    from runner.status.outlook import outlook_of

    try:
        found = outlook_of(ledger, row, file, status, clock)
    except (RunnerError, OSError):
        # The file is gone or broken; what the ledger says is still true.
        return Standing(status, str(file), None)
    return Standing(
        status, str(file), found.forecast, found.binds_now, found.next_at, found.allowed
    )
