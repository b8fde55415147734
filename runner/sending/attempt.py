"""One attempt, from permit to recorded outcome: the only way in which a message is sent.

permit -> intent on disk -> its time, and a send slot -> answer -> outcome on disk -> event. A
permit may be taken a moment before its time, so that several intents and outcomes share a commit.
Both first sends
(dispatcher) and repeats under the same key (reconciler) go through here. The 5-second check:
`SEND_BY` after an attempt has begun its body is written no more, which ends the wait for a slot
here, and is checked by the channel before the first byte of the body.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from runner.channels.base import Answer, Channel
from runner.events import (
    Event,
    MessageDeferred,
    MessageDoubled,
    MessageFailed,
    MessageInDoubt,
    MessageRejected,
    MessageSent,
    MessageSkipped,
)
from runner.ledger.campaigns.brakes import Brake, halt
from runner.ledger.messages.claims import NotClaimed, SendRequest, claim
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.messages.outcomes import Recorded, Result, not_its_own, record
from runner.ledger.messages.usage import Behind, Stamped, keep_holds, keep_stamped
from runner.message.evidence import CLOCK_SLACK, evidence_of, is_foreign, is_of_one_message
from runner.message.outcome import (
    HELD_BACK,
    NOT_AS_ASKED,
    SEND_BY,
    TOO_LATE,
    Accepted,
    Deferred,
    InDoubt,
    Outcome,
    Rejected,
    Scope,
)
from runner.message.status import MessageStatus
from runner.pacing.pacer import Permit
from runner.sending.adoption import refuse_foreign_key
from runner.sending.backoff import backoff_delay
from runner.sending.lane import IN_TIME, Lane, fenced
from runner.sending.slots import SendSlot


class Attempted(NamedTuple):
    """An attempt's end: the API's outcome, and the message's status then."""

    outcome: Outcome
    status: MessageStatus


async def attempt(
    lane: Lane,
    channel: Channel,
    request: SendRequest,
    permit: Permit,
    by: float = math.inf,
) -> Attempted | None:
    """Send a message once, or not at all if that cannot be begun `by` then (boot seconds); return
    None when it was not there to be sent.

    Raises Fenced when another owner has the lane, LedgerError when an intent or an outcome could
    not be recorded, ForeignKeyUse when the API knows the key from another ledger.
    """
    if request.campaign in lane.stops.campaigns:
        lane.pacer.cancel(permit)
        return None
    deadline = min(lane.clock.boot() + SEND_BY, by)
    number = await _claim(lane, request, permit)
    if number is None:
        return None
    lane.in_flight.claimed[request.message] = request.recipient.id
    to, now = (request.sender, request.campaign, request.recipient.id), lane.clock.boot()
    slot: SendSlot | None = None
    try:
        if request.is_repeat:  # they are few, and have connections of their own
            answer = await _send_repeat(lane, channel, request, deadline)
        elif slot := await lane.slots.acquire(*to, deadline - now, permit.at - now):
            answer = await _send_first(lane, channel, request, deadline)
            if isinstance(answer.outcome, Accepted) and not answer.outcome.replay:
                slot.release()  # else not before the guard has seen it
        else:
            answer = Answer(_not_sent(lane, request))
        return await _conclude(lane, channel, request, permit, number, answer)
    finally:
        if slot is not None:
            slot.release()
        lane.in_flight.claimed.pop(request.message, None)


async def _claim(lane: Lane, request: SendRequest, permit: Permit) -> int | None:
    """Put the intent on disk; return the attempt's number, None when nothing may be sent."""
    try:
        within = permit.at - IN_TIME - lane.clock.boot()
        claimed = await lane.ledger.commit(claim, request, within)
    except BaseException:
        lane.pacer.cancel(permit)
        raise
    if isinstance(claimed, int):
        return claimed
    lane.pacer.cancel(permit)
    match claimed:
        case NotClaimed.FENCED:
            raise fenced()
        case Brake():
            lane.stops.apply_control(request.campaign, claimed)
        case LateSkip(reason=reason, detail=detail):
            lane.bus.emit(MessageSkipped(*_about(lane, request), reason, detail, step=request.step))
    return None


