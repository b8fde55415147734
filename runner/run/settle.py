"""`resolve` by asking the API: what is in doubt is settled, and nothing new is sent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from runner.audience.lists.suppression import refuse_errors
from runner.campaign.schema import Campaign
from runner.ledger.ledger import Ledger
from runner.planning.draft import Draft, make_draft
from runner.project.campaign_files import load
from runner.project.ledgers.ledger_location import ledger_location, open_existing
from runner.project.open import require
from runner.run.exit_code import RunResult
from runner.run.preparation.options import Options, Surroundings
from runner.run.preparation.prepare import Steps, prepare
from runner.run.run import drive

SETTLING_IDLE = 600.0
"""Seconds that settling waits for a campaign's schedule to open."""


def settle_now(path: Path, options: Options, around: Surroundings) -> RunResult:
    """Ask the API about what is in doubt, and send nothing new. Nothing is planned."""
    campaigns = load([path])
    location = ledger_location(options.state, around.environ, campaigns, live=False)
    steps = Steps(_known_draft, partial(open_existing, read_only=False), plans=False)
    settling = replace(options, sends=False, idle_after=SETTLING_IDLE)
    with prepare(campaigns, location, settling, around, steps) as run:
        assert run is not None
        return drive(run)


def _known_draft(campaign: Campaign, ledger: Ledger) -> Draft:
    draft = make_draft(campaign, ledger)
    refuse_errors(draft.audience.lists)
    require(draft.row, campaign.name, ledger)
    return draft
