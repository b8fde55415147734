"""A person's decisions about messages: try again, withdraw, write to someone never, or not now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    case,
    delete,
    exists,
    insert,
    select,
    update,
)

from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.ledger.locks import lock_all_campaigns, lock_campaign, lock_claims
from runner.ledger.messages import follow_ups
from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.messages.outcomes import invalidate_plan
from runner.ledger.messages.shown_keys import is_key_shown
from runner.ledger.messages.suppression import skip_own_list, skip_suppressed
from runner.ledger.people import acquaintances, erased, holds
from runner.ledger.rehearsals import is_rehearsal
from runner.ledger.schema import attempt, hold, message, opt_out, status_is, suppression
from runner.ledger.statements import texts_of
from runner.message.acquaintance import Acquaintance
from runner.message.evidence import MAY_HAVE_SENT
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """A request to queue final messages again. Empty `statuses` means failed, rejected,
    cancelled."""

    campaign: int
    statuses: frozenset[MessageStatus] = field(default_factory=frozenset)
    reasons: frozenset[str] = field(default_factory=frozenset)
    ids: frozenset[str] = field(default_factory=frozenset)
    new_key: bool = False


RETRYABLE = (_S.FAILED, _S.REJECTED, _S.CANCELLED)
"""Statuses that `retry` may queue again: every attempt of theirs is proven not sent."""


def retry(connection: Connection, request: RetryRequest) -> int:
    """Queue failed, rejected or cancelled messages again, and return how many.

    `new_key` raises their generation, unless the API has never been shown the key. That is safe for
    these only: each of their attempts is proven not sent, which is checked. They are planned again
    before they are sent.
    """
    lock_campaign(connection, request.campaign)
    lock_claims(connection)
    wanted = update(message).where(*_wanted(request))
    if request.new_key:
        wanted = wanted.values(generation=message.c.generation + is_key_shown().cast(Integer))
    status = case((message.c.previous == "", _S.QUEUED.value), else_=_S.WAITING.value)
    queued = connection.execute(
        wanted.values(status=status, reason="", detail="", not_before=0.0, tries=0, unplanned=True)
    ).rowcount
    if queued:
        follow_ups.follow(connection, message.c.campaign == request.campaign)
        invalidate_plan(connection, request.campaign)
    return queued


def _wanted(request: RetryRequest) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        message.c.campaign == request.campaign,
        message.c.status.in_(request.statuses or RETRYABLE),
        ~erased.is_erased(),
    ]
    if request.reasons:
        conditions.append(message.c.reason.in_(request.reasons))
    if request.ids:
        conditions.append(message.c.recipient.in_(request.ids))
    if request.new_key:
        unproven = exists().where(
            attempt.c.message == message.c.id,
            attempt.c.outcome.in_(MAY_HAVE_SENT),
        )
        conditions.append(~unproven)
    return conditions


def retryable_recipients(connection: Connection, request: RetryRequest, limit: int) -> list[str]:
    """List the first recipients whose messages `retry` would queue now."""
    wanted = select(message.c.recipient).where(*_wanted(request)).order_by(message.c.id)
    return list(connection.execute(wanted.limit(limit)).scalars())


def withdraw(connection: Connection, id: int, *, planned: bool = False) -> int:
    """Cancel what a campaign has in the queue, and return how many. `planned`: not what came back
    since."""
    lock_campaign(connection, id)
    lock_claims(connection)
    wanted = update(message).where(message.c.campaign == id, message.c.status.in_(TO_COME))
    if planned:
        wanted = wanted.where(~message.c.unplanned)
    return connection.execute(wanted.values(status=_S.CANCELLED, reason="withdrawn")).rowcount


def cancel(connection: Connection, id: int, at: float, by: str) -> int:
    """Withdraw what a campaign has in the queue, let nothing more of it go, and return how many."""
    withdrawn = withdraw(connection, id)
    before = brakes.active(connection, [id]).get(id)
    if before is None or before.kind is not BrakeKind.CANCELLED:
        brakes.add(connection, id, BrakeKind.CANCELLED, at, by)
    return withdrawn


def withdraw_cancelled(connection: Connection, id: int) -> None:
    """Withdraw what was under way when its campaign was cancelled and has come back, or was planned
    then; not what a person has asked for since."""
    before = brakes.active(connection, [id]).get(id)
    if before is not None and before.kind is BrakeKind.CANCELLED:
        withdraw(connection, id, planned=True)


def resume(connection: Connection, id: int, at: float, by: str) -> Brake | None:
    """Let a campaign go on, but for what was withdrawn, and return what had stopped it, if anything
    had."""
    lock_campaign(connection, id)
    lock_claims(connection)
    withdraw_cancelled(connection, id)  # the run that was to do it may have been killed
    return brakes.release(connection, id, at, by)


def suppress(connection: Connection, ids: Iterable[str], reason: str, at: float) -> int:
    """Put recipients on the do-not-contact list and take their queued messages out; return how many
    messages that stopped."""
    return suppress_each(connection, dict.fromkeys(ids, (reason, at)))[1]


def suppress_each(
    connection: Connection, wanted: Mapping[str, tuple[str, float]], team: str = ""
) -> tuple[list[str], int]:
    """Do as `suppress`, with a reason and a time for each, and return also who is new on the list.
    A person who is on it already stays on it with the reason and time that it has; one who was
    erased is not written down. `team`: they have opted out of its messages; without one the entry
    is for everybody, whatever it was."""
    lock_all_campaigns(connection)
    lock_claims(connection)
    ids = erased.without_erased(connection, wanted)
    _wait_for_recording(connection, ids)
    added: list[str] = []
    stopped = 0
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        there = set(
            connection.execute(
                select(suppression.c.recipient).where(suppression.c.recipient.in_(part))
            ).scalars()
        )
        new = [
            {"recipient": id, "reason": wanted[id][0], "added_at": wanted[id][1]}
            for id in part
            if id not in there
        ]
        if new:
            connection.execute(insert(suppression), new)
            added += [id for id in part if id not in there]
        of_teams = set(
            connection.execute(
                select(opt_out.c.recipient).where(opt_out.c.recipient.in_(part))
            ).scalars()
        )
        if team:
            _add_team(connection, [id for id in part if id not in there or id in of_teams], team)
        elif of_teams:
            connection.execute(delete(opt_out).where(opt_out.c.recipient.in_(part)))
            added += [id for id in part if id in of_teams]
        stopped += len(skip_suppressed(connection, message.c.recipient.in_(part)))
    return added, stopped


def _add_team(connection: Connection, ids: list[str], team: str) -> None:
    known = select(opt_out.c.recipient).where(opt_out.c.recipient.in_(ids), opt_out.c.team == team)
    there = set(connection.execute(known).scalars())
    new = [{"recipient": id, "team": team} for id in ids if id not in there]
    if new:
        connection.execute(insert(opt_out), new)


def skip_listed(connection: Connection, id: int, listed: Mapping[str, str]) -> int:
    """Take a campaign's queued messages to people of its own lists (id to where they are listed)
    out of the queue, and return how many."""
    lock_campaign(connection, id)
    lock_claims(connection)
    ids = list(listed)
    stopped = 0
    for start in range(0, len(ids), 500):
        these = (message.c.campaign == id) & message.c.recipient.in_(ids[start : start + 500])
        stopped += len(skip_own_list(connection, these, listed))
    return stopped


def _wait_for_recording(connection: Connection, ids: list[str]) -> None:
    """Let what is being recorded of these recipients' messages end: a message that comes back into
    the queue beside this would see nothing of the list, and this nothing of it."""
    of_them = message.c.recipient.in_(texts_of("ids", connection.dialect.name))
    those = select(message.c.id).where(of_them, status_is(message, *OPEN)).order_by(message.c.id)
    connection.execute(those.with_for_update(), {"ids": json.dumps(ids)}).all()


def unsuppress(connection: Connection, ids: Iterable[str]) -> list[str]:
    """Take recipients off the do-not-contact list, and return who was on it; the next plan queues
    them again."""
    lock_all_campaigns(connection)
    lock_claims(connection)
    wanted = list(ids)
    stopped = select(message.c.campaign).where(
        message.c.recipient.in_(wanted), message.c.status == _S.SKIPPED
    )
    for campaign in connection.execute(stopped.distinct()).scalars().all():
        invalidate_plan(connection, campaign)  # its files are as they were when it was planned
    connection.execute(delete(opt_out).where(opt_out.c.recipient.in_(wanted)))
    gone = suppression.delete().where(suppression.c.recipient.in_(wanted))
    return sorted(connection.execute(gone.returning(suppression.c.recipient)).scalars())


def hold_each(
    connection: Connection,
    ids: Iterable[str],
    until: float | None,
    *,
    why: str,
    at: float,
    by: str,
) -> list[str]:
    """Put recipients on hold until then (Unix s; None: until they are taken off), whatever hold
    they had, and return whose that changed. Their queued messages stay as they are. Of people who
    were erased nothing is written down."""
    lock_all_campaigns(connection)
    lock_claims(connection)
    connection.execute(delete(hold).where(hold.c.until <= at))
    wanted = erased.without_erased(connection, dict.fromkeys(ids))
    changed: list[str] = []
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        known = select(hold.c.recipient, hold.c.until, hold.c.why).where(hold.c.recipient.in_(part))
        same = {row.recipient for row in connection.execute(known) if row[1:] == (until, why)}
        new = [id for id in part if id not in same]
        if new:
            _end_holds(connection, new, at)
            if until is not None:
                held = [follow_ups.HeldTime(id, at, until) for id in new]
                follow_ups.hold_longer(connection, held)
            said = {"until": until, "why": why, "made_at": at, "made_by": by}
            connection.execute(insert(hold), [{"recipient": id, **said} for id in new])
            changed += new
    if changed:
        holds.count_change(connection)
    return changed


def unhold(connection: Connection, ids: Iterable[str], at: float) -> list[str]:
    """Take recipients off hold, and return who was on it: their queued messages go on."""
    lock_all_campaigns(connection)
    lock_claims(connection)
    connection.execute(delete(hold).where(hold.c.until <= at))
    found = _end_holds(connection, list(ids), at)
    if found:
        holds.count_change(connection)
    return found


def _end_holds(connection: Connection, ids: Sequence[str], at: float) -> list[str]:
    """End people's holds, and return who had any. The time of what follows counts from now on: of a
    hold without an end it was counted until now, of another one not before its end."""
    gone = delete(hold).where(hold.c.recipient.in_(ids))
    ended = connection.execute(gone.returning(hold.c.recipient, hold.c.made_at, hold.c.until)).all()
    endless = [follow_ups.HeldTime(id, since, at) for id, since, until in ended if until is None]
    early = [follow_ups.HeldTime(id, at, until) for id, _, until in ended if until is not None]
    follow_ups.hold_longer(connection, endless)
    follow_ups.hold_longer(connection, early, sign=-1)
    return sorted(id for id, _, _ in ended)


def keep_acquaintances(
    connection: Connection, answers: Sequence[Acquaintance], lane: str, platform: str
) -> None:
    """Keep what Inbox said of people. Who is erased by another id of the same contact is put on the
    do-not-contact list: only now it is known that they are the same."""
    gone = erased.people(connection)
    if gone and not is_rehearsal(lane):
        same = [each for each in answers if each.contact and gone.has_id(each.contact)]
        listed = {each.recipient: (erased.TO_ERASE, each.asked_at) for each in same}
        if listed:
            suppress_each(connection, listed)
    acquaintances.keep(connection, answers, lane, platform)