async def _send_first(
    lane: Lane, channel: Channel, request: SendRequest, deadline: float
) -> Answer:
    """Send a message from its slot, unless it is held back before its body is written."""
    began = lane.clock.boot()
    is_held_back = partial(lane.holds_back, request.sender, request.campaign, request.recipient.id)
    answer = await channel.send(request.body, request.key, deadline, is_held_back)
    lane.in_flight.measure_answer(lane.clock.boot() - began if answer.status else SEND_BY)
    return answer


async def _send_repeat(
    lane: Lane, channel: Channel, request: SendRequest, deadline: float
) -> Answer:
    """Send a message once more, unless its recipient wants none before its body is written."""
    is_unwanted = partial(lane.is_unwanted, request.campaign, request.recipient.id)
    return await channel.send(request.body, request.key, deadline, is_unwanted)


def _not_sent(lane: Lane, request: SendRequest) -> Outcome:
    """Return the outcome of a message that got no slot."""
    if lane.holds_back(request.sender, request.campaign, request.recipient.id):
        return Deferred(HELD_BACK, "held back before it was written", written=False)
    lane.in_flight.measure_answer(SEND_BY)
    return Deferred(TOO_LATE, "the requests before it were not answered in time", written=False)


async def _conclude(
    lane: Lane, channel: Channel, request: SendRequest, permit: Permit, number: int, answer: Answer
) -> Attempted:
    """Act on an answer. What holds others back comes first, before the outcome is on disk."""
    _return_permit(lane, request, permit, answer)
    hold = lane.backoff.apply(channel, request, answer)
    _apply_stop(lane, request, answer.outcome)
    outcome, recorded = await _record(lane, channel, request, number, answer)
    if hold is not None:
        await lane.ledger.commit(keep_holds, hold)
    lane.bus.emit(_event(lane, request, outcome, recorded))
    _tell_guard(lane, request, outcome, recorded.status)
    _wake_others(lane, request, recorded.status)
    for each in lane.stops.take_unrecorded():
        await lane.ledger.commit(halt, each)
    if (stamped := _stamped(lane, channel, outcome, answer)) is not None:
        await lane.ledger.commit(keep_stamped, stamped)
    if is_foreign(outcome) and not lane.adopt and not request.is_repeat:
        refuse_foreign_key(lane, request, number)
    return Attempted(outcome, recorded.status)


def _return_permit(lane: Lane, request: SendRequest, permit: Permit, answer: Answer) -> None:
    """Give the permit back as used, or as unused where nothing was written."""
    outcome = answer.outcome
    if isinstance(outcome, Deferred) and not outcome.written:
        lane.pacer.cancel(permit)
        return
    accepted = isinstance(outcome, Accepted)
    # What the API knew already became a message by the attempt before, which has been counted.
    replay = isinstance(outcome, Accepted) and outcome.replay and request.is_repeat
    sent = (accepted or isinstance(outcome, InDoubt)) and not replay
    now = lane.clock.boot()
    lane.pacer.finish(permit, now, sent=sent, accepted=accepted, quota=answer.quota)


def _apply_stop(lane: Lane, request: SendRequest, outcome: Outcome) -> None:
    """Stop the lane or the sender where an answer says that a person has to act first."""
    match outcome:
        case Deferred(stop=stop, scope=Scope.LANE) | InDoubt(stop=stop, scope=Scope.LANE) if stop:
            lane.stops.stop_lane(stop)
        case Deferred(stop=stop, scope=Scope.SENDER) if stop:
            lane.stops.stop_sender(request.sender, stop)


async def _record(
    lane: Lane, channel: Channel, request: SendRequest, number: int, answer: Answer
) -> tuple[Outcome, Recorded]:
    """Put the outcome on disk; return it, and what it did to the message."""
    outcome = answer.outcome
    after, counts = lane.backoff.retry_after(request.message, number, outcome)
    now = lane.clock.now()
    result = Result(
        message=request.message,
        number=number,
        evidence=evidence_of(outcome),
        at=now,
        sent_at=lane.sent_at(channel),
        via=(lane.id, channel.base_url),
        reason=_reason(outcome),
        detail="" if isinstance(outcome, Accepted) else outcome.detail,
        http_status=answer.status,
        request_id=answer.request_id,
        message_id="" if isinstance(outcome, Rejected | Deferred) else outcome.message_id,
        thread_id=outcome.thread_id if isinstance(outcome, Accepted) else "",
        not_before=now + after if after else 0.0,
        counts=counts,
        attempts_allowed=lane.campaigns[request.campaign].attempts,
    )
    within = lane.shares_within(request.campaign, request.sender)
    if within > 0:
        lane.notify()  # the next message may be begun in the same commit
    recorded = await lane.ledger.commit(record, result, within)
    if isinstance(outcome, Accepted) and recorded.status is MessageStatus.IN_DOUBT:
        return InDoubt(NOT_AS_ASKED, not_its_own(outcome.message_id)), recorded
    return outcome, recorded


