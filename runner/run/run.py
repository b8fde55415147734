"""A run: campaigns are prepared, planned, and driven until nothing of them is left to send."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner import __version__
from runner.errors import LedgerError, LedgerLocked, RunnerError
from runner.events import Ended, LaneStarted
from runner.ledger import lanes
from runner.ledger.campaigns import bound_team
from runner.ledger.campaigns.brakes import BrakeKind
from runner.ledger.ledger import Ledger
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.planning.dates.eta import Queue, allowed, when_done, with_follow_ups
from runner.planning.draft import Draft, known_handles, make_draft
from runner.project.campaign_files import load
from runner.project.ledgers.ledger_location import ledger_location
from runner.project.ledgers.old_copies import keep_progress
from runner.run.metrics_source import measure_lanes
from runner.run.preparation.options import Options, Surroundings
from runner.run.preparation.permission import find_brakes
from runner.run.preparation.prepare import PreparedRun, Steps, prepare, served_at
from runner.run.signals import drain_after, obey_signals
from runner.sending.controls.live_controls import obey_controls, withdraw_returned
from runner.sending.controls.message_limit import MessageLimit
from runner.sending.controls.watched_lists import WatchedLists, watched_lists
from runner.sending.drive import drive_lane
from runner.sending.inbox.tagger import tagging
from runner.sending.lane import Lane
from runner.status.status import status_of

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
from runner.run.exit_code import RunResult

_S = MessageStatus

READERS = 4
"""Threads that read the ledger, lists and names of hosts beside the loop. By default there would be
more of them the more processors a machine has, each with a connection of its own."""


def run_campaigns(paths: Sequence[Path], options: Options, around: Surroundings) -> RunResult:
    """Run campaigns of one ledger: plan what is new, settle what is in doubt, send what is queued.

    Raises RunnerError for what a person has to see to before anything can be sent.
    """
    campaigns = [served_at(campaign, options) for campaign in load(paths)]
    location = ledger_location(options.state, around.environ, campaigns, live=True)
    read = partial(make_draft, new_campaign=options.new_campaign, rest_with=options.rest_with)
    steps = Steps(read, around.open_ledger)
    result = RunResult()
    with prepare(campaigns, location, options, around, steps) as run:
        if run is None:
            return RunResult(declined=True)
        while run.plan():
            result = drive(run)
            left_out = [each for each in campaigns if each not in run.campaigns]
            _count_left_out(result, run.ledger, left_out)
            if not _has_unplanned(run, result):
                return result
        result.declined = not result.statuses
        return result


def _count_left_out(result: RunResult, ledger: Ledger, campaigns: Sequence[Campaign]) -> None:
    """Count campaigns that were stopped before they could begin like those stopped later."""
    kinds = {brake.kind for brake in find_brakes(ledger, campaigns).values()}
    result.paused |= bool(campaigns)
    result.guarded |= BrakeKind.GUARDED in kinds


def _has_unplanned(run: PreparedRun, result: RunResult) -> bool:
    """Return whether something came back into the queue that no plan has looked at: its campaign is
    planned again then, since a row may be gone, its text changed, its person suppressed."""
    if result.interrupted or result.drained or result.halted or result.guarded:
        return False  # what a guard has stopped waits for a person to run it again
    stopped = find_brakes(run.ledger, [draft.campaign for draft in run.drafts])
    ids = [d.id for d in run.drafts if d.id is not None and d.campaign.name not in stopped]
    return run.ledger.read(totals.unplanned, ids) > 0


def drive(prepared: PreparedRun) -> RunResult:
    """Take the lanes of a prepared run and drive them to their end. Its drafts have just been
    planned, or nothing new is to be sent."""
    ledger, options, around = prepared.ledger, prepared.options, prepared.around
    for team in prepared.teams:
        for draft in team.drafts:
            assert draft.id is not None
            ledger.write(bound_team.bind, draft.id, team.origin, team.id)
    run = ledger.write(lanes.begin_run, around.clock.now(), __version__)
    result = RunResult()
    try:
        driven = around.run(_drive(prepared, run))
    except (KeyboardInterrupt, asyncio.CancelledError):
        result.interrupted = True
        driven = []
    except LedgerLocked:
        raise  # what holds the ledger is not waited for once more
    except RunnerError as error:
        with contextlib.suppress(LedgerError):  # it may be the ledger that failed
            ledger.write(lanes.end_run, run, around.clock.now(), f"stopped: {error}")
        raise
    for lane in driven:
        result.interrupted |= lane.stops.is_interrupted
        kinds = {brake.kind for brake in lane.stops.campaigns.values()}
        result.guarded |= BrakeKind.GUARDED in kinds
        result.paused |= bool(kinds - {BrakeKind.GUARDED})
        result.halted |= bool(lane.stops.lane)
        result.drained |= lane.stops.is_draining or options.limit is not None or not options.sends
        result.stopped += [lane.stops.lane] if lane.stops.lane else []
        result.stopped += [f"{who}: {why}" for who, why in lane.stops.senders.items()]
        withdraw_returned(lane)
    for draft in prepared.drafts:
        assert draft.row is not None
        file, at = str(draft.campaign.path), around.clock.now()
        status = ledger.read(status_of, draft.row, at, file, with_driver=False)
        result.statuses.append(status)
        counts = {str(each): count for each, count in status.counts.items()}
        around.bus.emit(Ended(around.clock.now(), status.campaign, counts))
    ending = "interrupted" if result.interrupted else f"exit {result.exit_code}"
    ending += "".join(f"; {why}" for why in dict.fromkeys(result.stopped))
    ledger.write(lanes.end_run, run, around.clock.now(), ending)
    return result


async def _drive(prepared: PreparedRun, run: int) -> list[Lane]:
    ledger, options, around = prepared.ledger, prepared.options, prepared.around
    teams = prepared.teams
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(READERS, "reader"))
    driven: list[Lane] = []
    limit = MessageLimit(options.limit)  # of all lanes together
    opened = [
        await team.open_lane(
            team.drafts,
            ledger,
            run,
            around.clock,
            around.bus,
            only=options.only,
            limit=limit,
            adopt=options.adopt,
            idle_after=options.idle_after,
            undisturbed=options.throwaway,
        )
        for team in teams
    ]
    lists = [
        (lane, _lists_of(draft, ledger))
        for team, lane in zip(teams, opened, strict=True)
        for draft in team.drafts
    ]

    def stop(error: BaseException) -> None:
        for lane in driven:
            lane.stops.fail(error)

    try:
        driven += opened
        _tell_start(prepared)
        async with keep_progress(prepared.seen, ledger, stop):
            with (
                obey_signals(driven, around.bus, around.clock),
                drain_after(options.stop_after, driven),
            ):
                async with (
                    measure_lanes(around.bus.measures, ledger, around.clock, lambda: driven),
                    obey_controls(
                        driven,
                        sending=options.sends and options.limit != 0,
                        lists=lists,
                        every=options.controls_every,
                    ),
                    tagging([each for team in teams for each in team.taggers if options.sends]),
                ):
                    ends = await asyncio.gather(
                        *(drive_lane(lane, sends=options.sends) for lane in driven),
                        return_exceptions=True,
                    )
    finally:
        for team in teams:
            await team.close()
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return driven


def _lists_of(draft: Draft, ledger: Ledger) -> WatchedLists:
    assert draft.id is not None
    audience, known = draft.audience, draft.files[1:]
    handles = partial(known_handles, draft.campaign, ledger)
    return watched_lists(
        draft.id, draft.campaign, audience.id_type, audience.id_column, known, handles
    )


def _tell_start(prepared: PreparedRun) -> None:
    ledger, around, drafts = prepared.ledger, prepared.around, prepared.drafts
    queued: dict[str, int] = {}
    to_follow: dict[str, int] = {}
    doubts: dict[str, int] = {}
    before: dict[str, dict[str, int]] = {}
    queues: list[tuple[Draft, Queue]] = []
    by_sender: Counter[str] = Counter()
    for draft in drafts:
        assert draft.row is not None
        status = ledger.read(status_of, draft.row, around.clock.now(), with_driver=False)
        queued[status.campaign] = status.counts[_S.QUEUED] - status.time_running
        to_follow[status.campaign] = status.to_follow
        doubts[status.campaign] = status.counts[_S.IN_DOUBT] + status.counts[_S.SENDING]
        ended = {str(each): status.counts[each] for each in (_S.SENT, _S.REJECTED, _S.FAILED)}
        before[status.campaign] = ended
        queues.append((draft, with_follow_ups(ledger, draft.row.id, status.waiting)))
        for each in status.waiting:
            by_sender[each.sender] += 0 if each.follows else each.count
    now = around.clock.now()
    waiting = any(queue for _, queue in queues)
    done = when_done(queues, ledger, around.clock) if waiting else None
    # Teams that do not share their limits have no one rate.
    one_team = waiting and len(prepared.teams) == 1
    most = allowed([draft.campaign for draft in drafts]) if one_team else None
    around.bus.emit(
        LaneStarted(
            now,
            queued,
            doubts,
            None if done is None else done.finish_at(now),
            prepared.options.limit,
            dict(by_sender),
            "" if done is None else done.binds,
            most.per_hour if most is not None and most.per_hour < math.inf else None,
            "" if most is None else most.by,
            before,
            {id: handle for team in prepared.teams for id, handle in team.handles.items()},
            to_follow,
            None if done is None or done.earliest is None else done.earliest_at(now),
        )
    )
