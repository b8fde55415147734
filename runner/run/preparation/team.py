"""Teams: their tokens and senders, as the API knows them, and their lanes."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from runner.channels.base import AccountLink, Channel, Platform, Token
from runner.channels.factory import connect, connect_people
from runner.clock import Clock
from runner.errors import RunnerError
from runner.events import EventBus, Notice
from runner.ledger import lanes, schema
from runner.ledger.campaigns import account_links, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.copies import staleness
from runner.ledger.ledger import Ledger
from runner.ledger.messages import usage
from runner.ledger.rehearsals import lane_name
from runner.message.account import AccountName
from runner.pacing.pacer import Pacer, lookup_spacing, make_pacer
from runner.planning.dates.eta import Scheduled, hours_of, zone_of
from runner.planning.draft import Draft, characters_key
from runner.replies.settings import ReplySettings
from runner.restored_pacer import restore_pacer
from runner.sending.controls.guard import GuardLimits
from runner.sending.controls.message_limit import MessageLimit
from runner.sending.drive import restore_limits
from runner.sending.inbox.acquaintance_check import AcquaintanceCheck
from runner.sending.inbox.tagger import Tagger
from runner.sending.lane import Lane, Settings
from runner.sending.meter import RequestMeter

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
    from runner.channels.v2.inbox_v2_people import PeopleV2


class Driven(Scheduled, Protocol):
    """A campaign that is planned, as its lane needs it."""

    @property
    def suppressed(self) -> Collection[str]: ...


@dataclass(slots=True)
class TeamCampaigns:
    """The campaigns of one team, and what the API says of their senders.

    `unfit`: senders that cannot send now, and why.
    """

    lane_id: str
    origin: str
    id: str
    token: Token
    drafts: list[Draft]
    unfit: dict[str, str]
    handles: dict[str, str] = field(default_factory=dict)  # account link: username
    server_ahead: float | None = None  # the server's clock less boot time, as last answered
    _channels: dict[tuple[str, str], Channel] = field(default_factory=dict)
    _people: list[PeopleV2] = field(default_factory=list)
    taggers: list[tuple[Lane, Tagger]] = field(default_factory=list)  # of the lane that is open

    @classmethod
    def of(cls, identity: TokenIdentity, token: Token) -> TeamCampaigns:
        """Return the team that a token is of, without campaigns yet."""
        team = (identity.lane_id, identity.origin, identity.team)
        return cls(*team, token, [], {}, server_ahead=identity.server_ahead)

    async def open_lane(
        self,
        driven: Sequence[Driven],
        ledger: Ledger,
        run: int,
        clock: Clock,
        bus: EventBus,
        *,
        only: Collection[str] = (),
        limit: MessageLimit | None = None,
        adopt: bool = False,
        idle_after: float | None = None,
        undisturbed: bool = False,
    ) -> Lane:
        """Take the lane: from here on every earlier owner is fenced, and its limits remember what
        was used of them."""
        campaigns = [each.campaign for each in driven]
        for campaign in campaigns:
            await asyncio.to_thread(_presume_sent, campaign, ledger, run)
        meter = RequestMeter(clock)
        timeout = max(campaign.retry.timeout for campaign in campaigns)
        concurrency = min(campaign.limits.concurrency for campaign in campaigns)
        versions = {campaign.api.version for campaign in campaigns}

        def tell(version: str, text: str) -> None:
            # Of a version that is only asked about what is in doubt from before the end is no news.
            if version in versions:
                bus.emit(Notice(clock.now(), text))

        def channel_for(version: str, base_url: str) -> Channel:
            if (version, base_url) not in self._channels:
                self._channels[version, base_url] = connect(
                    version,
                    base_url,
                    self.token,
                    clock,
                    timeout=timeout,
                    gate=meter.gate,
                    notice=partial(tell, version),
                    platform=campaigns[0].api.platform,
                    concurrency=concurrency,
                    server_ahead=self.server_ahead,
                    measures=bus.measures,
                )
            return self._channels[version, base_url]

        def people_of(campaign: Campaign) -> PeopleV2:
            people = connect_people(
                campaign.api.base_url,
                self.token,
                clock,
                timeout=timeout,
                gate=meter.gate,
                platform=campaign.api.platform,
                measures=bus.measures,
            )
            self._people.append(people)
            return people

        def check_for(campaign: Campaign) -> AcquaintanceCheck | None:
            rules, platform = campaign.skip_rules, campaign.api.platform
            if rules is None:
                return None
            return AcquaintanceCheck(people_of(campaign), rules, platform, self.handles)

        limits = [campaign.limits for campaign in campaigns]
        lane = Lane(
            id=self.lane_id,
            ledger=ledger,
            channel_for=channel_for,
            pacer=make_pacer(
                limits,
                [s for c in campaigns for s in c.senders],
                zone=zone_of(campaigns),
                jitter=random.random,
            ),
            clock=clock,
            bus=bus,
            run=run,
            epoch=await asyncio.to_thread(ledger.write, lanes.take_lane, self.lane_id, run),
            campaigns={
                each.row.id: replace(settings(each, ledger), acquaintances=check_for(each.campaign))
                for each in driven
                if each.row
            },
            concurrency=concurrency,
            timeout=timeout,
            only=only,
            limit=limit or MessageLimit(),
            adopt=adopt,
            idle_after=idle_after,
            undisturbed=undisturbed,
        )
        meter.lane = lane
        meter.spacing = lookup_spacing(
            min((each.per_minute for each in limits if each.per_minute is not None), default=None)
        )
        for each in driven:
            tag, per_minute = each.campaign.tag, each.campaign.limits.per_minute
            if tag is not None and each.row:
                people, name = people_of(each.campaign), each.campaign.name
                self.taggers.append((lane, Tagger(people, each.row.id, name, tag, per_minute)))
        for sender, why in self.unfit.items():
            lane.stops.stop_sender(sender, why)
        await restore_limits(lane)
        return lane

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        for people in self._people:
            await people.close()
        self._people.clear()
        self.taggers.clear()


def _presume_sent(campaign: Campaign, ledger: Ledger, run: int) -> None:
    """Put in doubt what an old copy of the ledger, which was accepted, may not know to be sent."""
    row = ledger.read(registry.find_campaign, campaign.name)
    assert row is not None
    ledger.write(staleness.presume, row, campaign.api.version, campaign.api.base_url, run)


def settings(driven: Driven, ledger: Ledger) -> Settings:
    """Return a lane's settings of a campaign."""
    campaign = driven.campaign
    accepted_at = ledger.read(staleness.accepted_at, campaign.name)
    return Settings(
        name=campaign.name,
        version=campaign.api.version,
        base_url=campaign.api.base_url,
        attempts=campaign.retry.attempts,
        settle=campaign.retry.settle,
        absent=campaign.retry.absent,
        key_life=campaign.retry.key_life,
        suppressed=driven.suppressed,
        contact_once_in=campaign.contact_once_in,
        accepted_at=-math.inf if accepted_at is None else accepted_at,
        guard=GuardLimits(**campaign.guard.model_dump()),
        hours=hours_of(driven),
        grace=campaign.schedule.grace,
        senders=frozenset(each.id for each in campaign.senders),
        replies=reply_settings(campaign) if campaign.api.version == "v2" else None,
        has_steps=bool(campaign.steps),
    )


