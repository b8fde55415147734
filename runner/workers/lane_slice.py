"""A slice: one worker drives a lane for a while, by the same `drive_lane` as a run of one machine.

A slice ends when nothing of its lane is due, or when its time is up and the lane is wanted
elsewhere (`handover`), and writes into the ledger when the lane is due again. So lanes spread over
hosts that join, a deploy drains quickly, and no worker waits beside a lane that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import traceback
import zlib
from asyncio import to_thread
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from runner.channels.base import Token
from runner.clock import Clock
from runner.control.campaigns import brake_text
from runner.errors import ChannelError, Fenced, ForeignKeyUse, LedgerError, RunnerError
from runner.events import EventBus, LaneHandedOn, LaneTaken, Notice
from runner.ledger import locks
from runner.ledger.campaigns import brakes, handover, submissions, workers
from runner.ledger.campaigns.brakes import Halt
from runner.ledger.campaigns.workers import STALL
from runner.ledger.ledger import Ledger
from runner.planning.dates.eta import hours_of
from runner.run.preparation.team import TeamCampaigns, TokenIdentity, check_senders, fetch_identity
from runner.sending.controls.guard import CampaignGuard
from runner.sending.controls.live_controls import LiveControls, withdraw_returned
from runner.sending.drive import drive_lane
from runner.sending.inbox.tagger import tagging
from runner.sending.lane import Lane
from runner.workers.next_due import KNOWN_FOR, TROUBLE_RETRY, next_due, stop_reasons
from runner.workers.submitted_campaign import (
    SubmittedCampaign,
    lists_of,
    missed_start_reason,
    parse_submission,
    restore_guard,
)

SLICE = 60.0
"""Seconds that a worker drives a lane, at most, before it looks whether to hand it on."""

TAGS_AFTER = 5.0
"""Seconds for which a slice goes on tagging after its last message; the next one does the rest."""

LONGEST_SLICE = 900.0
"""Seconds that a lane is kept while it settles what is in doubt: the wait before a look-up would
begin again with each slice."""

SLICE_IDLE = 2.0
"""Seconds: a lane of which nothing is due for longer than this is let go until then, if it is taken
up while more than half of the worker's slots are taken."""

IDLE_WITH_ROOM = 60.0
"""Seconds: the same, if they are not. To take a lane up again costs what some twenty messages
do, and many a sender waits half a minute between two."""

HELD_RETRY = 5.0
"""Seconds until a lane is tried again that a run of one machine has now."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that a worker drives a lane before it looks whether to hand it on, and without a sign
    of life after which it takes another worker for dead."""

    slice: float = SLICE
    dead_after: float = STALL


_Authenticated = tuple[TeamCampaigns, list[SubmittedCampaign], list[str]]
"""A team, its campaigns to be driven, and why others cannot be here."""


