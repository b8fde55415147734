"""The check immediately before a follow-up: whether the thread still ends with the message before
it. The API has no send on condition, so that an answer within this moment is not excluded."""

from __future__ import annotations

import math

from runner.channels.base import ASKED_AT, Conversations, ThreadState, UnreadableFeed
from runner.errors import LaneEnding
from runner.events import MessageDeferred, MessageSkipped
from runner.ledger.messages import follow_up_claims
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.queue import QueuedMessage
from runner.message.evidence import CLOCK_SLACK
from runner.message.follow_up import (
    GOES,
    Before,
    InThread,
    Judgement,
    StopOn,
    ThreadNow,
    judge_messages,
    judge_thread,
)
from runner.message.status import SkipReason
from runner.sending.lane import Lane

SEND_WITHIN = 5.0
"""Seconds after its thread was asked for within which a follow-up leaves, or it is asked for again.
Counted from the question, so that no answer counts that waited for a machine that slept. Our own
choice."""

RETRY_AFTER = 60.0
"""Seconds until a follow-up is tried again whose thread cannot be judged. Our own choice."""

TEAM_WIDE = (0, 401, 403, 429)
"""HTTP statuses (0: no answer) after which no other thread can be read either."""


async def thread_to_follow(lane: Lane, queued: QueuedMessage) -> str:
    """Return the thread in which a follow-up may go now; empty where it may not. Then it is
    skipped, or left alone for a while, and why is told."""
    before = lane.ledger.read(follow_up_claims.before, queued.id)
    if before is None:
        return ""  # the one before is no longer sent
    if lane.campaigns[queued.campaign].accepted_at > -math.inf:
        # What a run that this copy of the ledger does not know has sent looks like a colleague's.
        before = before._replace(stop_on=before.stop_on | {StopOn.COLLEAGUE})
    unreadable = 200
    try:
        verdict = await _judge(lane, queued.campaign, before)
    except UnreadableFeed as error:
        unreadable = error.status
        verdict = Judgement(wait=f"its thread cannot be read: {error}")
    if verdict.goes:
        verdict = _in_time(lane, queued.campaign, before)
    if verdict.goes:
        return before.thread
    about = queued.campaign_name, queued.recipient.id, queued.sender
    now = lane.clock.now()
    if verdict.skip is not None:
        lane.ledger.write(skip_late, {queued.id: LateSkip(verdict.skip, verdict.detail)})
        lane.bus.emit(MessageSkipped(now, *about, verdict.skip, verdict.detail, step=queued.step))
    elif not lane.stops.is_ending:
        until = now + RETRY_AFTER
        if unreadable in TEAM_WIDE:
            lane.ledger.write(follow_up_claims.put_all_off, queued.campaign, until, verdict.wait)
        lane.ledger.write(follow_up_claims.put_off, queued.id, until, verdict.wait)
        lane.bus.emit(
            MessageDeferred(now, *about, "thread_unclear", verdict.wait, step=queued.step)
        )
    return ""


def _in_time(lane: Lane, campaign: int, before: Before) -> Judgement:
    """Judge by the clocks: whether it is due by the API's too, and its thread was read just now."""
    early = before.due_at - lane.channel(campaign).server_now()
    if early > CLOCK_SLACK:
        return Judgement(wait="by the API's clock it is not due yet")
    if lane.clock.boot() >= leave_by():
        return Judgement(wait="its thread was read too slowly to be sure of it")
    return GOES


def leave_by() -> float:
    """Return when a follow-up whose thread this task has just read leaves at the latest (boot
    seconds)."""
    return ASKED_AT.get() + SEND_WITHIN


async def is_unanswered(lane: Lane, campaign: int, message: int) -> bool:
    """Return whether a follow-up in doubt may be repeated: nobody has answered, and its thread ends
    with the one before."""
    before = lane.ledger.read(follow_up_claims.before, message)
    if before is None or lane.ledger.read(follow_up_claims.has_answered, message):
        return False
    try:
        state = await _conversations(lane, campaign).thread(before.thread)
    except UnreadableFeed:
        return False
    return judge_thread(_now(state), before).goes


async def _judge(lane: Lane, campaign: int, before: Before) -> Judgement:
    """Judge a thread by itself, and by its messages where that is not enough. Raises UnreadableFeed
    where it cannot be read."""
    if not before.thread or not before.message_id:
        return Judgement(SkipReason.THREAD_GONE, "the thread of the message before is not known")
    conversations = _conversations(lane, campaign)
    try:
        verdict = judge_thread(_now(await conversations.thread(before.thread)), before)
        if not verdict.look_further:
            return verdict
        messages = await conversations.newest(before.thread)
    except LaneEnding:
        return Judgement(wait="the run is ending")
    if messages is None:
        return judge_thread(None, before)
    known = lane.ledger.read(follow_up_claims.ours_among, [each.id for each in messages])
    return judge_messages([InThread(m.id, m.ours, m.id in known) for m in messages], before)


def _conversations(lane: Lane, campaign: int) -> Conversations:
    conversations = lane.channel(campaign).conversations
    assert conversations is not None  # campaigns with steps are of version 2
    return conversations


def _now(state: ThreadState | None) -> ThreadNow | None:
    if state is None:
        return None
    return ThreadNow(
        state.last_id,
        state.last_inbound,
        state.last_at,
        state.assignee,
        state.syncing,
        state.restricted,
    )