def reply_settings(campaign: Campaign) -> ReplySettings:
    """Return how a campaign's replies are read."""
    replies = campaign.replies
    return ReplySettings(replies.poll, replies.keep, replies.stop)


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """A token's team, account links and platforms, as the API names them. `server_ahead`: the
    server's clock less boot time."""

    lane_id: str
    origin: str
    team: str
    team_name: str
    links: list[AccountLink]
    platforms: list[Platform]
    server_ahead: float


async def fetch_identity(
    campaign: Campaign,
    token: Token,
    clock: Clock,
    bus: EventBus,
    ledger: Ledger | None,
    row: CampaignRow | None = None,
) -> TokenIdentity:
    """Ask the API for a token's team, account links and platforms. Raises ChannelError.

    These requests use up the team's limits too: they wait for leave where the campaign's team is
    known (`row`), and are counted whatever comes of them.
    """
    channel, meter = metered_channel(campaign, token, clock, bus, ledger, row)
    lane = row.lane if row is not None else None
    try:
        team = await channel.team()
        lane = lane_name(team.id, rehearsal=campaign.rehearsal)
        links = await channel.account_links()
        platforms = await channel.platforms()
        ahead = channel.server_now() - clock.boot()
    finally:
        await channel.close()
        if ledger is not None and lane is not None:
            count_requests(ledger, lane, meter.early)
    return TokenIdentity(lane, channel.origin, team.id, team.name, links, platforms, ahead)


def metered_channel(
    campaign: Campaign,
    token: Token,
    clock: Clock,
    bus: EventBus,
    ledger: Ledger | None,
    row: CampaignRow | None,
) -> tuple[Channel, RequestMeter]:
    """Open a channel for requests without a lane, which wait for leave where the campaign's team is
    known (`row`), and the meter that has counted them: see `count_requests`."""
    meter = RequestMeter(clock, pacer=_remembered_pacer(campaign, ledger, row, clock))
    channel = connect(
        campaign.api.version,
        campaign.api.base_url,
        token,
        clock,
        timeout=campaign.retry.timeout,
        gate=meter.gate,
        notice=lambda text: bus.emit(Notice(clock.now(), text)),
        platform=campaign.api.platform,
        concurrency=1,
        measures=bus.measures,
    )
    return channel, meter


