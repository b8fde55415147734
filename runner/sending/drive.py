"""Driving a lane: settle what is in doubt, send what is queued, until nothing is due.

A lane is a team's token and all that is sent with it, by one or several campaigns. One owner
drives it at a time: an epoch in the ledger fences every earlier one, and on SQLite a file lock
that dies with its process keeps a second run out.
"""

from __future__ import annotations

import asyncio

from runner.ledger.campaigns import brakes
from runner.ledger.messages import in_doubt, outcomes, usage
from runner.ledger.rehearsals import is_rehearsal
from runner.pacing.windows import DAY
from runner.sending.dispatcher import Dispatcher
from runner.sending.lane import Lane
from runner.sending.reconciler import Reconciler


async def drive_lane(lane: Lane, limit: int | None = None, *, sends: bool = True) -> None:
    """Drive a lane that this run owns until nothing is due, `limit` messages are sent or repeated,
    or it ends. `sends=False`: only what is in doubt is settled.

    Raises what stopped it: LedgerError, Fenced, ForeignKeyUse, ChannelError. How it ended
    otherwise stands in the lane: `stopped`, `stopped_senders`, `draining`.
    """
    lane.ledger.write(outcomes.orphan, lane.id, lane.clock.now())
    _release_senders(lane)
    _keep_halts(lane)
    _restore_pace(lane)
    lane.settling = len(lane.ledger.read(in_doubt.in_doubt, lane.moving))
    settling = asyncio.create_task(Reconciler(lane).run(), name="reconcile")
    try:
        lane.left = limit
        if sends:
            await Dispatcher(lane).run()
        lane.dispatched = True
        lane.notify()
        await settling
    finally:
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
    if lane.error is not None:
        raise lane.error
    _keep_halts(lane)
    _keep_gaps(lane)


def _keep_gaps(lane: Lane) -> None:
    """Write down what is left of the pauses drawn, for whoever drives the lane next."""
    left = lane.pacer.gaps_left(lane.clock.boot())
    if left:
        server = _server_now(lane)
        until = {sender: server + seconds for sender, seconds in left.items()}
        lane.ledger.write(usage.keep_gaps, lane.id, until)


def _server_now(lane: Lane) -> float:
    settings = next(iter(lane.campaigns.values()))
    return lane.channel_for(settings.version, settings.base_url).server_now()


def _release_senders(lane: Lane) -> None:
    """Let go on what an earlier run stopped, but for what cannot send now for the same reason."""
    before = lane.ledger.read(brakes.stopped_senders, lane.pacer.senders.keys())
    same = {id for id, each in before.items() if lane.stopped_senders.get(id) == each.why}
    lane.halts = [each for each in lane.halts if each.sender not in same]
    if released := before.keys() - same:
        lane.ledger.write(brakes.release_senders, sorted(released), lane.clock.now())


def _keep_halts(lane: Lane) -> None:
    """Write down what was stopped, for whoever asks after this run."""
    halts, lane.halts = lane.halts, []
    if halts:
        lane.ledger.write(brakes.halt, halts)


def _restore_pace(lane: Lane) -> None:
    """Take back what was used of the limits, however our clock has been set since."""
    wall, now, rehearsal = lane.clock.now(), lane.clock.boot(), is_rehearsal(lane.id)
    server = _server_now(lane)
    was_ahead = lane.ledger.read(usage.server_ahead, lane.id)
    gained = 0.0 if was_ahead is None else wall - (server - was_ahead)
    # A day more than the longest window: the clock may have been set within a run too.
    since, server_since = wall - 2 * DAY - max(0.0, gained), min(server, wall) - 2 * DAY
    lane.pacer.restore(
        lane.ledger.read(usage.past_requests, lane.id, since, server_since)
        if lane.pacer.team
        else (),
        lane.ledger.read(usage.past_sends, lane.pacer.limited, server_since, rehearsal=rehearsal),
        now=now,
        wall=wall,
        timeout=lane.timeout,
        server=server,
        gained=gained,
        days=lane.ledger.read(usage.days_sent, lane.pacer.warming_up, rehearsal=rehearsal),
    )
    for hold in lane.ledger.read(usage.past_holds, lane.id, list(lane.pacer.senders)):
        left = hold.left(wall, server)
        lane.pacer.hold_again(left, hold.why, hold.sender or None, now=now)
    for sender, until in lane.ledger.read(usage.past_gaps, lane.id).items():
        lane.pacer.gap_again(sender, until - server, now=now)
