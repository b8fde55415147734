"""The actions of people on a campaign: pause, resume, cancel, retry, unsubmit.

The same for the command line and the dashboard: each changes the ledger and writes down who did
it (`by`), from where (`via`) and the result, in one transaction. What changed nothing is not
written down.
"""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from runner.clock import Clock, iso
from runner.errors import LaneHeld, UsageError
from runner.ledger.campaigns import audit, brakes, submissions
from runner.ledger.campaigns.audit import NAMED_PEOPLE, Act
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Connection, Ledger, hold_lane
from runner.ledger.messages import decisions
from runner.ledger.messages.decisions import RetryRequest
from runner.message.status import MessageStatus
from runner.planning.selection import in_words, known_ids
from runner.project.people import named_people

_S = MessageStatus


def pause(ledger: Ledger, row: CampaignRow, clock: Clock, *, by: str, via: str) -> Brake | None:
    """Pause a campaign; return what a person has stopped it by already, if anything: it stays
    so."""
    at = clock.now()
    with ledger.writing() as connection:
        before = brakes.pause(connection, row.id, at, by)
        if before is None:
            audit.record(connection, Act.PAUSE, at=at, by=by, via=via, campaign=row.id)
    return before


@dataclass(frozen=True, slots=True)
class Resumed:
    """The outcome of `resume`: what had stopped the campaign, None for nothing; and whether
    `workers` or a `live` run go on with it by themselves. Neither: it has to be run."""

    before: Brake | None
    workers: bool
    live: bool


def resume(ledger: Ledger, row: CampaignRow, clock: Clock, *, by: str, via: str) -> Resumed:
    """Let a campaign go on, and wake the workers that have it. Runs nothing; waits up to 5 s for a
    live run to apply it."""
    at = clock.now()
    with ledger.writing() as connection:
        before = decisions.resume(connection, row.id, at, by)
        if before is not None:
            why = f"it was {before.kind}"
            audit.record(connection, Act.RESUME, at=at, by=by, via=via, campaign=row.id, why=why)
        submitted = submissions.wake(connection, row.id, at)  # or its lane would rest for good
    return Resumed(before, submitted, not submitted and _is_live(ledger, row, at))


def cancel(ledger: Ledger, row: CampaignRow, clock: Clock, *, by: str, via: str) -> int:
    """Withdraw what a campaign has in the queue, and let nothing more of it go; return how many."""
    at = clock.now()
    with ledger.writing() as connection:
        count = decisions.cancel(connection, row.id, at, by)
        last = brakes.latest(connection, [row.id])[row.id]
        if count or (last.at, last.by) == (at, by):
            audit.record(
                connection, Act.CANCEL, at=at, by=by, via=via, campaign=row.id, count=count
            )
    return count


def unsubmit(
    ledger: Ledger, row: CampaignRow, clock: Clock, tell: Callable[[], None], *, by: str, via: str
) -> bool:
    """Take a campaign back from the workers, whatever they have sent of it; return False where they
    do not have it. Until a worker that drives its lane has let go of that, for which it waits, the
    campaign is paused. `tell`: called before the wait."""
    at = clock.now()
    with ledger.writing() as connection:
        stopped = bool(brakes.active(connection, [row.id]))
        if not submissions.is_submitted(connection, row.id):
            return False
        if not stopped:
            brakes.pause(connection, row.id, at, by)
        submissions.take_back(connection, row.id)
        audit.record(connection, Act.UNSUBMIT, at=at, by=by, via=via, campaign=row.id)
    tell()
    if row.lane is not None:
        with hold_lane(ledger, row.lane, f"unsubmit {row.name}", at, wait=True):
            pass
    if not stopped:
        ledger.write(_go_on, row.id, at, by, clock.now())
    return True


def _go_on(connection: Connection, id: int, paused_at: float, by: str, at: float) -> None:
    """End a pause, unless a person has stopped the campaign since."""
    found = brakes.active(connection, [id]).get(id)
    if found is not None and (found.at, found.by) == (paused_at, by):
        brakes.release(connection, id, at, by)


@dataclass(frozen=True, slots=True)
class Retried:
    """The outcome of `retry`: how many messages are queued again, and whether workers have the
    campaign (`submitted`): then it is to be submitted again, else to be run."""

    count: int
    submitted: bool


def retry(
    ledger: Ledger,
    row: CampaignRow,
    clock: Clock,
    *,
    statuses: Collection[MessageStatus] = (),
    reasons: Collection[str] = (),
    ids: Collection[str] = (),
    new_key: bool = False,
    by: str,
    via: str,
) -> Retried:
    """Queue failed, rejected or cancelled messages again (empty: of any of these statuses, for any
    reason, of anybody). Raises UsageError for an id that the campaign has no message for."""
    at = clock.now()
    ids = named_people(ledger, ids, platform=row.platform, rehearsal=row.rehearsal)
    asked = RetryRequest(row.id, frozenset(statuses), frozenset(reasons), frozenset(ids), new_key)
    if unknown := set(ids) - known_ids(ledger, row, ids):
        raise UsageError(
            f"--only: {in_words(unknown)} not in campaign {row.name}",
            "nothing was queued again; see who is: run-campaign export CAMPAIGN -o results.csv",
        )
    words = [*sorted(statuses), *sorted(reasons), *(["new key"] if new_key else [])]
    with ledger.writing() as connection:
        submitted = submissions.is_submitted(connection, row.id)
        who = decisions.retryable_recipients(connection, asked, NAMED_PEOPLE)
        count = decisions.retry(connection, asked)
        if count:
            audit.record(
                connection,
                Act.RETRY,
                at=at,
                by=by,
                via=via,
                campaign=row.id,
                count=count,
                recipients=who,
                why=", ".join(words),
            )
    return Retried(count, submitted)


APPLIED_WITHIN = 5.0
"""Seconds after which a run that has not applied an action is not waited for: it is frozen, or
hangs."""


def user() -> str:
    """Return the name of this terminal's user, as the system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this number, as in some containers
        return f"user {os.getuid()}"


def brake_text(name: str, brake: Brake) -> str:
    """Return what stops a campaign, who did it and when."""
    if brake.kind in BY_A_PERSON:
        return f"{name} was {brake.kind} by {brake.by} at {iso(brake.at)}"
    by = " by its guard" if brake.kind is BrakeKind.GUARDED else ""
    return f"{name} was stopped{by} at {iso(brake.at)}: {brake.why}"


def _is_live(ledger: Ledger, row: CampaignRow, at: float) -> bool:
    """Return whether a live run has this campaign and has applied the last action on it. One that
    is ending lets go of it instead."""
    if row.lane is None or ledger.read(brakes.acknowledged_by_driver, row.lane, row.id) is None:
        return False
    try:
        with hold_lane(ledger, row.lane, "resume", at, wait=False):
            return False  # it died without releasing it
    except LaneHeld:
        pass
    last = ledger.read(brakes.latest, [row.id]).get(row.id)
    said = 0 if last is None else last.id
    give_up = time.monotonic() + APPLIED_WITHIN
    while (heard := ledger.read(brakes.acknowledged_by_driver, row.lane, row.id)) is not None:
        if heard >= said:
            return True
        if time.monotonic() > give_up:
            break
        time.sleep(0.05)
    return False
