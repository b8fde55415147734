"""A campaign as it was handed in to workers, and its state since."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner.audience.columns import normal_column
from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import BrakeKind
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.campaigns.submissions import Submission
from runner.ledger.ledger import Ledger
from runner.ledger.messages import queue, usage
from runner.ledger.queries import totals
from runner.message.evidence import OF_ONE_MESSAGE, AttemptOutcome
from runner.message.status import MessageStatus
from runner.planning.draft import known_handles
from runner.schedule import Hours, local_moment, next_open
from runner.sending.controls.guard import CampaignGuard, GuardLimits
from runner.sending.controls.watched_lists import WatchedLists, watched_lists


@dataclass(frozen=True, slots=True)
class SubmittedCampaign:
    """A campaign as it was handed in."""

    campaign: Campaign
    row: CampaignRow
    suppressed: Collection[str]
    submission: Submission


def parse_submission(submission: Submission) -> SubmittedCampaign:
    """Return a campaign from the text that was handed in."""
    campaign = load_campaign(Path(submission.path), submission.file, submission.start)
    return SubmittedCampaign(campaign, submission.row, submission.suppressed, submission)


def lists_of(handed: SubmittedCampaign, ledger: Ledger) -> WatchedLists:
    """Return its lists, as far as they are on this machine too."""
    prospects = handed.campaign.prospects
    column = normal_column(prospects.id) if prospects.id else None
    handles = partial(known_handles, handed.campaign, ledger)
    return watched_lists(handed.row.id, handed.campaign, handed.row.id_type, column, (), handles)


def last_agreed_at(ledger: Ledger, submission: Submission) -> float:
    """Return when a person said last that a campaign is to go on (Unix seconds)."""
    said = ledger.read(brakes.latest, [submission.row.id]).get(submission.row.id)
    released = said is not None and said.kind is BrakeKind.RELEASED
    return max(submission.submitted_at, said.at if said and released else 0.0)


def missed_start_reason(
    ledger: Ledger, submission: Submission, hours: Hours | None, grace: float, now: float
) -> str:
    """Return why a campaign does not start: no worker took its lane for longer than its grace, and
    no person has said since that it is to start all the same. Empty for one that may."""
    id, due = submission.row.id, submission.next_at
    if hours is None or hours.begins == -math.inf or due is None or now <= due + grace:
        return ""
    zones = ledger.read(queue.zones, id) or {""}
    first = min(next_open(hours, zone, hours.begins) for zone in zones)
    if now <= first + grace or last_agreed_at(ledger, submission) > first + grace:
        return ""
    if ledger.read(totals.has_begun, id):
        return ""
    return (
        f"it was to start at {local_moment(first, hours.zone)} {hours.zone}, which is longer ago "
        "than schedule.grace allows; submit or resume it to start it now"
    )


def restore_guard(ledger: Ledger, submission: Submission, limits: GuardLimits) -> CampaignGuard:
    """Return a campaign's guard that has counted the results of earlier slices: a slice may be one
    message long."""
    guard, id = CampaignGuard(limits), submission.row.id
    since = last_agreed_at(ledger, submission)
    for each in ledger.read(usage.latest_ends, submission.lane, id, since):
        if each.outcome == AttemptOutcome.ACCEPTED:
            guard.count_accepted(each.message)
        elif each.status in (MessageStatus.REJECTED, MessageStatus.FAILED):
            guard.count_failed(each.message, in_doubt=False)
        elif each.status == MessageStatus.IN_DOUBT:
            guard.count_failed(each.message, in_doubt=True, alone=each.reason in OF_ONE_MESSAGE)
    return guard
