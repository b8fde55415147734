"""`check` and `senders`: all that can be checked of a campaign without sending."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.clock import Clock
from runner.control.campaigns import brake_text
from runner.errors import RunnerError, UsageError
from runner.events import EventBus
from runner.findings import Level
from runner.formats import by_handle, counted, duration
from runner.ledger.campaigns.brakes import BY_A_PERSON
from runner.ledger.ledger import Ledger, open_ledger
from runner.message.account import AccountName
from runner.message.status import MessageStatus
from runner.planning.approved.approval import hold_to_plan, refuse_unapproved
from runner.planning.dates.eta import when_done
from runner.planning.dates.start import never_open
from runner.planning.draft import Draft, known_characters, make_draft, origin_of
from runner.planning.planner import render_with
from runner.planning.preview import preview
from runner.project.campaign_files import load
from runner.project.credentials import read_token
from runner.project.ledgers.ledger_location import LEDGER_NAME, ledger_location, ledger_upward
from runner.project.ledgers.old_copies import refuse_lost, refuse_old_copy
from runner.run.preparation.permission import find_brakes, resume_hint
from runner.run.preparation.review import review
from runner.run.preparation.team import TokenIdentity, fetch_identity, find_obstacle


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. `ok` is False when it keeps a campaign from running; `instead`
    says what to do."""

    ok: bool
    what: str
    instead: str = ""


def check(
    path: Path,
    state: str | None,
    environ: Mapping[str, str],
    clock: Clock,
    bus: EventBus,
    *,
    offline: bool = False,
) -> Iterator[Check]:
    """Check a campaign's file, rows, ledger, token, team and senders, in the order in which a
    run needs them. Raises CampaignError for a file that cannot be read at all."""
    campaign = load([path])[0]
    yield Check(True, f"campaign {campaign.name}: {path} is understood")
    location = ledger_location(state, environ, [campaign], live=False)
    with ExitStack() as held:
        ledger = None
        try:
            if "://" in location or Path(location).exists():
                ledger = held.enter_context(open_ledger(location))
                refuse_old_copy(ledger, environ)
                yield Check(True, f"ledger: {ledger.place}")
                yield from _stopped(campaign, ledger)
            else:
                refuse_lost(location, environ)
                yield Check(True, f"ledger: none yet, the first run makes {location}")
        except RunnerError as error:
            yield Check(False, f"ledger: {error}", error.hint)
        if environ.get("CI") and not state and not environ.get("RUN_CAMPAIGN_STATE"):
            yield Check(False, "ledger: CI is set", "name a ledger that is kept: --state")
        try:
            draft = make_draft(campaign, ledger)
        except RunnerError as error:
            yield Check(False, str(error), error.hint)
            draft = None
        identity = None
        if not offline:
            try:
                token = read_token(campaign, environ, location)
                row = draft.row if draft else None
                identity = asyncio.run(fetch_identity(campaign, token, clock, bus, ledger, row))
            except RunnerError as error:
                yield Check(False, f"API: {error}", error.hint)
        if draft is not None and identity is not None:
            named = {link.id: AccountName(link.username, link.name) for link in identity.links}
            draft = replace(draft, links=named)
        characters = None
        if identity is not None:
            yield Check(
                True, f"token: of team {identity.team_name} ({identity.team}) at {identity.origin}"
            )
            yield from _bound(draft, identity)
            yield from _senders(campaign, identity)
            for each in identity.platforms:
                characters = (
                    each.characters if each.platform == campaign.api.platform else characters
                )
            yield from _platform(campaign, identity)
        if draft is not None:
            yield from _rows(draft, ledger, characters, clock)


def _stopped(campaign: Campaign, ledger: Ledger) -> Iterator[Check]:
    for name, brake in find_brakes(ledger, [campaign]).items():
        by_a_person = brake.kind in BY_A_PERSON
        yield Check(not by_a_person, brake_text(name, brake), resume_hint(brake, campaign.path))


def _bound(draft: Draft | None, identity: TokenIdentity) -> Iterator[Check]:
    row = draft.row if draft else None
    if (
        row is not None
        and row.team is not None
        and (row.origin, row.team) != (identity.origin, identity.team)
    ):
        yield Check(
            False,
            f"campaign {row.name} was begun by team {row.team} at {row.origin}",
            "use the token and base_url it was begun with, or another `name:`",
        )