def _remembered_pacer(
    campaign: Campaign, ledger: Ledger | None, row: CampaignRow | None, clock: Clock
) -> Pacer | None:
    """Return the team's limits with what the ledger says was used of them."""
    if ledger is None or row is None or row.lane is None:
        return None
    pacer = make_pacer([campaign.limits], [])
    timeout = campaign.retry.timeout
    return restore_pacer(pacer, ledger, [row.lane], clock, timeout=timeout, with_holds=False)


async def authenticate(
    drafts: Sequence[Draft],
    tokens: Mapping[str, Token],
    ledger: Ledger,
    clock: Clock,
    bus: EventBus,
) -> list[TeamCampaigns]:
    """Fetch the teams that drafts' tokens are of, and check their senders.

    Raises ChannelError when the API cannot be used, RunnerError for a sender it does not know.
    """
    teams: dict[str, TeamCampaigns] = {}
    identities: dict[tuple[str, str, str], TokenIdentity] = {}
    for draft in drafts:
        campaign = draft.campaign
        token = tokens[campaign.name]
        who = (campaign.api.version, campaign.api.base_url, token.reveal())
        if who not in identities:
            identities[who] = await fetch_identity(campaign, token, clock, bus, ledger, draft.row)
        identity = identities[who]
        team = teams.setdefault(identity.lane_id, TeamCampaigns.of(identity, token))
        team.handles |= {link.id: link.username for link in identity.links if link.username}
        team.drafts.append(draft)
        check_senders(campaign, identity, team.unfit)
        _remember_characters(ledger, identity, campaign.api.platform)
        remember_links(ledger, identity, rehearsal=campaign.rehearsal)
    return list(teams.values())


def count_requests(ledger: Ledger, lane: str, requests: Sequence[tuple[float, float]]) -> None:
    """Count requests that were made without a lane, as (started, ended)."""
    rows = [{"lane": lane, "started_at": start, "ended_at": end} for start, end in requests]
    if rows:
        ledger.write(usage.count_requests, rows)


def check_senders(campaign: Campaign, identity: TokenIdentity, unfit: dict[str, str]) -> None:
    """Add to `unfit` the senders that cannot send now. Raises RunnerError for one that the API does
    not know, or that is on another platform."""
    links = {link.id: link for link in identity.links}
    for sender in campaign.senders:
        link = links.get(sender.id)
        if link is None:
            raise RunnerError(
                f"{campaign.path}: sender {sender.id} is not an account link of team "
                f"{identity.team_name}",
                "see which there are: run-campaign senders",
            )
        if link.platform != campaign.api.platform:
            raise RunnerError(
                f"{campaign.path}: sender {sender.id} is on {link.platform}, the campaign on "
                f"{campaign.api.platform}",
                "choose a sender of that platform, or set api.platform",
            )
        why = find_obstacle(link)
        if why:
            unfit[sender.id] = why


def find_obstacle(link: AccountLink) -> str:
    """Return why an account link cannot send now, with what a person can do; empty when it can."""
    who = f"@{link.username} ({link.id})" if link.username else link.id
    if link.status == "offline":
        return f"{who} is offline: reconnect the account in Inbox"
    if link.status != "active":
        reasons = f" because of {', '.join(link.pause_reasons)}" if link.pause_reasons else ""
        return f"{who} is {link.status}{reasons}: check it in Inbox"
    if link.can_send is False:
        return f"{who} may not send messages (no message:send): see its rights in Inbox"
    return ""


def remember_links(ledger: Ledger, identity: TokenIdentity, *, rehearsal: bool) -> None:
    """Keep what account links are called, for sheets and texts that name them."""
    found = {link.id: AccountName(link.username, link.name) for link in identity.links}
    if found.items() - ledger.read(account_links.known, rehearsal=rehearsal).items():
        ledger.write(account_links.keep, found, rehearsal=rehearsal)


def _remember_characters(ledger: Ledger, identity: TokenIdentity, platform: str) -> None:
    """Keep the platform's longest text for dry runs, which do not ask the API."""
    for each in identity.platforms:
        if each.platform == platform:
            value = "" if each.characters is None else str(each.characters)
            key = characters_key(identity.origin, platform)
            if ledger.read(schema.note, key) != value:
                ledger.write(schema.set_note, key, value)
