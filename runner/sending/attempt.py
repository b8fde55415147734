"""One attempt, from permit to recorded outcome: the only way a message leaves this house.

permit -> intent on disk -> at most `SEND_BY` until the body is written -> answer -> outcome on disk
-> told. Both first sends (dispatcher) and repeats under the same key (reconcile) go through here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from runner.channels.base import Answer, Channel
from runner.errors import Fenced, ForeignKeyUse
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
from runner.ledger import lanes
from runner.ledger.campaigns.brakes import Brake, BrakeKind, Halt, halt
from runner.ledger.messages import in_doubt
from runner.ledger.messages.claims import Intent, NotClaimed, claim
from runner.ledger.messages.outcomes import Recorded, Result, record, taken
from runner.ledger.messages.recontact import LateSkip
from runner.ledger.messages.usage import Behind, Hold, Stamped, keep_holds, keep_stamped
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
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus
from runner.pacing.pacer import Permit
from runner.pacing.windows import DAY
from runner.sending.backoff import hold_of, limited_in, pause
from runner.sending.lane import Lane


class Parcel(NamedTuple):
    """One message as it is handed to a channel: the exact bytes and the key they go under."""

    message: int
    campaign: int
    recipient: Recipient
    sender: str
    key: str
    body: bytes
    again: bool = False


class Attempted(NamedTuple):
    """What an attempt came to: the API's outcome, and the message's status then."""

    outcome: Outcome
    status: MessageStatus


async def attempt(lane: Lane, channel: Channel, parcel: Parcel, permit: Permit) -> Attempted | None:
    """Send a parcel once. None when it was not there to be sent.

    Raises Fenced when another owner has the lane, LedgerError when an intent or an outcome could
    not be recorded, ForeignKeyUse when the API knows the key from another ledger.
    """
    if parcel.campaign in lane.braked:
        lane.pacer.unused(permit)
        return None
    begun = lane.clock.boot()
    intent = Intent(
        message=parcel.message,
        lane=lane.id,
        epoch=lane.epoch,
        run=lane.run,
        sender=parcel.sender,
        version=channel.version,
        base_url=channel.base_url,
        key=parcel.key,
        body=parcel.body,
        started_at=lane.clock.now(),
        server_at=channel.server_now(),
        again=parcel.again,
        contact_once_in=lane.campaigns[parcel.campaign].contact_once_in,
    )
    try:
        number = await lane.ledger.commit(claim, intent)
    except BaseException:
        lane.pacer.unused(permit)
        raise
    if isinstance(number, NotClaimed):
        lane.pacer.unused(permit)
        if number is NotClaimed.FENCED:
            raise _fenced()
        return None
    if isinstance(number, Brake):
        lane.pacer.unused(permit)
        lane.hear(parcel.campaign, number)
        return None
    if isinstance(number, LateSkip):
        lane.pacer.unused(permit)
        name = lane.campaigns[parcel.campaign].name
        about = (lane.clock.now(), name, parcel.recipient.id, parcel.sender)
        lane.bus.emit(MessageSkipped(*about, number.reason, number.detail))
        return None
    lane.begun[parcel.message] = parcel.recipient.id
    try:
        return await _send(lane, channel, parcel, permit, number, begun + SEND_BY)
    finally:
        lane.begun.pop(parcel.message, None)


async def _send(
    lane: Lane, channel: Channel, parcel: Parcel, permit: Permit, number: int, deadline: float
) -> Attempted:
    """Put a claimed parcel on the wire, if it may still go by then."""
    sender, campaign, recipient = parcel.sender, parcel.campaign, parcel.recipient.id
    if parcel.again:  # repeats are few, and have connections of their own
        unwanted = partial(lane.is_unwanted, campaign, recipient)
        answer = await channel.send(parcel.body, parcel.key, deadline, unwanted)
        return await _conclude(lane, parcel, permit, channel, number, answer)
    wait = deadline - lane.clock.boot()
    place = await lane.wire.enter(sender, campaign, recipient, wait)
    if place is None:
        answer = Answer(_not_let_go(lane, parcel))
        return await _conclude(lane, parcel, permit, channel, number, answer)
    try:
        sent_at = lane.clock.boot()
        held_back = partial(lane.holds_back, sender, campaign, recipient)
        answer = await channel.send(parcel.body, parcel.key, deadline, held_back)
        lane.answered(lane.clock.boot() - sent_at if answer.status else SEND_BY)
        if isinstance(answer.outcome, Accepted) and not answer.outcome.replay:
            place.leave()  # else not before the guard has seen it
        return await _conclude(lane, parcel, permit, channel, number, answer)
    finally:
        place.leave()


def _not_let_go(lane: Lane, parcel: Parcel) -> Outcome:
    if lane.holds_back(parcel.sender, parcel.campaign, parcel.recipient.id):
        return Deferred(HELD_BACK, "held back before it was written", written=False)
    lane.answered(SEND_BY)
    return Deferred(TOO_LATE, "the requests before it were not answered in time", written=False)


async def _conclude(
    lane: Lane, parcel: Parcel, permit: Permit, channel: Channel, number: int, answer: Answer
) -> Attempted:
    """Act on an answer, record its outcome, tell of it."""
    _give_back(lane, parcel, permit, answer)
    # Before anything else goes, and so before the outcome is on disk.
    hold = _slow_down(lane, channel, parcel, answer)
    _act(lane, parcel, answer)
    recorded = await lane.ledger.commit(record, _result(lane, channel, parcel, number, answer))
    if isinstance(answer.outcome, Accepted) and recorded.status is MessageStatus.IN_DOUBT:
        answer = answer._replace(outcome=InDoubt(NOT_AS_ASKED, taken(answer.outcome.message_id)))
    if hold is not None:
        await lane.ledger.commit(keep_holds, hold)
    lane.bus.emit(_event(lane, parcel, answer, recorded))
    _judge(lane, parcel, answer.outcome, recorded.status)
    doubt = recorded.status is MessageStatus.IN_DOUBT
    lane.settling += doubt
    if recorded.status not in (MessageStatus.QUEUED, MessageStatus.IN_DOUBT):
        lane.limited.pop(parcel.message, None)
    lane.notify(doubt=doubt)
    while lane.halts:
        await lane.ledger.commit(halt, lane.halts.pop(0))
    if (stamped := _stamped(lane, channel, answer)) is not None:
        await lane.ledger.commit(keep_stamped, stamped)
    foreign = is_foreign(answer.outcome) and not lane.adopt and not parcel.again
    if foreign and lane.ledger.read(in_doubt.is_first_use, parcel.message, number):
        if not lane.ledger.read(lanes.is_owner, lane.id, lane.epoch):
            raise _fenced()  # whoever has it now has repeated what was under way
        raise ForeignKeyUse(
            f"the API already knows {lane.campaigns[parcel.campaign].name}'s message to "
            f"{parcel.recipient}, but this ledger never sent it: another ledger has used this "
            "campaign's name",
            "find that ledger (--state), give this campaign another `name:`, or run with --adopt "
            "to take such messages as sent",
        )
    return Attempted(answer.outcome, recorded.status)


def _fenced() -> Fenced:
    return Fenced("another run has taken this team over", "see who with: run-campaign status")


def _give_back(lane: Lane, parcel: Parcel, permit: Permit, answer: Answer) -> None:
    outcome, now = answer.outcome, lane.clock.boot()
    if isinstance(outcome, Deferred) and not outcome.written:
        lane.pacer.unused(permit)
        return
    accepted = isinstance(outcome, Accepted)
    # What the API knew already became a message by the attempt before, which has been counted.
    replay = isinstance(outcome, Accepted) and outcome.replay and parcel.again
    sent = (accepted or isinstance(outcome, InDoubt)) and not replay
    lane.pacer.done(permit, now, sent=sent, accepted=accepted, told=answer.quota)


def _slow_down(lane: Lane, channel: Channel, parcel: Parcel, answer: Answer) -> Hold | None:
    """Hold back whom the answer tells to wait, before anything else goes; the hold, for later runs
    to keep too."""
    match answer.outcome:
        case Deferred(scope=Scope.SENDER, stop="", after=after) if after:
            wait, sender = after, parcel.sender
            why = f"the platform slows {sender} down"
        case Deferred(scope=Scope.LANE, stop="", written=True, after=after):
            wait, sender = hold_of(after), ""
            why = "the API's request limit (429)"
        case _:
            return None
    lane.pacer.hold(lane.clock.boot() + wait, why, sender or None)
    wait = min(wait, DAY)
    return Hold(
        lane.id, sender, channel.server_now() + wait, why, wait=wait, set_at=lane.clock.now()
    )


def _stamped(lane: Lane, channel: Channel, answer: Answer) -> Stamped | None:
    """How an acceptance's message was stamped, if that is news in this hour."""
    if answer.stamped_at is None or answer.server_at is None:
        return None
    if not isinstance(answer.outcome, Accepted):
        return None  # its id is another row's: so may be its stamp
    now = lane.clock.now()
    behind = Behind(max(0.0, answer.server_at - answer.stamped_at), now - answer.stamped_at)
    found = Stamped(lane.id, channel.base_url, now, behind)
    before = lane.stamped.get(found.key)
    if before is not None and before.hour == found.hour:
        further = behind.joined(before.behind)
        grown = (each - kept for each, kept in zip(further, before.behind, strict=True))
        if max(grown) <= CLOCK_SLACK:
            return None
        found = replace(found, behind=further)
    lane.stamped[found.key] = found
    return found


