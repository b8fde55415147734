"""The story of a run: load -> audience -> plan -> ledger -> lane -> report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from runner import __version__
from runner.attempt.lane import Lane
from runner.campaign import Campaign, Schedule
from runner.channels import Token
from runner.clock import Clock
from runner.errors import LedgerError, LedgerLocked, RunnerError
from runner.events import Ended, EventBus, LaneStarted, Notice
from runner.forecast import Forecast
from runner.lane import drive_lane
from runner.ledger import (
    Ledger,
    age,
    decisions,
    lanes,
    open_ledger,
    planning,
    views,
)
from runner.ledger.age import Memory
from runner.ledger.brakes import BrakeKind
from runner.message import MessageStatus
from runner.report import Status, status_of
from runner.run.ending import draining_after, obeying_signals
from runner.run.finish import Queue, when_done
from runner.run.holding import hold_lane
from runner.run.listening import listening
from runner.run.may_run import brakes_on, go_on_after_guard, that_may_run
from runner.run.meeting import Crew, meet
from runner.run.memory import kept, may_change
from runner.run.opening import load
from runner.run.places import ledger_location
from runner.run.plans import is_unchanged, reading, refuse_changes, write_plan
from runner.run.preview import Preview, preview
from runner.run.setup import Draft, known_characters, make_draft, read_token, refuse_edited
from runner.run.starting import Confirm, agreed_to_start_late
from runner.run.starting import warnings as never_open

_S = MessageStatus


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks of a run. Times in seconds.

    `at` and `token` serve a run against another address (the sandbox); `unpaced` then switches
    limits and schedule off, and nobody needs to remember a `throwaway` ledger.
    """

    state: str | None = None
    yes: bool = False
    accept_changes: bool = False
    new_campaign: bool = False
    adopt: bool = False
    accept_old_ledger: bool = False
    wait: bool = False
    limit: int | None = None
    only: frozenset[str] = frozenset()
    idle_after: float | None = None
    stop_after: float | None = None
    at: str | None = None
    token: Token | None = None
    unpaced: bool = False
    throwaway: bool = False


Ask = Callable[[Sequence[Preview], Forecast], bool]
"""Shows a person what is about to be sent and asks; True to go on."""


@dataclass(slots=True)
class Surroundings:
    """What a run takes from outside. `ask` and `confirm` are None when nobody is to be asked."""

    clock: Clock
    bus: EventBus
    environ: Mapping[str, str]
    ask: Ask | None = None
    confirm: Confirm | None = None


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
        memory = remembering(ledger, options, around, [campaign.name for campaign in campaigns])
        named, before = campaigns, brakes_on(ledger, campaigns)
        campaigns = that_may_run(ledger, campaigns, around.bus, now())
        drafts = [make_draft(c, ledger, new_campaign=options.new_campaign) for c in campaigns]
        _warn(drafts, around)
        yes, confirm = options.yes, around.confirm
        if not agreed_to_start_late(drafts, ledger, now(), yes=yes, confirm=confirm):
            return RunResult(declined=True)
        crews = asyncio.run(meet(drafts, tokens, ledger, around.clock, around.bus))
        hold_lanes(held, ledger, crews, options.wait, around.clock)
        result = RunResult()
        while True:
            # Waiting, and sending, may take hours: what was said or stopped meanwhile counts.
            campaigns = that_may_run(ledger, campaigns, around.bus, now(), before)
            crews = _crews_of(campaigns, crews)
            _draft_again(crews, ledger, options)
            rows = [draft.row for crew in crews for draft in crew.drafts if draft.row is not None]
            go_on_after_guard(ledger, rows, around.bus, now())
            # Asked again when the files have changed since: nobody is written to unagreed.
            if around.ask is not None and not _agreed(crews, ledger, options, around):
                result.declined = not result.statuses
                return result
            _plan(crews, ledger, options, around)
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


