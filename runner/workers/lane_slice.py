"""A slice: one worker drives a lane for a while, by the same `drive_lane` as a run of one machine.

A slice ends when nothing of its lane is due or its time is up, and leaves word in the ledger when
the lane is due again. So lanes spread over hosts that join, a deploy drains quickly, and no worker
waits beside a lane that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.audience.columns import normal_column
from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.channels.base import Token
from runner.clock import Clock
from runner.control.campaigns import brake_text
from runner.errors import ChannelError, Fenced, ForeignKeyUse, LedgerError, RunnerError
from runner.events import EventBus, LaneHandedOn, LaneTaken, Notice
from runner.ledger.campaigns import brakes, submissions, workers
from runner.ledger.campaigns.brakes import BrakeKind, Halt
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.campaigns.submissions import Submission
from runner.ledger.campaigns.workers import STALL
from runner.ledger.ledger import Ledger
from runner.ledger.messages import holds, in_doubt, queue, usage
from runner.ledger.queries import totals
from runner.message.evidence import OF_ONE_MESSAGE, AttemptOutcome
from runner.message.status import MessageStatus
from runner.planning.eta import hours_of
from runner.run.team import Crew, Introduction, check_senders, introduce
from runner.schedule import Hours, local_moment, next_open
from runner.sending.drive import drive_lane
from runner.sending.guard import Guard, GuardLimits
from runner.sending.lane import Lane
from runner.sending.live_controls import listening, withdraw_what_came_back
from runner.sending.watched_lists import WatchedLists, watched_lists

SLICE = 60.0
"""Seconds that a worker drives a lane before it hands it on."""

LONGEST_SLICE = 900.0
"""Seconds that a lane is kept while it settles what is in doubt: the wait before a look-up would
begin anew with each slice."""

IDLE = 2.0
"""Seconds: a lane of which nothing is due for longer than this is let go until then."""

KNOWN_FOR = 600.0
"""Seconds for which what the API said of a token and its senders is believed."""

HELD = 5.0
"""Seconds until a lane is tried again that a run of one machine has now."""

BETWEEN = 0.01
"""Seconds between the starts of two lanes: each reads what limits remember in one go, a second and
more for a team that sends all day, and signs of life have to be given meanwhile."""

TROUBLED = 60.0
"""Seconds until a lane is tried again after something that a person may have to see to."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that a worker drives a lane before it hands it on, and without a sign of life after
    which it takes another worker for dead."""

    slice: float = SLICE
    dead_after: float = STALL


@dataclass(frozen=True, slots=True)
class Handed:
    """A campaign as it was handed in, understood."""

    campaign: Campaign
    row: CampaignRow
    suppressed: Collection[str]
    submission: Submission


@dataclass(slots=True)
class Driving:
    """What one worker has under way. `known`: what the API said of which token, and when (boot
    seconds)."""

    ledger: Ledger
    run: int
    clock: Clock
    bus: EventBus
    environ: Mapping[str, str]
    timing: Timing = field(default_factory=Timing)
    ending: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # to start a lane
    busy: set[str] = field(default_factory=set)  # lanes of which a slice is under way
    asking: set[asyncio.Task[tuple[Crew, list[Handed], list[str]]]] = field(
        default_factory=set
    )  # whose token it is
    lanes: dict[str, Lane] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)  # how often which lane was woken
    known: dict[tuple[str, str, str], tuple[float, Introduction]] = field(default_factory=dict)

    def drain(self) -> None:
        """Begin nothing more; what is under way ends, and every lane is handed on."""
        self.ending = True
        for task in self.asking:
            task.cancel()  # it may wait a minute for leave to ask, and nothing was begun
        for lane in self.lanes.values():
            lane.drain()

    async def drive(self, lane_id: str) -> None:
        """Drive a lane for a slice. Raises LedgerError when this worker's ledger is of no use any
        more; everything else that stops the lane is left in the ledger for people to see."""
        if self.ending:
            return  # whoever takes it next finds it as due as it was
        self.seen[lane_id] = self.ledger.read(submissions.wakes, lane_id)
        self.busy.add(lane_id)
        try:
            if not await self._hold(lane_id):
                return
            try:
                await self._drive(lane_id)
            finally:
                await self.ledger.commit(workers.let_go, lane_id)
        except Fenced:
            self._tell(f"{lane_id}: another worker has taken it over")
        except LedgerError:
            raise
        except RunnerError as error:
            told = f"{error}; {error.hint}" if error.hint else str(error)
            self._tell(f"{lane_id}: {told}")
            self._put_off(lane_id, self.clock.now() + TROUBLED, told)
        finally:
            self.busy.discard(lane_id)

    def give_up(self, lane_id: str, error: Exception) -> None:
        """Leave a lane alone for long after what should not be: whoever looks finds the whole story
        in this worker's output."""
        traceback.print_exception(error)
        told = f"a bug ({type(error).__name__}): see what the worker has written to stderr"
        self._tell(f"{lane_id}: {told}")
        self._put_off(lane_id, self.clock.now() + KNOWN_FOR, told)

    async def _hold(self, lane_id: str) -> bool:
        """Keep runs of one machine out. A dead worker's session is ended, with all that it might
        still commit; a run's is respected."""
        if await self.ledger.commit(workers.try_hold, lane_id):
            return True
        if self.ledger.write(workers.evict, lane_id, self.timing.dead_after):
            self._tell(f"{lane_id}: its worker is taken for dead")
            return False  # its session ends in a moment; the lane is due as before
        self._put_off(lane_id, self.clock.now() + HELD, "a run of one machine has it, or a plan")
        return False

    async def _drive(self, lane_id: str) -> None:
        handed, stopped = self._that_may_go(lane_id)
        if not handed:
            self._put_off(lane_id, None, "; ".join(stopped))
            return
        asking = asyncio.create_task(self._meet(lane_id, handed), name=f"ask {lane_id}")
        self.asking.add(asking)
        try:
            crew, handed, left_out = await asking
        except asyncio.CancelledError:
            if not self.ending:
                raise
        finally:
            self.asking.discard(asking)
        async with self.turn:
            await asyncio.sleep(BETWEEN)
        if self.ending:
            return
        lane = crew.open_lane(handed, self.ledger, self.run, self.clock, self.bus)
        names = tuple(each.row.name for each in handed)
        self.bus.emit(LaneTaken(self.clock.now(), lane_id, names))
        lane.idle_after = IDLE
        lane.guards = {
            each.row.id: guard_of(self.ledger, each.submission, lane.campaigns[each.row.id].guard)
            for each in handed
        }
        self.lanes[lane_id] = lane
        watch = asyncio.create_task(_end_in_time(lane, self.timing.slice), name=f"slice {lane_id}")
        try:
            async with listening([lane], lists=[(lane, _lists_of(each)) for each in handed]):
                await drive_lane(lane)
        except (Fenced, LedgerError):
            raise
        except RunnerError as error:
            if isinstance(error, ForeignKeyUse):
                self.ledger.write(brakes.halt, _halts(lane, str(error)))
            self._leave(lane)
            raise
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            del self.lanes[lane_id]
            await crew.close()
        self._leave(lane)
        next_at = self._due_again(lane)
        if left_out:
            next_at = min(next_at or math.inf, self.clock.now() + TROUBLED)
        told = "; ".join([*stopped, *left_out, *what_stopped(lane)])
        self._put_off(lane_id, next_at, told, owner=self.run)
        self.bus.emit(LaneHandedOn(self.clock.now(), lane_id, next_at))

    def _leave(self, lane: Lane) -> None:
        """Say that this worker drives the lane no more, while its lock still keeps others out."""
        if self.ledger.read(brakes.is_driven_by, lane.id, self.run):
            self.ledger.write(brakes.tell_driven, lane.id, self.run, {})
        withdraw_what_came_back(lane)

    def _that_may_go(self, lane_id: str) -> tuple[list[Handed], list[str]]:
        """The lane's campaigns that nothing stops, and what stops the others."""
        found = [understood(each) for each in self.ledger.read(submissions.of_lane, lane_id)]
        self._stop_what_missed_its_start(found)
        stopped = self.ledger.read(brakes.standing, [each.row.id for each in found])
        going = [each for each in found if each.row.id not in stopped]
        told = [
            brake_text(each.row.name, brake)
            for each in found
            if (brake := stopped.get(each.row.id)) is not None
        ]
        return going, told

    def _stop_what_missed_its_start(self, found: Sequence[Handed]) -> None:
        now = self.clock.now()
        for each in found:
            grace = each.campaign.schedule.grace
            why = missed_start(self.ledger, each.submission, hours_of(each), grace, now)
            if why and not self.ledger.read(brakes.standing, [each.row.id]):
                self.ledger.write(brakes.halt, [Halt(now, why, campaign=each.row.id)])

    async def _meet(
        self, lane_id: str, handed: Sequence[Handed]
    ) -> tuple[Crew, list[Handed], list[str]]:
        """Ask whose token it is, unless that is known: who is to be driven, and why others cannot
        be here. Raises RunnerError when none can."""
        unfit: dict[str, str] = {}
        crews: list[Crew] = []
        fit: list[Handed] = []
        troubles: list[RunnerError] = []
        for each in handed:
            try:
                crew, said = await self._crew_of(lane_id, each)
                check_senders(each.campaign, said, unfit)
            except (ChannelError, LedgerError):
                raise
            except RunnerError as error:
                troubles.append(error)
                continue
            crews.append(crew)
            fit.append(each)
        if not crews:
            raise troubles[0]
        crews[0].unfit = unfit
        return crews[0], fit, [str(error) for error in troubles]

    async def _crew_of(self, lane_id: str, handed: Handed) -> tuple[Crew, Introduction]:
        campaign = handed.campaign
        name = campaign.api.token_env
        held = self.environ.get(name, "").strip()
        if not held:
            raise RunnerError(f"{campaign.name}: {name} is not set on this host")
        token = Token(held)
        said = await self._introduced(handed, token)
        found = Crew.of(said, token)
        if found.lane_id != lane_id:
            raise RunnerError(
                f"{campaign.name}: the token in {name} on this host is of team "
                f"{said.team_name}, not of the one that it was submitted for",
                "give each team's token a variable of its own (api.token)",
            )
        return found, said

    async def _introduced(self, each: Handed, token: Token) -> Introduction:
        api, now = each.campaign.api, self.clock.boot()
        who = api.version, api.base_url, token.reveal()
        at, said = self.known.get(who, (-math.inf, None))
        if said is None or now - at > KNOWN_FOR:
            said = await introduce(
                each.campaign, token, self.clock, self.bus, self.ledger, each.row
            )
            self.known[who] = now, said
        return said

    def _due_again(self, lane: Lane) -> float | None:
        """When the lane is due again (Unix seconds), None for not before somebody says so."""
        now = self.clock.now()
        if lane.stopped:
            self.known.clear()  # it may be the token
            return None
        waiting = self.ledger.read(queue.waiting, lane.moving)
        free = [each for each in waiting if each.sender not in lane.stopped_senders]
        doubts = self.ledger.read(in_doubt.in_doubt, lane.moving)
        if lane.draining and free and not lane.idle:
            return now  # its time was up: what is in doubt until later does not hold these up
        if lane.resumes_at < math.inf:
            return lane.resumes_at
        if lane.draining and doubts:
            return now
        return now + KNOWN_FOR if waiting else None

    def _put_off(
        self, lane_id: str, next_at: float | None, trouble: str = "", owner: int | None = None
    ) -> None:
        seen = self.seen[lane_id]
        self.ledger.write(submissions.put_off, lane_id, seen, next_at, trouble, owner)

    def _tell(self, text: str) -> None:
        self.bus.emit(Notice(self.clock.now(), text))


