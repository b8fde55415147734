"""Stops: the campaigns and senders of a lane that send nothing more, or all of it, and why."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runner.clock import Clock
from runner.events import Braked, EventBus, Released, Stopped
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind, Halt
from runner.sending.controls.guard import CampaignGuard

if TYPE_CHECKING:
    from runner.sending.lane import Settings


class Notify(Protocol):
    """A lane's way to wake its tasks."""

    def __call__(self, *, doubt: bool = False, turn_back: bool = False) -> None: ...


@dataclass(slots=True)
class Stops:
    """A lane's stops, changed by these methods alone.

    `lane`: why nothing more of the lane is sent in this run, empty while it may be; `senders`:
    those that are stopped, and why; `campaigns`: those of which nothing more is begun; `applied`:
    the newest control of a person on each campaign; `guards`: by campaign, of those that have sent
    in this run; `unwanted`: recipients of claimed messages who want none by now. `is_draining`:
    nothing more is begun; `is_interrupted`: by Ctrl-C or SIGTERM; `is_idle`: rather than wait
    longer than `idle_after`; `resumes_at`: when it would have gone on then (Unix seconds).
    """

    known: Mapping[int, Settings]
    clock: Clock
    bus: EventBus
    notify: Notify
    lane: str = ""
    senders: dict[str, str] = field(default_factory=dict)
    campaigns: dict[int, Brake] = field(default_factory=dict)
    applied: dict[int, int] = field(default_factory=dict)
    guards: dict[int, CampaignGuard] = field(default_factory=dict)
    unwanted: Collection[str] = ()
    error: BaseException | None = None
    is_draining: bool = False
    is_interrupted: bool = False
    is_idle: bool = False
    resumes_at: float = math.inf
    _unrecorded: list[Halt] = field(default_factory=list)

    @property
    def is_ending(self) -> bool:
        """Return true when nothing more is to be begun."""
        return self.is_draining or bool(self.lane) or self.error is not None

    @property
    def running(self) -> list[int]:
        """Return the campaigns that are not stopped."""
        return [id for id in self.known if id not in self.campaigns]

    def guard_of(self, campaign: int) -> CampaignGuard:
        """Return the guard of a campaign in this run."""
        if campaign not in self.guards:
            self.guards[campaign] = CampaignGuard(self.known[campaign].guard)
        return self.guards[campaign]

    def drain(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self.is_draining = True
        self.notify()

    def interrupt(self) -> None:
        """Drain, as a person has asked for by Ctrl-C or SIGTERM."""
        self.is_interrupted = True
        self.drain()

    def end_idle(self, resumes_at: float) -> None:
        """Drain rather than wait until `resumes_at` (Unix seconds)."""
        self.put_off(resumes_at)
        self.is_idle = True
        self.drain()

    def put_off(self, resumes_at: float) -> None:
        """Remember when a lane that ends idle would have gone on (Unix seconds)."""
        self.resumes_at = min(self.resumes_at, resumes_at)

    def fail(self, error: BaseException) -> None:
        """End the lane with the first error; what is under way may still record its outcome."""
        self.error = self.error or error
        self.notify()

    def stop_lane(self, why: str) -> None:
        """Send nothing more of this lane until a person has acted."""
        if not self.lane:
            self.lane = why
            now = self.clock.now()
            self._unrecorded += [Halt(now, why, campaign=campaign) for campaign in self.known]
            self.bus.emit(Stopped(now, "", why))
        self.notify()

    def stop_sender(self, sender: str, why: str) -> None:
        """Send nothing more from a sender; its recipients wait, they are never moved."""
        if sender in self.senders:
            self.notify()
            return
        self.senders[sender] = why
        self._unrecorded.append(Halt(self.clock.now(), why, sender=sender))
        self.bus.emit(Stopped(self.clock.now(), sender, why))
        self.notify(turn_back=True)

    def stop_by_guard(self, campaign: int, why: str) -> None:
        """Stop a campaign until a person runs it again."""
        now = self.clock.now()
        self._unrecorded.append(Halt(now, why, campaign=campaign, kind=BrakeKind.GUARDED))
        self.stop_campaign(campaign, Brake(BrakeKind.GUARDED, now, why=why))

    def stop_campaign(self, campaign: int, brake: Brake) -> None:
        """Send nothing more of a campaign; when nothing else is left, drain the lane."""
        self.campaigns[campaign] = brake
        name = self.known[campaign].name
        self.bus.emit(Braked(self.clock.now(), name, str(brake.kind), brake.by, brake.why))
        if not self.running:
            self.is_draining = True
        self.notify(doubt=True)

    def release_campaign(self, campaign: int, by: str) -> None:
        """Let a campaign go on that a person has released; what failed before no longer counts."""
        if self.campaigns.pop(campaign, None) is not None:
            self.guards.pop(campaign, None)
            self.bus.emit(Released(self.clock.now(), self.known[campaign].name, by))
            self.notify(doubt=True)

    def apply_control(self, campaign: int, brake: Brake) -> None:
        """Apply a person's newest control of a campaign. A run that is ending does not go on; what
        a run itself has stopped is known here."""
        if brake.id <= self.applied.get(campaign, 0):
            return
        self.applied[campaign] = brake.id
        if brake.kind is BrakeKind.RELEASED:
            if not self.is_ending:
                self.release_campaign(campaign, brake.by)
        elif brake.kind in BY_A_PERSON:
            self.stop_campaign(campaign, brake)

    def hold_unwanted(self, recipients: Collection[str]) -> bool:
        """Hold back what is claimed for these recipients; return whether they are others than
        before."""
        before, self.unwanted = self.unwanted, recipients
        return bool(recipients) and recipients != before

    def take_unrecorded(self) -> list[Halt]:
        """Return what was stopped and is not in the ledger yet, for the caller to record."""
        halts, self._unrecorded = self._unrecorded, []
        return halts

    def forget_unrecorded(self, senders: Collection[str]) -> None:
        """Leave these senders' stops as the ledger has them."""
        self._unrecorded = [each for each in self._unrecorded if each.sender not in senders]
