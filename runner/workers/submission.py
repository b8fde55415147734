"""`submit`: campaigns are planned here, where their files are, and driven by workers anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psycopg
from procrastinate.exceptions import ConnectorException

from runner.campaign.loader import load_campaign
from runner.campaign.yaml_document import read_text
from runner.control.campaigns import user
from runner.errors import ChangesError, LaneHeld, UsageError
from runner.ledger.campaigns import bound_team, submissions
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import decisions
from runner.planning.draft import Draft, make_draft
from runner.project.campaign_files import refuse_same
from runner.project.ledgers.ledger_location import ledger_location
from runner.run.preparation.options import Options, Surroundings
from runner.run.preparation.prepare import Steps, hold_lanes, prepare
from runner.run.preparation.team import TeamCampaigns
from runner.workers import engine
from runner.workers.worker import refuse_other_version


def submit(
    paths: Sequence[Path], options: Options, around: Surroundings, start: str = ""
) -> list[str]:
    """Plan campaigns into a shared ledger and hand their lanes to workers. Returns the campaigns'
    names, none when a person declined. `start`: instead of the files' own.

    Raises RunnerError for what a person has to see to before anything can be sent.
    """
    campaigns = [load_campaign(path, start=start) for path in paths]
    refuse_same(campaigns)
    location = shared_location(ledger_location(options.state, around.environ, campaigns, live=True))
    draft = partial(make_draft, new_campaign=options.new_campaign, rest_with=options.rest_with)
    steps = Steps(draft, _open_for_workers, _hold_against_workers)
    with prepare(campaigns, location, options, around, steps) as run:
        if run is None or not run.plan():
            return []
        for team in run.teams:
            for each in team.drafts:
                _hand_in(each, team, run.ledger, start, around.clock.now())
        teams = run.teams
    try:
        asyncio.run(_wake_workers(location, teams))
    except (ConnectorException, psycopg.Error) as error:
        why = engine.error_text(error, location)
        around.tell(f"the workers could not be notified: {why}; they notice by themselves")
    return [campaign.name for campaign in run.campaigns]


def shared_location(location: str) -> str:
    """Return the location of a ledger that several machines can share. Raises UsageError for any
    other."""
    if not location.startswith("postgresql+psycopg://"):
        raise UsageError(
            "workers share a ledger on PostgreSQL, and this is not one",
            "name one: --state postgresql+psycopg://…, or RUN_CAMPAIGN_STATE "
            "(run-campaign db move brings a file's campaigns there)",
        )
    return location


@contextmanager
def _open_for_workers(location: str) -> Iterator[Ledger]:
    with open_ledger(location) as ledger:
        refuse_other_version(ledger)
        yield ledger


def _hold_against_workers(
    held: ExitStack,
    ledger: Ledger,
    teams: Sequence[TeamCampaigns],
    around: Surroundings,
    *,
    wait: bool,
) -> None:
    """Keep workers out while the plan changes what they would send. One that drives the lane now
    hands it on within seconds, which is always waited for; until then it obeys the lists."""
    for team in teams:
        for draft in team.drafts:
            if draft.id is not None:
                ledger.write(decisions.skip_listed, draft.id, dict(draft.suppressed))
    try:
        hold_lanes(held, ledger, teams, around, wait=wait)
    except LaneHeld as error:
        around.tell(f"{error}; the plan waits for it")
        hold_lanes(held, ledger, teams, around, wait=True)


def _hand_in(draft: Draft, team: TeamCampaigns, ledger: Ledger, start: str, at: float) -> None:
    campaign = draft.campaign
    for path, text in campaign.files:
        if read_text(path) != text:
            raise ChangesError(
                f"{path} was edited while it was handed in", "run the same command again"
            )
    assert draft.id is not None
    ledger.write(bound_team.bind, draft.id, team.origin, team.id)
    ledger.write(
        submissions.submit,
        campaign.name,
        lane_id=team.lane_id,
        token_env=campaign.api.token_env,
        path=str(campaign.path.resolve()),
        file=campaign.whole_text,
        start=start,
        suppressed=draft.suppressed,
        at=at,
        by=user(),
    )


async def _wake_workers(location: str, teams: Sequence[TeamCampaigns]) -> None:
    """Tell the engine at once, instead of waiting until a worker looks."""
    app = engine.open_app(location)
    async with app.open_async():
        for team in teams:
            await engine.queue_lane(app, team.lane_id, team.drafts[0].campaign.api.token_env)