def _result(lane: Lane, channel: Channel, parcel: Parcel, number: int, answer: Answer) -> Result:
    settings = lane.campaigns[parcel.campaign]
    outcome = answer.outcome
    after, counts = 0.0, False
    match outcome:
        case InDoubt(after=known):
            after = known if known is not None else pause(number)
        case Deferred(reason=reason) if reason == HELD_BACK:
            pass  # whatever held it back says until when
        case Deferred(written=False, scope=Scope.MESSAGE):
            after = pause(number)  # too late: this machine is slow, not the person's message
        case Deferred(scope=scope, written=written, stop=stop):
            # A team's or the network's waits are nobody's fault in particular.
            counts = scope is not Scope.LANE and not stop
            if scope is Scope.LANE and written and not stop:
                after, counts = limited_in(lane, parcel.message, outcome.after)
    return Result(
        message=parcel.message,
        number=number,
        evidence=evidence_of(outcome),
        at=lane.clock.now(),
        sent_at=lane.moment(channel),
        via=(lane.id, channel.base_url),
        reason=_reason(outcome),
        detail="" if isinstance(outcome, Accepted) else outcome.detail,
        http_status=answer.status,
        request_id=answer.request_id,
        message_id="" if isinstance(outcome, Rejected | Deferred) else outcome.message_id,
        thread_id=outcome.thread_id if isinstance(outcome, Accepted) else "",
        not_before=lane.clock.now() + after if after else 0.0,
        counts=counts,
        attempts_allowed=settings.attempts,
    )


