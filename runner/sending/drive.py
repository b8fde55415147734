"""Driving a lane: settle what is in doubt, send what is queued, until nothing is due.

A lane is a team's token and all that is sent with it, by one or several campaigns. One owner
drives it at a time: an epoch in the ledger fences every earlier one, and on SQLite a file lock
that dies with its process keeps a second run out.
"""

from __future__ import annotations

import asyncio

from runner.ledger.campaigns import brakes
from runner.ledger.doubts import in_doubt, orphans
from runner.ledger.messages import usage
from runner.ledger.rehearsals import is_rehearsal
from runner.restored_pacer import restore_pacer
from runner.sending.dispatcher import Dispatcher
from runner.sending.inbox.reply_poll import replies_read
from runner.sending.lane import Lane
from runner.sending.reconciler import Reconciler


async def drive_lane(lane: Lane, *, sends: bool = True) -> None:
    """Drive a lane that this run owns, and whose limits are restored, until nothing is due, its
    limit is reached, or it ends. `sends=False`: only what is in doubt is settled.

    Raises the lane's error: LedgerError, Fenced, ForeignKeyUse, ChannelError. `lane.stops` says how
    it ended otherwise.
    """
    lane.in_flight.settling = await asyncio.to_thread(_recover, lane)
    _release_senders(lane)
    _record_stops(lane)
    async with replies_read(lane):
        reconciler = Reconciler(lane)
        await _send_and_settle(lane, reconciler, sends=sends)
        while sends and _has_become_due(lane):
            await _send_and_settle(lane, reconciler, sends=True)
    if lane.stops.error is not None:
        raise lane.stops.error
    _record_stops(lane)
    _record_gaps(lane)


async def _send_and_settle(lane: Lane, reconciler: Reconciler, *, sends: bool) -> None:
    """Settle what is in doubt and send what is queued, until nothing is due."""
    lane.in_flight.is_dispatched = False
    settling = asyncio.create_task(reconciler.run(), name="reconcile")
    try:
        if sends:
            await Dispatcher(lane).run()
        lane.in_flight.is_dispatched = True
        lane.notify()
        await settling
    finally:
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)


def _has_become_due(lane: Lane) -> bool:
    """Return whether something is to be sent that was held up when nothing else was left: by a
    doubt that a look-up has settled since, once its key was too old to be repeated, or by an answer
    that could not be read until now."""
    return not lane.stops.is_ending and lane.limit.left != 0 and bool(lane.waiting())


def _release_senders(lane: Lane) -> None:
    """Let senders go on that an earlier run stopped, except those that cannot send now for the same
    reason."""
    before = lane.ledger.read(brakes.stopped_senders, lane.pacer.senders.keys())
    same = {id for id, each in before.items() if lane.stops.senders.get(id) == each.why}
    lane.stops.forget_unrecorded(same)
    if released := before.keys() - same:
        lane.ledger.write(brakes.release_senders, sorted(released), lane.clock.now())


def _record_stops(lane: Lane) -> None:
    """Write down what was stopped, for status and later runs."""
    if halts := lane.stops.take_unrecorded():
        lane.ledger.write(brakes.halt, halts)


def _recover(lane: Lane) -> int:
    """Put in doubt what a dead owner was sending, and return how many are in doubt."""
    lane.ledger.write(orphans.recover_orphaned, lane.id, lane.clock.now())
    return len(lane.ledger.read(in_doubt.in_doubt, lane.stops.running))


async def restore_limits(lane: Lane) -> None:
    """Take back what was used of the limits, however our clock has been set since: of a lane that
    asks and sends nothing yet. A team's day is many rows, so that a thread reads them."""
    await asyncio.to_thread(
        restore_pacer,
        lane.pacer,
        lane.ledger,
        [lane.id],
        lane.clock,
        timeout=lane.timeout,
        rehearsal=is_rehearsal(lane.id),
        server=_server_now(lane),
    )


def _record_gaps(lane: Lane) -> None:
    """Write down what is left of the pauses drawn, for the next owner of the lane."""
    left = lane.pacer.gaps_left(lane.clock.boot())
    if left:
        server = _server_now(lane)
        until = {sender: server + seconds for sender, seconds in left.items()}
        lane.ledger.write(usage.keep_gaps, lane.id, until)


def _server_now(lane: Lane) -> float:
    return lane.channel(next(iter(lane.campaigns))).server_now()
