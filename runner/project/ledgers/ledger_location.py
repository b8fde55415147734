"""The ledger's location: said, or found."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from runner.errors import LedgerError, RunnerError, UsageError
from runner.ledger.campaigns import registry
from runner.ledger.engine import ledger_url
from runner.ledger.ledger import Ledger, open_ledger


class Named(Protocol):
    """A campaign, as far as its ledger is found by it."""

    @property
    def name(self) -> str: ...

    @property
    def project_dir(self) -> Path: ...


LEDGER_NAME = "state.db"
STATE_VARIABLE = "RUN_CAMPAIGN_STATE"


def ledger_location(
    state: str | None, environ: Mapping[str, str], campaigns: Sequence[Named], *, live: bool
) -> str:
    """Return where the ledger of these campaigns lies: `--state`, else the environment, else
    `state.db` in their project. A live run in CI must say it, for a checkout is a ledger that is
    lost."""
    said = state or environ.get(STATE_VARIABLE)
    if said:
        return said
    if live and environ.get("CI"):
        raise UsageError(
            "CI is set, and a ledger in a checkout is lost with it: whom it wrote to would be "
            "written to again",
            f"name a ledger that is kept: --state, or {STATE_VARIABLE}",
        )
    places = {str(campaign.project_dir / LEDGER_NAME) for campaign in campaigns}
    if len(places) > 1:
        raise UsageError(
            f"these campaigns have ledgers of their own: {', '.join(sorted(places))}",
            "run them one by one, or name one ledger with --state",
        )
    place = Path(places.pop())
    if not place.exists():
        _refuse_ledger_above(place, campaigns)
    return str(place)


def _refuse_ledger_above(place: Path, campaigns: Sequence[Named]) -> None:
    """Raise UsageError if a ledger would begin at `place` though one in a folder above knows a
    campaign: its file was moved, and everybody would be written to again."""
    for folder in place.parent.parents:
        above = folder / LEDGER_NAME
        if not above.is_file():
            continue
        with contextlib.suppress(LedgerError), open_ledger(str(above), read_only=True) as ledger:
            for campaign in campaigns:
                if ledger.read(registry.find_campaign, campaign.name) is not None:
                    raise UsageError(
                        f"there is no ledger at {place}, but {above} knows campaign "
                        f"{campaign.name}: its people would be written to again",
                        f"go on with --state {above}, or start a new ledger with --state {place}",
                    )


def ledger_upward(state: str | None, environ: Mapping[str, str], folder: Path) -> str:
    """Return where the ledger of a command without a campaign file lies: said, or the nearest
    `state.db` upward. Raises UsageError for none."""
    said = state or environ.get(STATE_VARIABLE)
    if said:
        return said
    for place in (folder, *folder.parents):
        if (place / LEDGER_NAME).is_file():
            return str(place / LEDGER_NAME)
    raise UsageError(
        f"no {LEDGER_NAME} here or in a folder above", "name a campaign file, or --state PATH"
    )


def open_existing(location: str, *, read_only: bool = True, even_moved: bool = False) -> Ledger:
    """Open the ledger at `location`; unlike `open_ledger` this never makes one."""
    return open_ledger(require_ledger(location), read_only=read_only, even_moved=even_moved)


def require_ledger(location: str) -> str:
    """Return `location`, if there may be a ledger. Raises RunnerError if there is none."""
    ledger_url(location)  # or refused, without being shown
    if "://" not in location and not Path(location).exists():
        raise RunnerError(f"no ledger at {location}", "run the campaign first, or name it: --state")
    return location