def understood(submission: Submission) -> Handed:
    """A campaign from the text that was handed in."""
    campaign = load_campaign(Path(submission.path), submission.file, submission.start)
    return Handed(campaign, submission.row, submission.suppressed, submission)


def _lists_of(handed: Handed) -> WatchedLists:
    """Its lists, as far as they are on this machine too."""
    prospects = handed.campaign.prospects
    column = normal_column(prospects.id) if prospects.id else None
    return watched_lists(handed.row.id, handed.campaign, handed.row.id_type, column)


def what_stopped(lane: Lane) -> list[str]:
    """Why not all of a lane goes on, in words."""
    braked = [brake_text(lane.campaigns[id].name, brake) for id, brake in lane.braked.items()]
    unplanned = [
        f"{lane.campaigns[id].name}: {count} came back into the queue and wait to be planned: "
        "submit it again"  # for which its files are needed
        for id in lane.moving
        if (count := lane.ledger.read(totals.unplanned, [id]))
    ]
    if lane.stopped:
        return [lane.stopped]
    held = [
        f"{lane.campaigns[id].name}: {count} wait for people on hold: run-campaign unhold ID"
        for id in lane.moving
        if (count := lane.ledger.read(holds.held_of, id, lane.clock.now()).without_end)
    ]
    return [*braked, *lane.stopped_senders.values(), *unplanned, *held]


