"""Settles the past: what may or may not have been sent, before anything else goes to that person.

A channel that is idempotent is asked again with the same bytes under the same key; one that is
not is only looked up. What stays unknown stays in doubt, and a person is told.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from runner.attempt import Lane, Parcel, attempt, pause
from runner.channels import Channel, Lookup
from runner.events import MessageDeferred, MessageInDoubt, MessageSent
from runner.ledger import moves, views
from runner.ledger.moves import Settlement
from runner.ledger.views import Doubt
from runner.message import KEY_REUSED, Absent, Evidence, Found, MessageStatus, Unclear

LOOKUPS = 3
"""How often one run looks a message up before it leaves it to the next run or a person."""

AT_ONCE = 8
"""Messages being settled at a time."""


@dataclass(slots=True)
class Reconciler:
    """Settles a lane's messages in doubt, now and as they appear, until nothing is left to try."""

    lane: Lane
    begun_wall: float
    _tries: dict[int, int] = field(default_factory=dict)
    _due_at: dict[int, float] = field(default_factory=dict)  # boot seconds

    async def run(self) -> None:
        """Ends when nothing is left to try and dispatch is over. Errors go to `lane.fail`."""
        lane = self.lane
        try:
            while not lane.ending:
                doubts = self._open()
                lane.settling = len(doubts)
                now = lane.clock.boot()
                due = [doubt for doubt in doubts if self._due_at[doubt.id] <= now]
                if due:
                    await self._settle_some(due[:AT_ONCE])
                    continue
                lane.notify()
                if not doubts and lane.dispatched:
                    return
                await lane.wait_for_doubt(
                    min((self._due_at[item.id] for item in doubts), default=math.inf)
                )
        except ExceptionGroup as group:
            lane.fail(group.exceptions[0])
        except Exception as error:
            lane.fail(error)
        finally:
            lane.settling = 0
            lane.notify()

    def _open(self) -> list[Doubt]:
        """Messages in doubt that this run has not given up on, each with its due time."""
        lane = self.lane
        doubts = lane.ledger.read(views.in_doubt, lane.campaigns.keys())
        kept = []
        for doubt in doubts:
            if self._tries.get(doubt.id, 0) >= self._allowed(doubt):
                continue
            self._due_at.setdefault(doubt.id, self._first_due(doubt))
            kept.append(doubt)
        return kept

    def _channel(self, doubt: Doubt) -> Channel:
        """Only where the attempt was made can it be asked about."""
        return self.lane.channel_for(doubt.version, doubt.base_url)

    def _repeats(self, doubt: Doubt) -> bool:
        """Whether sending the same bytes under the same key again is how to settle this."""
        if doubt.unconfirmed or not self._channel(doubt).idempotent:
            return False
        age = self.lane.clock.now() - doubt.first_at
        return 0 <= age < self.lane.campaigns[doubt.campaign].key_life

    def _allowed(self, doubt: Doubt) -> int:
        if self._repeats(doubt):
            return self.lane.campaigns[doubt.campaign].attempts
        return LOOKUPS

    def _first_due(self, doubt: Doubt) -> float:
        wall, now = self.lane.clock.now(), self.lane.clock.boot()
        wait = max(0.0, doubt.not_before - wall)
        if not self._repeats(doubt):
            settle = self.lane.campaigns[doubt.campaign].settle
            since = max(doubt.last_at, self.begun_wall)
            wait = max(wait, min(settle, max(0.0, since + settle - wall)))
        return now + min(wait, 24 * 3600.0)

    async def _settle_some(self, due: list[Doubt]) -> None:
        async with asyncio.TaskGroup() as group:
            for doubt in due:
                group.create_task(self._settle(doubt), name=f"settle-{doubt.id}")

    async def _settle(self, doubt: Doubt) -> None:
        tries = self._tries[doubt.id] = self._tries.get(doubt.id, 0) + 1
        if self.lane.adopt and doubt.reason == KEY_REUSED:
            await self._write(doubt, Evidence.SAID_SENT, "adopted", "sent by another ledger")
        elif self._repeats(doubt):
            await self._repeat(doubt)
        else:
            await self._look_up(doubt)
        settle = self.lane.campaigns[doubt.campaign].settle
        wait = pause(tries) if self._repeats(doubt) else settle * 2.0 ** (tries - 1)
        self._due_at[doubt.id] = self.lane.clock.boot() + wait

    async def _repeat(self, doubt: Doubt) -> None:
        lane = self.lane
        # Its sender has already been charged for the attempt that is unproven.
        permit = await lane.permit(None)
        parcel = Parcel(
            message=doubt.id,
            campaign=doubt.campaign,
            recipient=doubt.recipient,
            sender=doubt.sender,
            key=doubt.key,
            body=doubt.body,
            again=True,
        )
        await attempt(lane, self._channel(doubt), parcel, permit)

    async def _look_up(self, doubt: Doubt) -> None:
        lane = self.lane
        channel = self._channel(doubt)
        lookup = Lookup(
            sender=doubt.sender,
            recipient=doubt.recipient,
            text=doubt.text,
            not_before=doubt.first_server_at,
            message_id=doubt.asked_id if doubt.unconfirmed else "",
        )
        finding = await channel.look_up(lookup, self._is_taken)
        settings = lane.campaigns[doubt.campaign]
        match finding:
            case Found(message_id=message_id, thread_id=thread_id):
                await self._write(
                    doubt, Evidence.FOUND, "found", "found by a look-up", message_id, thread_id
                )
            case Absent(detail=detail) if settings.absent == "resend":
                if channel.idempotent:
                    await self._repeat(doubt)
                else:
                    await self._write(doubt, Evidence.ABSENT_ASSUMED, "absent", detail)
            case Absent(detail=detail):
                self._tries[doubt.id] = LOOKUPS  # a person decides; asking again tells nothing new
                await self._write(
                    doubt,
                    Evidence.ABSENT_HELD,
                    "absent",
                    f"{detail}; absence is no proof (retry.absent: hold)".lstrip("; "),
                )
            case Unclear(reason=reason):
                await self._write(doubt, Evidence.UNCLEAR, "unclear", reason)

    async def _is_taken(self, message_id: str) -> bool:
        return self.lane.ledger.read(views.is_taken, message_id)

    async def _write(
        self,
        doubt: Doubt,
        evidence: Evidence,
        reason: str,
        detail: str,
        message_id: str = "",
        thread_id: str = "",
    ) -> None:
        lane = self.lane
        settled = await lane.ledger.commit(
            moves.settle,
            Settlement(
                message=doubt.id,
                evidence=evidence,
                at=lane.clock.now(),
                reason=reason,
                detail=detail,
                message_id=message_id,
                thread_id=thread_id,
            ),
        )
        if settled is None:
            return
        name = lane.campaigns[doubt.campaign].name
        about = (lane.clock.now(), name, doubt.recipient.id, doubt.sender)
        match settled.status:
            case MessageStatus.SENT:
                lane.bus.emit(MessageSent(*about, message_id, thread_id, settled=True))
            case MessageStatus.IN_DOUBT:
                lane.bus.emit(MessageInDoubt(*about, reason, detail))
            case _:
                lane.bus.emit(MessageDeferred(*about, reason, detail))
        lane.notify()