@dataclass(slots=True)
class WorkerLanes:
    """One worker's lanes, and how each is driven for a slice. `slots`: how many at once; `known`:
    tokens' identities, and when each was fetched (boot seconds)."""

    ledger: Ledger
    run: int
    clock: Clock
    bus: EventBus
    environ: Mapping[str, str]
    timing: Timing = field(default_factory=Timing)
    slots: int = 1
    ending: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # to start a lane
    busy: set[str] = field(default_factory=set)  # lanes of which a slice is under way
    asking: set[asyncio.Task[_Authenticated]] = field(default_factory=set)
    lanes: dict[str, Lane] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)  # how often which lane was woken
    known: dict[tuple[str, str, str], tuple[float, TokenIdentity]] = field(default_factory=dict)
    controls: LiveControls = field(init=False)

    def __post_init__(self) -> None:
        self.controls = LiveControls(self.ledger)

    def drain(self) -> None:
        """Begin nothing more; what is under way ends, and every lane is handed on."""
        self.ending = True
        for task in self.asking:
            task.cancel()  # it may wait a minute for leave to ask, and nothing was begun
        for lane in self.lanes.values():
            lane.stops.drain()

    def hand_on(self, lane_ids: Collection[str]) -> None:
        """Begin nothing more of these lanes, for a command that waits for them."""
        for id in lane_ids:
            if lane := self.lanes.get(id):
                lane.stops.drain()

    async def drive(self, lane_id: str) -> None:
        """Drive a lane for a slice. Raises LedgerError when this worker's ledger is of no use any
        more; everything else that stops the lane is left in the ledger for people to see."""
        if self.ending:
            return  # it is as due as it was for the worker that takes it next
        self.busy.add(lane_id)
        try:
            self.seen[lane_id] = await to_thread(self.ledger.read, submissions.wakes, lane_id)
            if not await self._hold(lane_id):
                return
            try:
                await self._drive(lane_id)
            finally:
                await self.ledger.commit(locks.release_lanes, lane_id)
        except Fenced:
            self._tell(f"{lane_id}: another worker has taken it over")
        except LedgerError:
            raise
        except RunnerError as error:
            told = f"{error}; {error.hint}" if error.hint else str(error)
            self._tell(f"{lane_id}: {told}")
            await self._put_off(lane_id, self.clock.now() + TROUBLE_RETRY, told)
        finally:
            self.busy.discard(lane_id)

    async def give_up(self, lane_id: str, error: Exception) -> None:
        """Leave a lane alone for long after an unexpected error, whose traceback is in this
        worker's output."""
        traceback.print_exception(error)
        told = f"a bug ({type(error).__name__}): see what the worker has written to stderr"
        self._tell(f"{lane_id}: {told}")
        await self._put_off(lane_id, self.clock.now() + KNOWN_FOR, told)

    async def _hold(self, lane_id: str) -> bool:
        """Keep runs of one machine out. A dead worker's session is ended, with all that it might
        still commit; a run's is respected."""
        if await self.ledger.commit(locks.try_lock_lanes, lane_id):
            return True
        if await to_thread(self.ledger.write, workers.evict, lane_id, self.timing.dead_after):
            self._tell(f"{lane_id}: its worker is taken for dead")
            return False  # its session ends in a moment; the lane is due as before
        why = "a run or a plan of one machine has it"
        await self._put_off(lane_id, self.clock.now() + HELD_RETRY, why)
        return False

    async def _drive(self, lane_id: str) -> None:
        handed, stopped = await to_thread(self._runnable, lane_id)
        if not handed:
            await self._put_off(lane_id, None, "; ".join(stopped))
            return
        asking = asyncio.create_task(self._authenticate(lane_id, handed), name=f"ask {lane_id}")
        self.asking.add(asking)
        try:
            team, handed, left_out = await asking
        except asyncio.CancelledError:
            if self.ending:
                return
            raise
        finally:
            self.asking.discard(asking)
        try:
            lane = await self._take_up(lane_id, team, handed)
            if lane is None:
                return
            await self._drive_slice(lane, team, handed, keeps=not left_out)
        finally:
            await team.close()
        next_at, reasons = await to_thread(self._leave, lane)
        if left_out:
            next_at = min(next_at or math.inf, self.clock.now() + TROUBLE_RETRY)
        told = "; ".join([*stopped, *left_out, *reasons])
        await self._put_off(lane_id, next_at, told, owner=self.run)
        self.bus.emit(LaneHandedOn(self.clock.now(), lane_id, next_at))

    async def _take_up(
        self, lane_id: str, team: TeamCampaigns, handed: Sequence[SubmittedCampaign]
    ) -> Lane | None:
        """Take a lane, with its limits and guards as they were left; None when this worker ends."""
        async with self.turn:
            if self.ending:
                return None
            has_room = len(self.busy) <= self.slots / 2
            lane = await team.open_lane(
                handed,
                self.ledger,
                self.run,
                self.clock,
                self.bus,
                idle_after=IDLE_WITH_ROOM if has_room else SLICE_IDLE,
            )
            lane.stops.guards.update(await to_thread(self._guards, lane, handed))
        names = tuple(each.row.name for each in handed)
        self.bus.emit(LaneTaken(self.clock.now(), lane_id, names))
        return lane

    async def _drive_slice(
        self,
        lane: Lane,
        team: TeamCampaigns,
        handed: Sequence[SubmittedCampaign],
        *,
        keeps: bool,
    ) -> None:
        self._add(lane)
        watch = asyncio.create_task(self._end_slice(lane, keeps=keeps), name=f"slice {lane.id}")
        try:
            lists = [lists_of(each, self.ledger) for each in handed]
            async with (
                self.controls.obeyed_by(lane, lists=lists),
                tagging(team.taggers, TAGS_AFTER),
            ):
                await drive_lane(lane)
        except (Fenced, LedgerError):
            raise
        except RunnerError as error:
            if isinstance(error, ForeignKeyUse):
                halts = [Halt(self.clock.now(), str(error), campaign=id) for id in lane.campaigns]
                await to_thread(self.ledger.write, brakes.halt, halts)
            await to_thread(self._stop_driving, lane)
            raise
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            del self.lanes[lane.id]

    async def _end_slice(self, lane: Lane, *, keeps: bool) -> None:
        """End a slice when its time is up: at once unless it `keeps` the lane for as long as nobody
        else wants it and what the API told of its token is believed."""
        began, spread = self.clock.boot(), _spread(lane)
        await asyncio.sleep(spread * self.timing.slice)
        while keeps and (left := began + spread * KNOWN_FOR - self.clock.boot()) > 0:
            if await to_thread(self._is_wanted, lane):
                break
            await asyncio.sleep(min(left, self.timing.slice))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(began + LONGEST_SLICE - self.clock.boot()):
                while lane.in_flight.settling:
                    await lane.wakeups.wait()
        lane.stops.drain()

    def _is_wanted(self, lane: Lane) -> bool:
        """Return whether a lane is to be handed on, if only so that what has stopped in it is
        told."""
        if lane.stops.campaigns or lane.stops.senders:
            return True
        # With a free slot what waits is taken up in a moment, and room need not be made for it.
        is_full = len(self.busy) >= self.slots
        token_envs = [name for name, value in self.environ.items() if value] if is_full else []
        try:
            return self.ledger.read(
                handover.is_wanted,
                lane.id,
                self.run,
                seen=self.seen[lane.id],
                token_envs=token_envs,
                at=self.clock.now(),
                silent=self.timing.dead_after,
            )
        except LedgerError:
            return True  # which what drives the lane meets, too, if it lasts

    def _add(self, lane: Lane) -> None:
        """Count a lane among those that are driven, which end with this worker."""
        self.lanes[lane.id] = lane
        if self.ending:
            lane.stops.drain()

    def _guards(self, lane: Lane, handed: Sequence[SubmittedCampaign]) -> dict[int, CampaignGuard]:
        """Return the guards of a lane's campaigns, with what earlier slices have counted."""
        return {
            each.row.id: restore_guard(
                self.ledger, each.submission, lane.campaigns[each.row.id].guard
            )
            for each in handed
        }

    def _leave(self, lane: Lane) -> tuple[float | None, list[str]]:
        """Leave a lane whose slice is over, and return when it is due again and why not all of it
        goes on."""
        self._stop_driving(lane)
        if lane.stops.lane:
            self.known.clear()  # it may be the token
        return next_due(lane), stop_reasons(lane)

    def _stop_driving(self, lane: Lane) -> None:
        """Write down that this worker drives the lane no more, while its lock still keeps others
        out."""
        if self.ledger.read(brakes.is_driven_by, lane.id, self.run):
            self.ledger.write(brakes.record_driven, lane.id, self.run, {})
        withdraw_returned(lane)

    def _runnable(self, lane_id: str) -> tuple[list[SubmittedCampaign], list[str]]:
        """Return the lane's campaigns that nothing stops, and what stops the others."""
        found = [parse_submission(each) for each in self.ledger.read(submissions.of_lane, lane_id)]
        self._stop_missed_starts(found)
        stopped = self.ledger.read(brakes.active, [each.row.id for each in found])
        going = [each for each in found if each.row.id not in stopped]
        told = [
            brake_text(each.row.name, brake)
            for each in found
            if (brake := stopped.get(each.row.id)) is not None
        ]
        return going, told

    def _stop_missed_starts(self, found: Sequence[SubmittedCampaign]) -> None:
        now = self.clock.now()
        for each in found:
            grace = each.campaign.schedule.grace
            why = missed_start_reason(self.ledger, each.submission, hours_of(each), grace, now)
            if why and not self.ledger.read(brakes.active, [each.row.id]):
                self.ledger.write(brakes.halt, [Halt(now, why, campaign=each.row.id)])

    async def _authenticate(
        self, lane_id: str, handed: Sequence[SubmittedCampaign]
    ) -> _Authenticated:
        """Ask the API whose token it is, unless that is known. Raises RunnerError when none of the
        campaigns can be driven here."""
        unfit: dict[str, str] = {}
        teams: list[TeamCampaigns] = []
        fit: list[SubmittedCampaign] = []
        troubles: list[RunnerError] = []
        for each in handed:
            try:
                team, identity = await self._team_of(lane_id, each)
                check_senders(each.campaign, identity, unfit)
            except (ChannelError, LedgerError):
                raise
            except RunnerError as error:
                troubles.append(error)
                continue
            teams.append(team)
            fit.append(each)
        if not teams:
            raise troubles[0]
        teams[0].unfit = unfit
        return teams[0], fit, [str(error) for error in troubles]

    async def _team_of(
        self, lane_id: str, handed: SubmittedCampaign
    ) -> tuple[TeamCampaigns, TokenIdentity]:
        campaign = handed.campaign
        name = campaign.api.token_env
        held = self.environ.get(name, "").strip()
        if not held:
            raise RunnerError(f"{campaign.name}: {name} is not set on this host")
        token = Token(held)
        identity = await self._identity_of(handed, token)
        found = TeamCampaigns.of(identity, token)
        if found.lane_id != lane_id:
            raise RunnerError(
                f"{campaign.name}: the token in {name} on this host is of team "
                f"{identity.team_name}, not of the one that it was submitted for",
                "give each team's token a variable of its own (api.token)",
            )
        return found, identity

    async def _identity_of(self, each: SubmittedCampaign, token: Token) -> TokenIdentity:
        api, now = each.campaign.api, self.clock.boot()
        who = api.version, api.base_url, token.reveal()
        at, identity = self.known.get(who, (-math.inf, None))
        if identity is None or now - at > KNOWN_FOR:
            clock, bus, ledger = self.clock, self.bus, self.ledger
            identity = await fetch_identity(each.campaign, token, clock, bus, ledger, each.row)
            self.known[who] = now, identity
        return identity

    async def _put_off(
        self, lane_id: str, next_at: float | None, trouble: str = "", owner: int | None = None
    ) -> None:
        seen, write = self.seen[lane_id], self.ledger.write
        await to_thread(write, submissions.postpone, lane_id, seen, next_at, trouble, owner)

    def _tell(self, text: str) -> None:
        self.bus.emit(Notice(self.clock.now(), text))


def _spread(lane: Lane) -> float:
    """Return what part of a time this lane takes, from a half to the whole: lanes that begin
    together are not to end together, since they are taken up one after another."""
    return (1 + zlib.crc32(lane.id.encode()) / 2**32) / 2