def remembering(
    ledger: Ledger, options: Options, around: Surroundings, names: Sequence[str]
) -> Memory | None:
    """What remembers how far the ledger comes. Raises OldLedger for an old copy."""
    if options.throwaway:
        return None
    return may_change(
        ledger,
        around.environ,
        around.clock.now(),
        accept=options.accept_old_ledger,
        names=names,
        tell=lambda text: around.bus.emit(Notice(around.clock.now(), text)),
    )


def _draft_again(crews: Sequence[Crew], ledger: Ledger, options: Options) -> None:
    """Understand the files as they are now: waiting for a lane, or sending, may take hours."""
    for crew in crews:
        crew.drafts = [
            make_draft(draft.campaign, ledger, new_campaign=options.new_campaign)
            for draft in crew.drafts
        ]


def _plan(crews: Sequence[Crew], ledger: Ledger, options: Options, around: Surroundings) -> None:
    for crew in crews:
        crew.drafts = [
            write_plan(
                draft,
                ledger,
                known_characters(ledger, crew.origin, draft.campaign.api.platform),
                accept_changes=options.accept_changes,
                clock=around.clock,
                bus=around.bus,
            )
            for draft in crew.drafts
        ]


def _goes_on(crews: Sequence[Crew], ledger: Ledger, result: RunResult) -> bool:
    """Whether something came back into the queue that no plan has looked at: then the campaign is
    planned again, since its row may be gone, its text changed, its person suppressed."""
    if result.interrupted or result.drained or result.halted or result.guarded:
        return False  # what a guard has stopped waits for a person to run it again
    drafts = [draft for crew in crews for draft in crew.drafts]
    stopped = brakes_on(ledger, [draft.campaign for draft in drafts])
    ids = [d.id for d in drafts if d.id is not None and d.campaign.name not in stopped]
    return ledger.read(views.unplanned, ids) > 0


def served_at(campaign: Campaign, options: Options) -> Campaign:
    """The campaign as `options` have it served: elsewhere, or without limits."""
    changes: dict[str, object] = {}
    if options.at is not None:
        url = f"{options.at}/api/{campaign.api.version}"
        changes["api"] = campaign.api.model_copy(update={"base_url": url})
    if options.unpaced:
        free = {"per_hour": None, "per_day": None, "gap": 0.0}
        changes["senders"] = tuple(s.model_copy(update=free) for s in campaign.senders)
        none = dict.fromkeys(("per_minute", "per_hour", "per_day"))
        changes["limits"] = campaign.limits.model_copy(update=none)
        changes["schedule"] = Schedule()
    return campaign.model_copy(update=changes) if changes else campaign


def _warn(drafts: Sequence[Draft], around: Surroundings) -> None:
    for warning in never_open(drafts, around.clock.now()):
        around.bus.emit(Notice(around.clock.now(), warning))
    for draft in drafts:
        for warning in draft.audience.warnings:
            around.bus.emit(Notice(around.clock.now(), f"{draft.campaign.name}: {warning}"))


def hold_lanes(
    held: ExitStack, ledger: Ledger, crews: Sequence[Crew], wait: bool, clock: Clock
) -> None:
    """Keep other runs out of these lanes for as long as this process lives."""
    for crew in sorted(crews, key=lambda crew: crew.lane_id):
        what = ", ".join(draft.campaign.name for draft in crew.drafts)
        held.enter_context(hold_lane(ledger, crew.lane_id, what, clock.now(), wait=wait))


def _agreed(crews: Sequence[Crew], ledger: Ledger, options: Options, around: Surroundings) -> bool:
    """Whether a person agrees to what the plans would add; asked only if they add anything."""
    found: list[Preview] = []
    drafts = [draft for crew in crews for draft in crew.drafts]
    for crew in crews:
        for draft in crew.drafts:
            characters = known_characters(ledger, crew.origin, draft.campaign.api.platform)
            now = around.clock.now()
            if not is_unchanged(draft, ledger, characters, now):
                progress = reading(draft.campaign.name, around.clock, around.bus)
                found.append(preview(draft, ledger, characters, progress, now))
    if not options.accept_changes:
        refuse_changes(found)
    if not any(each.adds for each in found):
        return True
    for draft in drafts:
        refuse_edited(draft)
    named = {draft.campaign.name: draft for draft in drafts}
    queues = [(named[each.campaign], each.waiting) for each in found]
    assert around.ask is not None
    return around.ask(found, when_done(queues, ledger, around.clock))