def _halts(lane: Lane, why: str) -> list[Halt]:
    return [Halt(lane.clock.now(), why, campaign=campaign) for campaign in lane.campaigns]


async def _end_in_time(lane: Lane, seconds: float) -> None:
    await asyncio.sleep(seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_SLICE - seconds):
            while lane.settling:
                await lane.wait()
    lane.drain()


def agreed_at(ledger: Ledger, submission: Submission) -> float:
    """When somebody said last that a campaign is to go on (Unix seconds)."""
    said = ledger.read(brakes.latest, [submission.row.id]).get(submission.row.id)
    released = said is not None and said.kind is BrakeKind.RELEASED
    return max(submission.submitted_at, said.at if said and released else 0.0)


def missed_start(
    ledger: Ledger, submission: Submission, hours: Hours | None, grace: float, now: float
) -> str:
    """Why a campaign does not start: no worker took its lane for longer than its grace, and nobody
    has said since that it is to start all the same. Empty for one that may."""
    id, due = submission.row.id, submission.next_at
    if hours is None or hours.begins == -math.inf or due is None or now <= due + grace:
        return ""
    zones = ledger.read(queue.zones, id) or {""}
    first = min(next_open(hours, zone, hours.begins) for zone in zones)
    if now <= first + grace or agreed_at(ledger, submission) > first + grace:
        return ""
    if ledger.read(totals.has_begun, id):
        return ""
    return (
        f"it was to start at {local_moment(first, hours.zone)} {hours.zone}, which is longer ago "
        "than schedule.grace allows; submit or resume it to start it now"
    )


def guard_of(ledger: Ledger, submission: Submission, limits: GuardLimits) -> Guard:
    """A campaign's guard, which has seen what earlier slices have come to: a slice may be one
    message long."""
    guard, id = Guard(limits), submission.row.id
    since = agreed_at(ledger, submission)
    for each in ledger.read(usage.lately, submission.lane, id, since):
        if each.outcome == AttemptOutcome.ACCEPTED:
            guard.accepted(each.message)
        elif each.status in (MessageStatus.REJECTED, MessageStatus.FAILED):
            guard.failed(each.message, in_doubt=False)
        elif each.status == MessageStatus.IN_DOUBT:
            guard.failed(each.message, in_doubt=True, alone=each.reason in OF_ONE_MESSAGE)
    return guard
