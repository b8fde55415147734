"""Settling what is in doubt by asking the API, without sending anything new."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from runner.audience.suppression import refuse_errors
from runner.planning.draft import make_draft
from runner.project.campaign_files import load
from runner.project.credentials import read_token
from runner.project.ledger_location import ledger_location, open_existing
from runner.project.open import require
from runner.run.options import Options, Surroundings
from runner.run.permission import that_may_run
from runner.run.prepare import hold_lanes, remembering
from runner.run.run import RunResult, drive
from runner.run.team import meet

PATIENCE = 600.0
"""Seconds that settling by hand waits for a campaign's schedule."""


def settle_now(path: Path, options: Options, around: Surroundings) -> RunResult:
    """Ask the API about what is in doubt, and send nothing new. Nothing is planned."""
    campaign = load([path])[0]
    location = ledger_location(options.state, around.environ, [campaign], live=False)
    token = read_token(campaign, around.environ, location)
    with ExitStack() as held, open_existing(location, read_only=False) as ledger:
        memory = remembering(ledger, options, around, [campaign])
        that_may_run(ledger, [campaign], around.bus, around.clock.now())
        draft = make_draft(campaign, ledger)
        refuse_errors(draft.audience.lists)
        require(draft.row, campaign.name, ledger)
        tokens = {campaign.name: token}
        crews = asyncio.run(meet([draft], tokens, ledger, around.clock, around.bus))
        hold_lanes(held, ledger, crews, options.wait, around.clock)
        that_may_run(ledger, [campaign], around.bus, around.clock.now())
        now_only = replace(options, sends=False, idle_after=PATIENCE)
        return drive(crews, ledger, now_only, around, memory)