def drive(
    crews: Sequence[Crew],
    ledger: Ledger,
    options: Options,
    around: Surroundings,
    memory: Memory | None,
) -> RunResult:
    """Own the lanes of these crews and drive them to their end. Their drafts have just been
    planned, or nothing new is to be sent (`options.limit` is 0)."""
    now = around.clock.now()
    for crew in crews:
        for draft in crew.drafts:
            assert draft.id is not None
            ledger.write(planning.bind, draft.id, crew.origin, crew.team)
    run = ledger.write(lanes.begin_run, now, __version__)
    _presume(crews, ledger, run)
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
        result.drained |= lane.draining or options.limit is not None
        result.stopped += [lane.stopped] if lane.stopped else []
        result.stopped += [f"{who}: {why}" for who, why in lane.stopped_senders.items()]
        for campaign, brake in lane.braked.items():
            if brake.kind is BrakeKind.CANCELLED:  # what was under way may have come back
                ledger.write(decisions.withdraw_cancelled, campaign)
    drafts = [draft for crew in crews for draft in crew.drafts]
    for draft in drafts:
        assert draft.row is not None
        status = status_of(ledger, draft.row, around.clock.now())
        result.statuses.append(status)
        counts = {str(each): count for each, count in status.counts.items()}
        around.bus.emit(Ended(around.clock.now(), status.campaign, counts))
    ending = "interrupted" if result.interrupted else f"exit {result.exit_code}"
    ending += "".join(f"; {why}" for why in dict.fromkeys(result.stopped))
    ledger.write(lanes.end_run, run, around.clock.now(), ending)
    return result


def _presume(crews: Sequence[Crew], ledger: Ledger, run: int) -> None:
    """After an old copy of the ledger was accepted: what it may have forgotten is in doubt."""
    for crew in crews:
        for draft in crew.drafts:
            api = draft.campaign.api
            row = ledger.read(planning.find_campaign, draft.campaign.name)
            assert row is not None
            ledger.write(age.presume, row, api.version, api.base_url, run)


async def _drive(
    crews: Sequence[Crew],
    ledger: Ledger,
    run: int,
    options: Options,
    around: Surroundings,
    memory: Memory | None,
) -> list[Lane]:
    driven: list[Lane] = []
    opened = [crew.open_lane(ledger, run, around.clock, around.bus) for crew in crews]
    try:
        for lane in opened:
            lane.only, lane.adopt, lane.idle_after = options.only, options.adopt, options.idle_after
            driven.append(lane)
        _tell_start(crews, ledger, options, around)
        async with kept(memory, ledger):
            with (
                obeying_signals(driven, around.bus, around.clock),
                draining_after(options.stop_after, driven),
            ):
                async with listening(driven, sending=options.limit != 0):
                    ends = await asyncio.gather(
                        *(drive_lane(lane, options.limit) for lane in driven),
                        return_exceptions=True,
                    )
    finally:
        for crew in crews:
            await crew.close()
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return driven


def _tell_start(
    crews: Sequence[Crew], ledger: Ledger, options: Options, around: Surroundings
) -> None:
    drafts = [draft for crew in crews for draft in crew.drafts]
    queued: dict[str, int] = {}
    doubts: dict[str, int] = {}
    queues: list[tuple[Draft, Queue]] = []
    for draft in drafts:
        assert draft.row is not None
        status = status_of(ledger, draft.row, around.clock.now())
        queued[status.campaign] = status.counts[_S.QUEUED]
        doubts[status.campaign] = status.counts[_S.IN_DOUBT] + status.counts[_S.SENDING]
        queues.append((draft, status.waiting))
    now = around.clock.now()
    waiting = any(queue for _, queue in queues)
    finish = when_done(queues, ledger, around.clock).finish_at(now) if waiting else None
    around.bus.emit(LaneStarted(now, queued, doubts, finish, options.limit))