def _senders(campaign: Campaign, identity: TokenIdentity) -> Iterator[Check]:
    links = {link.id: link for link in identity.links}
    for sender in campaign.senders:
        link = links.get(sender.id)
        if link is None:
            what = f"sender {sender.id} is not an account link of team {identity.team_name}"
            yield Check(False, what, "see which there are: run-campaign senders")
        elif link.platform != campaign.api.platform:
            what = (
                f"sender {sender.id} is on {link.platform}, the campaign on {campaign.api.platform}"
            )
            yield Check(False, what, "choose a sender of that platform, or set api.platform")
        elif why := find_obstacle(link):
            what, _, instead = why.partition(": ")
            yield Check(False, f"sender {what}", instead)
        else:
            limits = ", ".join(
                f"{number} per {window}" if number is not None else f"no limit per {window}"
                for number, window in ((sender.per_hour, "hour"), (sender.per_day, "day"))
            )
            who = f"@{link.username} ({sender.id})" if link.username else sender.id
            yield Check(True, f"sender {who} is {link.status}; {limits}")


def _platform(campaign: Campaign, identity: TokenIdentity) -> Iterator[Check]:
    for each in identity.platforms:
        if each.platform == campaign.api.platform:
            longest = "any length" if each.characters is None else f"{each.characters} characters"
            yield Check(
                each.can_send,
                f"platform {each.platform}: texts of {longest}",
                "" if each.can_send else "this team cannot send there: see its plan in Inbox",
            )
            return
    if identity.platforms:
        known = ", ".join(each.platform for each in identity.platforms)
        yield Check(False, f"platform {campaign.api.platform} is not there", f"known: {known}")


def _rows(
    draft: Draft, ledger: Ledger | None, characters: int | None, clock: Clock
) -> Iterator[Check]:
    campaign = draft.campaign
    if characters is None:
        characters = known_characters(ledger, origin_of(draft), campaign.api.platform)
    reviewed = review(draft, ledger, clock.now())
    for finding in reviewed.findings:
        instead = f"--accept {finding.code}" if finding.level is Level.QUESTION else ""
        told = f"{finding.level} {finding.code}: {finding}"
        yield Check(finding not in reviewed.open, told, instead)
    if any(each.level is Level.ERROR for each in reviewed.open):
        return
    try:
        draft = hold_to_plan(draft, ())
        render = render_with(draft.texts, characters)
        found = preview(draft, ledger, render, characters, lambda _: None, clock.now())
        refuse_unapproved(found.unapproved)
    except RunnerError as error:
        yield Check(False, str(error), error.hint)
        return
    if draft.approved is not None:
        yield Check(True, f"within the approved plan {draft.approved.path}")
    total, source = found.to_send.total(), draft.audience.table.path
    sent = found.kept[MessageStatus.SENT]
    other = found.kept.total() - sent
    told = f"{source}: {found.rows:,} rows, {total:,} ready to send"
    told += f", already sent: {sent:,}" if sent else ""
    told += f", {other:,} left as they are" if other else ""
    yield Check(True, f"{told}, {found.skipped.total():,} skipped")
    for reason, count in found.skipped.most_common():
        yield Check(True, f"  skipped {count}: {reason}", "who: --dry-run")
    if found.power:
        yield Check(True, f"variants: {found.power}")
    if not total and not found.kept:
        yield Check(False, "nobody would be written to", "see why: --dry-run")
    if found.changed:
        were = "it was" if found.changed == 1 else "they were"
        what = f"{counted(found.changed, 'text')} changed since {were} planned"
        yield Check(False, what, "run with --accept-changes to send the new ones")
    for warning in never_open([draft], clock.now()):
        yield Check(False, warning, "see schedule: in the campaign file")
    done = when_done([(draft, found.waiting)], ledger, clock)
    if done.seconds == math.inf:
        return
    slowest = by_handle(done.binds, found.handles)
    binds = f"; slowest limit: {slowest}" if slowest else ""
    long = duration(done.seconds)
    told = counted(total, "message")
    told += f" and {counted(later, 'follow-up')} at most" if (later := found.to_follow) else ""
    yield Check(True, f"limits: about {long} for {told}{binds}")


def senders(
    path: Path | None,
    state: str | None,
    environ: Mapping[str, str],
    folder: Path,
    clock: Clock,
    bus: EventBus,
) -> TokenIdentity:
    """Fetch the team's account links, by a campaign file's API and token, or else by the
    defaults."""
    if path is not None:
        campaign = load_campaign(path)
        location = ledger_location(state, environ, [campaign], live=False)
    else:
        # Only its `api` is used: the defaults of any campaign.
        any_campaign = {"senders": ("x",), "prospects": "x.csv", "message": "x"}
        context = {"folder": folder, "stem": "senders"}
        campaign = Campaign.model_validate(any_campaign, context=context)
        try:
            location = ledger_upward(state, environ, folder)
        except UsageError:
            location = str(folder / LEDGER_NAME)
    token = read_token(campaign, environ, location)
    return asyncio.run(fetch_identity(campaign, token, clock, bus, None))
