"""The story of a run: load -> audience -> plan -> ledger -> lane -> report."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runner import __version__
from runner.errors import LedgerError, LedgerLocked, RunnerError
from runner.events import Ended, LaneStarted
from runner.ledger import lanes
from runner.ledger.campaigns import registry
from runner.ledger.campaigns.brakes import BrakeKind
from runner.ledger.copies.staleness import Memory
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.planning.draft import Draft, make_draft
from runner.planning.eta import Queue, allowed, when_done
from runner.planning.selection import refuse_unknown
from runner.planning.start import agreed_to_start_late
from runner.project.campaign_files import load
from runner.project.credentials import read_token
from runner.project.ledger_location import ledger_location
from runner.project.old_copies import kept
from runner.run.metrics_source import looked_at, measured
from runner.run.options import Options, Surroundings
from runner.run.permission import brakes_on, go_on_after_guard, that_may_run
from runner.run.prepare import agreed, draft_again, hold_lanes, plan, remembering, served_at, warn
from runner.run.review import reviewed
from runner.run.signals import draining_after, obeying_signals
from runner.run.team import Crew, meet
from runner.sending.drive import drive_lane
from runner.sending.lane import Lane
from runner.sending.live_controls import listening, withdraw_what_came_back
from runner.sending.watched_lists import WatchedLists, watched_lists
from runner.status.status import Status, status_of

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign

_S = MessageStatus


@dataclass(slots=True)
class RunResult:
    """How a run ended."""

    statuses: list[Status] = field(default_factory=list)
    declined: bool = False
    interrupted: bool = False
    drained: bool = False  # ended early: --limit, --stop-after, --until-idle
    guarded: bool = False
    paused: bool = False  # a person has paused or cancelled a campaign
    halted: bool = False  # a whole lane stopped; else only senders did
    stopped: list[str] = field(default_factory=list)  # what a person must see to

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return 130
        if self.guarded:
            return 5
        if self.stopped:
            return 1
        if self.paused:
            return 6
        open_ = (_S.FAILED, _S.IN_DOUBT, _S.SENDING)
        if any(status.counts[each] for status in self.statuses for each in open_):
            return 4
        if any(status.blocked for status in self.statuses):
            return 4
        return 0


def run_campaigns(paths: Sequence[Path], options: Options, around: Surroundings) -> RunResult:
    """Run campaigns of one ledger: plan what is new, settle what is in doubt, send what is queued.

    Raises RunnerError for whatever a person has to see to before anything can be sent.
    """
    now = around.clock.now
    campaigns = [served_at(campaign, options) for campaign in load(paths)]
    location = ledger_location(options.state, around.environ, campaigns, live=True)
    tokens = {c.name: options.token or read_token(c, around.environ, location) for c in campaigns}
    # The lanes are let go last, when everything is committed.
    with ExitStack() as held, open_ledger(location) as ledger:
        measured(ledger, around.bus.measures, around.clock)
        memory = remembering(ledger, options, around, campaigns)
        named, before = campaigns, brakes_on(ledger, campaigns)
        campaigns = that_may_run(ledger, campaigns, around.bus, now())
        drafts = [make_draft(c, ledger, new_campaign=options.new_campaign) for c in campaigns]
        warn(drafts, around)
        yes, confirm = options.yes, around.confirm
        if not agreed_to_start_late(drafts, ledger, now(), yes=yes, confirm=confirm):
            return RunResult(declined=True)
        if not reviewed(drafts, ledger, options, around):
            return RunResult(declined=True)
        refuse_unknown(drafts, ledger, options.only)
        crews = asyncio.run(meet(drafts, tokens, ledger, around.clock, around.bus))
        hold_lanes(held, ledger, crews, options.wait, around.clock)
        result, looked_at = RunResult(), [draft.files for draft in drafts]
        while True:
            # Waiting, and sending, may take hours: what was said or stopped meanwhile counts.
            campaigns = that_may_run(ledger, campaigns, around.bus, now(), before)
            crews = _crews_of(campaigns, crews)
            draft_again(crews, ledger, options)
            rows = [draft.row for crew in crews for draft in crew.drafts if draft.row is not None]
            go_on_after_guard(ledger, rows, around.bus, now())
            drafts = [draft for crew in crews for draft in crew.drafts]
            edited = [draft for draft in drafts if draft.files not in looked_at]
            if not reviewed(edited, ledger, options, around):
                result.declined = not result.statuses
                return result
            looked_at += [draft.files for draft in edited]
            # Asked again when the files have changed since: nobody is written to unagreed.
            if around.ask is not None and not agreed(crews, ledger, options, around):
                result.declined = not result.statuses
                return result
            plan(crews, ledger, options, around)
            result = drive(crews, ledger, options, around, memory)
            _tell_left_out(result, ledger, [each for each in named if each not in campaigns])
            if not _goes_on(crews, ledger, result):
                return result


def _crews_of(campaigns: Sequence[Campaign], crews: Sequence[Crew]) -> list[Crew]:
    """Only these campaigns' drafts, in crews that have any."""
    for crew in crews:
        crew.drafts = [draft for draft in crew.drafts if draft.campaign in campaigns]
    return [crew for crew in crews if crew.drafts]


def _tell_left_out(result: RunResult, ledger: Ledger, campaigns: Sequence[Campaign]) -> None:
    """What was stopped before it could begin is no better than what was stopped later."""
    kinds = {brake.kind for brake in brakes_on(ledger, campaigns).values()}
    result.paused |= bool(campaigns)
    result.guarded |= BrakeKind.GUARDED in kinds


