"""`replies`: what people have answered is read now, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.channels.base import Conversations, UnreadableFeed
from runner.clock import Clock
from runner.errors import RunnerError
from runner.events import EventBus
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.messages import feeds
from runner.ledger.rehearsals import lane_name
from runner.project.credentials import read_token
from runner.project.ledgers.ledger_location import ledger_location
from runner.replies.opt_out import Said, read
from runner.run.preparation.team import count_requests, metered_channel, reply_settings
from runner.sending.inbox.reply_reader import ReplyReader
from runner.sending.meter import RequestMeter

THREADS_AT_ONCE = 100
"""Threads that are read back before what was asked is counted in the ledger."""


class ReplySource(NamedTuple):
    """The campaign whose team is asked: by its file and its row, with the `state` that a command
    named."""

    path: Path
    state: str | None
    environ: Mapping[str, str]
    ledger: Ledger
    row: CampaignRow
    clock: Clock
    bus: EventBus


def read_replies(source: ReplySource) -> None:
    """Read what a campaign's team has received since the last time, within the team's limits.
    Raises RunnerError where it cannot be read; what was read until then counts."""
    asyncio.run(_read(source))


async def _read(source: ReplySource) -> None:
    ledger, row = source.ledger, source.row
    async with _asking(source) as (campaign, told, meter):
        assert row.lane is not None
        reader = ReplyReader(
            ledger,
            row.lane,
            told,
            source.clock,
            reply_settings(campaign),
            tell=source.bus.emit,
        )
        left = -1
        while True:
            await reader.read(THREADS_AT_ONCE)
            count_requests(ledger, row.lane, meter.early)
            meter.early.clear()
            before, left = left, ledger.read(feeds.count_to_read_back, row.lane)
            if left in (0, before):
                return


def reread(source: ReplySource, ids: list[str], stop: list[str]) -> dict[str, Said]:
    """Read these messages once more, and return what each would say with the phrases of `stop` too.
    Nothing is changed. One that is gone is left out."""

    async def ask() -> dict[str, Said]:
        async with _asking(source) as (campaign, told, _):
            found: dict[str, Said] = {}
            for id in ids:
                if (text := await told.text(id)) is not None and not text.ours:
                    found[id] = read(text.text, [*campaign.replies.stop, *stop])
            return found

    return asyncio.run(ask())


@asynccontextmanager
async def _asking(
    source: ReplySource,
) -> AsyncIterator[tuple[Campaign, Conversations, RequestMeter]]:
    """Open a way to ask the team of a campaign, whose requests are counted in the end."""
    path, state, environ, ledger, row, clock, bus = source
    campaign = load_campaign(path)
    if row.lane is None:
        raise RunnerError(f"{row.name} has written to nobody yet", "run it first")
    token = read_token(campaign, environ, ledger_location(state, environ, [campaign], live=False))
    channel, meter = metered_channel(campaign, token, clock, bus, ledger, row)
    try:
        if channel.conversations is None:
            raise RunnerError(
                f"{path}: replies are not read on {campaign.api.version}",
                "set api.version: v2; v1 is announced to stop on 2026-12-03",
            )
        team = await channel.team()
        if lane_name(team.id, rehearsal=row.rehearsal) != row.lane:
            raise RunnerError(
                f"{path}: the token is of another team, {team.name}, than the campaign was sent "
                "with",
                f"set {campaign.api.token_env} to that team's token",
            )
        yield campaign, channel.conversations, meter
    except UnreadableFeed as error:
        raise RunnerError(f"replies cannot be read: {error}", "try again in a minute") from None
    finally:
        await channel.close()
        count_requests(ledger, row.lane, meter.early)
