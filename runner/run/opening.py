"""Opening what a command is about: campaign files, and what the ledger knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.campaign import Campaign, load_campaign
from runner.clock import SystemClock
from runner.errors import RunnerError, UsageError
from runner.ledger import Ledger, planning
from runner.ledger.planning import CampaignRow
from runner.run.memory import may_change
from runner.run.places import ledger_location, open_existing


def load(paths: Sequence[Path]) -> list[Campaign]:
    """Load campaign files; two of one name, or one file twice, are refused."""
    campaigns = [load_campaign(path) for path in paths]
    seen: dict[str, Path] = {}
    for campaign in campaigns:
        if campaign.name in seen:
            raise UsageError(
                f"{campaign.path} and {seen[campaign.name]} are both campaign {campaign.name}",
                "name each once, or give one another `name:`",
            )
        seen[campaign.name] = campaign.path
    return campaigns


@contextmanager
def opened(
    path: Path,
    state: str | None,
    environ: Mapping[str, str],
    *,
    read_only: bool = True,
    accept_old_ledger: bool = False,
) -> Iterator[tuple[Ledger, CampaignRow]]:
    """A campaign's ledger, which must be there, and its row in it. Raises OldLedger when it is to
    be changed and is an old copy, unless that is to be accepted."""
    campaign = load([path])[0]
    location = ledger_location(state, environ, [campaign], live=False)
    with open_existing(location, read_only=read_only) as ledger:
        row = require(ledger.read(planning.find_campaign, campaign.name), campaign.name, ledger)
        if not read_only:
            at = SystemClock().now()
            may_change(ledger, environ, at, accept=accept_old_ledger, names=[row.name])
        yield ledger, row


def require(row: CampaignRow | None, name: str, ledger: Ledger) -> CampaignRow:
    """The campaign's row, or a clear word that this ledger has none."""
    if row is None:
        known = ", ".join(other.name for other in ledger.read(planning.campaigns)) or "none"
        raise RunnerError(
            f"campaign {name} is not in the ledger {ledger.place} (it knows: {known})",
            "run it first, or name its ledger with --state",
        )
    return row