def _goes_on(crews: Sequence[Crew], ledger: Ledger, result: RunResult) -> bool:
    """Whether something came back into the queue that no plan has looked at: then the campaign is
    planned again, since its row may be gone, its text changed, its person suppressed."""
    if result.interrupted or result.drained or result.halted or result.guarded:
        return False  # what a guard has stopped waits for a person to run it again
    drafts = [draft for crew in crews for draft in crew.drafts]
    stopped = brakes_on(ledger, [draft.campaign for draft in drafts])
    ids = [d.id for d in drafts if d.id is not None and d.campaign.name not in stopped]
    return ledger.read(totals.unplanned, ids) > 0


def drive(
    crews: Sequence[Crew],
    ledger: Ledger,
    options: Options,
    around: Surroundings,
    memory: Memory | None,
) -> RunResult:
    """Own the lanes of these crews and drive them to their end. Their drafts have just been
    planned, or nothing new is to be sent."""
    now = around.clock.now()
    for crew in crews:
        for draft in crew.drafts:
            assert draft.id is not None
            ledger.write(registry.bind, draft.id, crew.origin, crew.team)
    run = ledger.write(lanes.begin_run, now, __version__)
    result = RunResult()
    try:
        driven = asyncio.run(_drive(crews, ledger, run, options, around, memory))
    except (KeyboardInterrupt, asyncio.CancelledError):
        result.interrupted = True
        driven = []
    except LedgerLocked:
        raise  # whoever holds the ledger is not waited for once more
    except RunnerError as error:
        with contextlib.suppress(LedgerError):  # it may be the ledger that failed
            ledger.write(lanes.end_run, run, around.clock.now(), f"stopped: {error}")
        raise
    for lane in driven:
        result.interrupted |= lane.interrupted
        kinds = {brake.kind for brake in lane.braked.values()}
        result.guarded |= BrakeKind.GUARDED in kinds
        result.paused |= bool(kinds - {BrakeKind.GUARDED})
        result.halted |= bool(lane.stopped)
        result.drained |= lane.draining or options.limit is not None or not options.sends
        result.stopped += [lane.stopped] if lane.stopped else []
        result.stopped += [f"{who}: {why}" for who, why in lane.stopped_senders.items()]
        withdraw_what_came_back(lane)
    drafts = [draft for crew in crews for draft in crew.drafts]
    for draft in drafts:
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


async def _drive(
    crews: Sequence[Crew],
    ledger: Ledger,
    run: int,
    options: Options,
    around: Surroundings,
    memory: Memory | None,
) -> list[Lane]:
    driven: list[Lane] = []
    opened = [crew.open_lane(crew.drafts, ledger, run, around.clock, around.bus) for crew in crews]
    lists = [
        (lane, _lists_of(draft))
        for crew, lane in zip(crews, opened, strict=True)
        for draft in crew.drafts
    ]

    def stop(error: BaseException) -> None:
        for lane in driven:
            lane.fail(error)

    try:
        for lane in opened:
            lane.only, lane.adopt, lane.idle_after = options.only, options.adopt, options.idle_after
            driven.append(lane)
        _tell_start(crews, ledger, options, around)
        async with kept(memory, ledger, stop):
            with (
                obeying_signals(driven, around.bus, around.clock),
                draining_after(options.stop_after, driven),
            ):
                async with (
                    looked_at(around.bus.measures, ledger, around.clock, lambda: driven),
                    listening(driven, sending=options.sends and options.limit != 0, lists=lists),
                ):
                    ends = await asyncio.gather(
                        *(drive_lane(lane, options.limit, sends=options.sends) for lane in driven),
                        return_exceptions=True,
                    )
    finally:
        for crew in crews:
            await crew.close()
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return driven


def _lists_of(draft: Draft) -> WatchedLists:
    assert draft.id is not None
    audience, known = draft.audience, draft.files[1:]
    return watched_lists(draft.id, draft.campaign, audience.id_type, audience.id_column, known)


def _tell_start(
    crews: Sequence[Crew], ledger: Ledger, options: Options, around: Surroundings
) -> None:
    drafts = [draft for crew in crews for draft in crew.drafts]
    queued: dict[str, int] = {}
    doubts: dict[str, int] = {}
    before: dict[str, dict[str, int]] = {}
    queues: list[tuple[Draft, Queue]] = []
    for draft in drafts:
        assert draft.row is not None
        status = ledger.read(status_of, draft.row, around.clock.now(), with_driver=False)
        queued[status.campaign] = status.counts[_S.QUEUED]
        doubts[status.campaign] = status.counts[_S.IN_DOUBT] + status.counts[_S.SENDING]
        ended = {str(each): status.counts[each] for each in (_S.SENT, _S.REJECTED, _S.FAILED)}
        before[status.campaign] = ended
        queues.append((draft, status.waiting))
    now = around.clock.now()
    waiting = any(queue for _, queue in queues)
    done = when_done(queues, ledger, around.clock) if waiting else None
    by_sender: Counter[str] = Counter()
    for _, queue in queues:
        for each in queue:
            by_sender[each.sender] += each.count
    # Teams that do not share their limits have no one rate.
    one_team = waiting and len(crews) == 1
    most = allowed([draft.campaign for draft in drafts]) if one_team else None
    around.bus.emit(
        LaneStarted(
            now,
            queued,
            doubts,
            None if done is None else done.finish_at(now),
            options.limit,
            dict(by_sender),
            "" if done is None else done.binds,
            most.per_hour if most is not None and most.per_hour < math.inf else None,
            "" if most is None else most.by,
            before,
        )
    )