def _reason(outcome: Outcome) -> str:
    if isinstance(outcome, Accepted):
        return "replayed" if outcome.replay else ""
    return outcome.reason


def _tell_guard(lane: Lane, request: SendRequest, outcome: Outcome, status: MessageStatus) -> None:
    """Let the campaign's guard count a message, and stop or slow down as it says."""
    campaign, guard = request.campaign, lane.stops.guard_of(request.campaign)
    if isinstance(outcome, Accepted):
        guard.count_accepted(request.message)
        return
    unsent = isinstance(outcome, Rejected | InDoubt) or status is MessageStatus.FAILED
    if not unsent or (isinstance(outcome, InDoubt) and outcome.stop):
        return
    is_one_more = guard.count_failed(
        request.message,
        in_doubt=status is MessageStatus.IN_DOUBT,
        alone=is_of_one_message(outcome),
    )
    why = guard.stop_reason()
    if why and campaign not in lane.stops.campaigns:
        why = f"{why}, the last one: {outcome.reason} {outcome.detail}".rstrip()
        lane.stops.stop_by_guard(campaign, why)
    elif is_one_more and isinstance(outcome, InDoubt) and guard.failures > 2:
        until = lane.clock.boot() + backoff_delay(guard.failures - 2)
        lane.pacer.hold(until, f"after {guard.failures} failures in a row")


def _wake_others(lane: Lane, request: SendRequest, status: MessageStatus) -> None:
    """Wake the tasks that wait, the reconciler too if the message is in doubt."""
    is_in_doubt = status is MessageStatus.IN_DOUBT
    if is_in_doubt:
        lane.in_flight.settling += 1
    elif status is not MessageStatus.QUEUED:
        lane.backoff.forget(request.message)
    lane.notify(doubt=is_in_doubt)


def _event(lane: Lane, request: SendRequest, outcome: Outcome, recorded: Recorded) -> Event:
    """Return the event that tells the outcome of a message."""
    about, step = _about(lane, request), request.step
    if isinstance(outcome, Accepted):
        if recorded.doubled:
            return MessageDoubled(*about, outcome.message_id, step=step)
        message, thread = outcome.message_id, outcome.thread_id
        return MessageSent(*about, message, thread, request.is_repeat, step=step)
    told = (*about, outcome.reason, outcome.detail)
    match recorded.status:
        case MessageStatus.REJECTED:
            return MessageRejected(*told, step=step)
        case MessageStatus.FAILED:
            return MessageFailed(*told, step=step)
        case MessageStatus.IN_DOUBT:
            return MessageInDoubt(*told, step=step)
        case MessageStatus.SKIPPED if recorded.passed:
            return MessageSkipped(*about, recorded.passed.reason, recorded.passed.detail, step=step)
        case _:
            return MessageDeferred(*told, step=step)


def _about(lane: Lane, request: SendRequest) -> tuple[float, str, str, str]:
    """Return the fields that every event of a message begins with."""
    name = lane.campaigns[request.campaign].name
    return lane.clock.now(), name, request.recipient.id, request.sender


def _stamped(lane: Lane, channel: Channel, outcome: Outcome, answer: Answer) -> Stamped | None:
    """Return how an acceptance's message was stamped, None if that is no news in this hour."""
    if answer.stamped_at is None or answer.server_at is None:
        return None
    if not isinstance(outcome, Accepted):
        return None  # its id is another row's: so may be its stamp
    now = lane.clock.now()
    behind = Behind(max(0.0, answer.server_at - answer.stamped_at), now - answer.stamped_at)
    found = Stamped(lane.id, channel.base_url, now, behind)
    before = lane.in_flight.stamped.get(found.key)
    if before is not None and before.hour == found.hour:
        further = behind.joined(before.behind)
        grown = (each - kept for each, kept in zip(further, before.behind, strict=True))
        if max(grown) <= CLOCK_SLACK:
            return None
        found = replace(found, behind=further)
    lane.in_flight.stamped[found.key] = found
    return found
