"""The campaign files that a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.errors import UsageError
from runner.ledger.campaigns import submissions
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger


def load(paths: Sequence[Path]) -> list[Campaign]:
    """Load campaign files; two of one name, or one file twice, are refused."""
    campaigns = [load_campaign(path) for path in paths]
    refuse_same(campaigns)
    return campaigns


def refuse_same(campaigns: Sequence[Campaign]) -> None:
    """Raise UsageError for two campaigns of one name, or one file twice."""
    seen: dict[str, Path] = {}
    for campaign in campaigns:
        if campaign.name in seen:
            raise UsageError(
                f"{campaign.path} and {seen[campaign.name]} are both campaign {campaign.name}",
                "name each once, or give one another `name:`",
            )
        seen[campaign.name] = campaign.path


def campaign_of(ledger: Ledger, row: CampaignRow, path: Path) -> Campaign:
    """Return a campaign as its file is now; if workers have it, as it was when it was handed in."""
    handed = ledger.read(submissions.find, row.id)
    if handed is not None:
        return load_campaign(Path(handed.path), handed.file, handed.start)
    return load_campaign(path)
