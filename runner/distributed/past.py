"""What the slices before have come to, for the one that goes on with a campaign."""

from __future__ import annotations

import math

from runner.guard import Guard, GuardLimits
from runner.ledger import Ledger, brakes, history, views
from runner.ledger.brakes import BrakeKind
from runner.ledger.submissions import Submission
from runner.message import OF_ONE_MESSAGE, AttemptOutcome, MessageStatus
from runner.schedule import Hours, local_moment, next_open


def agreed_at(ledger: Ledger, submission: Submission) -> float:
    """When somebody said last that a campaign is to go on (Unix seconds)."""
    said = ledger.read(brakes.latest, [submission.row.id]).get(submission.row.id)
    released = said is not None and said.kind is BrakeKind.RELEASED
    return max(submission.submitted_at, said.at if said and released else 0.0)


def missed_start(
    ledger: Ledger, submission: Submission, hours: Hours | None, grace: float, now: float
) -> str:
    """Why a campaign does not start: no worker took its lane for longer than its grace, and nobody
    has said since that it is to start all the same. Empty for one that may."""
    id, due = submission.row.id, submission.next_at
    if hours is None or hours.begins == -math.inf or due is None or now <= due + grace:
        return ""
    zones = ledger.read(views.zones, id) or {""}
    first = min(next_open(hours, zone, hours.begins) for zone in zones)
    if now <= first + grace or agreed_at(ledger, submission) > first + grace:
        return ""
    if ledger.read(views.has_begun, id):
        return ""
    return (
        f"it was to start at {local_moment(first, hours.zone)} {hours.zone}, which is longer ago "
        "than schedule.grace allows; submit or resume it to start it now"
    )


def guard_of(ledger: Ledger, submission: Submission, limits: GuardLimits) -> Guard:
    """A campaign's guard, which has seen what earlier slices have come to: a slice may be one
    message long."""
    guard, id = Guard(limits), submission.row.id
    since = agreed_at(ledger, submission)
    for each in ledger.read(history.lately, submission.lane, id, since):
        if each.outcome == AttemptOutcome.ACCEPTED:
            guard.accepted(each.message)
        elif each.status in (MessageStatus.REJECTED, MessageStatus.FAILED):
            guard.failed(each.message, in_doubt=False)
        elif each.status == MessageStatus.IN_DOUBT:
            guard.failed(each.message, in_doubt=True, alone=each.reason in OF_ONE_MESSAGE)
    return guard