def _reason(outcome: Accepted | Rejected | Deferred | InDoubt) -> str:
    if isinstance(outcome, Accepted):
        return "replayed" if outcome.replay else ""
    return outcome.reason


def _act(lane: Lane, parcel: Parcel, answer: Answer) -> None:
    """What an answer means beyond its own message."""
    now = lane.clock.boot()
    outcome = answer.outcome
    if answer.status:
        lane.network_failures = 0
    match outcome:
        case Deferred(stop=stop, scope=Scope.LANE) | InDoubt(stop=stop, scope=Scope.LANE) if stop:
            lane.stop(stop)
        case Deferred(stop=stop, scope=Scope.SENDER) if stop:
            lane.stop_sender(parcel.sender, stop)
        case Deferred(scope=Scope.LANE, written=False) if lane.pacer.held_until <= now:
            lane.network_failures += 1
            lane.pacer.hold(now + pause(lane.network_failures), f"network: {outcome.detail}")


def _judge(lane: Lane, parcel: Parcel, outcome: Outcome, status: MessageStatus) -> None:
    """Let the campaign's guard see what became of a message."""
    guard = lane.guard_of(parcel.campaign)
    if isinstance(outcome, Accepted):
        guard.accepted(parcel.message)
        return
    unsent = isinstance(outcome, Rejected | InDoubt) or status is MessageStatus.FAILED
    if not unsent or (isinstance(outcome, InDoubt) and outcome.stop):
        return
    news = guard.failed(
        parcel.message,
        in_doubt=status is MessageStatus.IN_DOUBT,
        alone=is_of_one_message(outcome),
    )
    why, now = guard.why(), lane.clock.now()
    if why and parcel.campaign not in lane.braked:
        why = f"{why}, the last one: {outcome.reason} {outcome.detail}".rstrip()
        guarded = Halt(now, why, campaign=parcel.campaign, kind=BrakeKind.GUARDED)
        lane.halts.append(guarded)
        lane.brake(parcel.campaign, Brake(BrakeKind.GUARDED, now, why=why))
    elif news and isinstance(outcome, InDoubt) and guard.failures > 2:
        wait = pause(guard.failures - 2)
        lane.pacer.hold(lane.clock.boot() + wait, f"after {guard.failures} failures in a row")


def _event(lane: Lane, parcel: Parcel, answer: Answer, recorded: Recorded) -> Event:
    at, name = lane.clock.now(), lane.campaigns[parcel.campaign].name
    about = (at, name, parcel.recipient.id, parcel.sender)
    outcome = answer.outcome
    if isinstance(outcome, Accepted):
        if recorded.doubled:
            return MessageDoubled(*about, outcome.message_id)
        return MessageSent(*about, outcome.message_id, outcome.thread_id, parcel.again)
    told = (*about, outcome.reason, outcome.detail)
    match recorded.status:
        case MessageStatus.REJECTED:
            return MessageRejected(*told)
        case MessageStatus.FAILED:
            return MessageFailed(*told)
        case MessageStatus.IN_DOUBT:
            return MessageInDoubt(*told)
        case MessageStatus.SKIPPED if recorded.passed:
            return MessageSkipped(*about, recorded.passed.reason, recorded.passed.detail)
        case _:
            return MessageDeferred(*told)
