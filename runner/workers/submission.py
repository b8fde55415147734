"""Handing campaigns to workers: planned here, where their files are, and driven anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg
from procrastinate.exceptions import ConnectorException

from runner.campaign.loader import load_campaign
from runner.campaign.yaml_document import read_text
from runner.control.campaigns import user
from runner.errors import ChangesError, LaneHeld, UsageError
from runner.events import Notice
from runner.ledger.campaigns import registry, submissions
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import decisions
from runner.planning.draft import Draft, make_draft
from runner.planning.start import agreed_to_start_late
from runner.project.campaign_files import refuse_same
from runner.project.credentials import read_token
from runner.project.ledger_location import ledger_location
from runner.run import prepare
from runner.run.options import Options, Surroundings
from runner.run.permission import go_on_after_guard, that_may_run
from runner.run.review import reviewed
from runner.run.team import Crew, meet
from runner.workers import engine
from runner.workers.worker import refuse_other_version


def submit(
    paths: Sequence[Path], options: Options, around: Surroundings, start: str = ""
) -> list[str]:
    """Plan campaigns into a shared ledger and hand their lanes to workers; the campaigns' names,
    none when a person declined. `start`: instead of the files' own.

    Raises RunnerError for whatever a person has to see to before anything can be sent.
    """
    now = around.clock.now
    texts = {path: read_text(path) for path in paths}
    campaigns = [load_campaign(path, texts[path], start) for path in paths]
    refuse_same(campaigns)
    location = shared_location(ledger_location(options.state, around.environ, campaigns, live=True))
    tokens = {c.name: read_token(c, around.environ, location) for c in campaigns}
    with ExitStack() as held, open_ledger(location) as ledger:
        refuse_other_version(ledger)
        prepare.remembering(ledger, options, around, campaigns)
        campaigns = that_may_run(ledger, campaigns, around.bus, now())
        drafts = [make_draft(c, ledger, new_campaign=options.new_campaign) for c in campaigns]
        prepare.warn(drafts, around)
        if not agreed_to_start_late(drafts, ledger, now(), yes=options.yes, confirm=around.confirm):
            return []
        if not reviewed(drafts, ledger, options, around):
            return []
        crews = asyncio.run(meet(drafts, tokens, ledger, around.clock, around.bus))
        for draft in drafts:  # a worker may be sending now, and hands its lane on in a minute
            if draft.id is not None:
                ledger.write(decisions.skip_listed, draft.id, dict(draft.suppressed))
        _hold(held, ledger, crews, around)
        prepare.draft_again(crews, ledger, options)
        rows = [draft.row for crew in crews for draft in crew.drafts if draft.row is not None]
        go_on_after_guard(ledger, rows, around.bus, now())
        if around.ask is not None and not prepare.agreed(crews, ledger, options, around):
            return []
        prepare.plan(crews, ledger, options, around)
        for crew in crews:
            for draft in crew.drafts:
                _write_down(draft, crew, ledger, texts[draft.campaign.path], start, now())
    try:
        asyncio.run(_call(location, crews))
    except (ConnectorException, psycopg.Error) as error:
        said = engine.in_words(error, location)
        told = f"the workers were not told: {said}; they find out by themselves"
        around.bus.emit(Notice(around.clock.now(), told))
    return [campaign.name for campaign in campaigns]


def shared_location(location: str) -> str:
    """A ledger that several machines can share. Raises UsageError for any other."""
    if not location.startswith("postgresql+psycopg://"):
        raise UsageError(
            "workers share a ledger on PostgreSQL, and this is none",
            "name one: --state postgresql+psycopg://…, or RUN_CAMPAIGN_STATE "
            "(run-campaign db move brings a file's campaigns there)",
        )
    return location


def _hold(held: ExitStack, ledger: Ledger, crews: Sequence[Crew], around: Surroundings) -> None:
    """Keep workers out while the plan changes what they would send. One that drives the lane now
    hands it on within a minute."""
    try:
        prepare.hold_lanes(held, ledger, crews, False, around.clock)
    except LaneHeld as error:
        told = f"{error}; the plan waits for it"
        around.bus.emit(Notice(around.clock.now(), told))
        prepare.hold_lanes(held, ledger, crews, True, around.clock)


def _write_down(draft: Draft, crew: Crew, ledger: Ledger, text: str, start: str, at: float) -> None:
    campaign = draft.campaign
    if read_text(campaign.path) != text:
        raise ChangesError(
            f"{campaign.path} was edited while it was handed in", "run the same command again"
        )
    assert draft.id is not None
    ledger.write(registry.bind, draft.id, crew.origin, crew.team)
    ledger.write(
        submissions.submit,
        campaign.name,
        lane_id=crew.lane_id,
        token_env=campaign.api.token_env,
        path=str(campaign.path.resolve()),
        file=text,
        start=start,
        suppressed=draft.suppressed,
        at=at,
        by=user(),
    )


async def _call(location: str, crews: Sequence[Crew]) -> None:
    """Tell the engine at once."""
    app = engine.open_app(location)
    async with app.open_async():
        for crew in crews:
            await engine.hand_over(app, crew.lane_id, crew.drafts[0].campaign.api.token_env)
