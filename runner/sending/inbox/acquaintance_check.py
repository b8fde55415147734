"""The check of `skip_known` before a first message: whether the team talks to the person now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from runner.errors import ChannelError, LaneEnding
from runner.events import MessageSkipped
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.queue import QueuedMessage
from runner.ledger.people import acquaintances
from runner.message.acquaintance import Acquaintance, SkipRules, Talk, bar_of, is_fresh

if TYPE_CHECKING:  # aiohttp takes long to load
    from runner.channels.v2.inbox_v2_people import PeopleV2
    from runner.sending.lane import Lane

THREADS_AT_ONCE = 50
"""Contacts whose threads are asked for in one request. Our own choice: how many may be is not
documented."""

MOST_FAILURES = 5
"""Questions in a row that come to nothing, after which a campaign stops."""


@dataclass(slots=True)
class AcquaintanceCheck:
    """Asks Inbox again about each person of a campaign of whom it was asked longer than a day ago.
    `handles`: of account links."""

    people: PeopleV2
    rules: SkipRules
    platform: str
    handles: Mapping[str, str]
    _failures: int = 0
    _failed_at: float = -math.inf  # boot seconds

    async def may_go(self, lane: Lane, queued: QueuedMessage) -> bool:
        """Return whether a person may be written to now. If not, their message is skipped; or it
        stays in the queue, since Inbox had to be asked: what else may keep it from being sent is
        older than the answer by now."""
        id, now = queued.recipient.id, lane.clock.now()
        told = lane.ledger.read(acquaintances.known_among, [id], lane.id, self.platform)
        known = told.get(id)
        if known is None or not is_fresh(known, now):
            await self._ask(lane, queued)
            return False
        bar = bar_of(known, self.rules, now, self.handles)
        if bar is None:
            return True
        skip = LateSkip(bar.reason, bar.detail, bar.free_at)
        lane.ledger.write(skip_late, {queued.id: skip})
        about = queued.campaign_name, id, queued.sender
        lane.bus.emit(MessageSkipped(now, *about, bar.reason, bar.detail))
        return False

    async def _ask(self, lane: Lane, queued: QueuedMessage) -> None:
        """Ask about the person, and keep the answer; stop the campaign where that fails again and
        again."""
        began = lane.clock.boot()
        try:
            told = await ask(self.people, [queued.recipient.id], lane.ledger, lane.clock.now())
        except LaneEnding:
            return
        except ChannelError as error:
            if began > self._failed_at:  # else it failed together with another
                self._failures, self._failed_at = self._failures + 1, lane.clock.boot()
            if self._failures < MOST_FAILURES and error.status not in (401, 403):
                await _rest(lane, 2.0**self._failures)
            elif queued.campaign not in lane.stops.campaigns:
                why = f"Inbox cannot be asked who is in talks already: {error}"
                lane.stops.stop_by_guard(queued.campaign, why)
            return
        self._failures = 0
        lane.ledger.write(decisions.keep_acquaintances, told, lane.id, self.platform)


async def _rest(lane: Lane, seconds: float) -> None:
    """Wait, unless the lane ends."""
    until = lane.clock.boot() + seconds
    while not lane.stops.is_ending and lane.clock.boot() < until:
        await lane.wakeups.wait(until)


async def ask(
    people: PeopleV2, ids: Sequence[str], ledger: Ledger, now: float
) -> list[Acquaintance]:
    """Ask about some people (100 at most). Threads that end with a message of this ledger's do not
    count: nobody has answered it, and no colleague has gone on. Raises ChannelError."""
    found, of_contact = await people.by_id(ids, now)
    written = {id for each in of_contact.values() for id in each}
    own = ledger.read(acquaintances.own_messages, written) if written else ()
    contacts = iter(of_contact)
    while some := list(islice(contacts, THREADS_AT_ONCE)):
        for thread in await people.threads_with(some):
            if thread.contact not in of_contact:
                raise ChannelError(f"Inbox answers for contact {some[0]} with another's thread")
            for id in of_contact[thread.contact]:
                was = found[id]
                talk, at = was.talk, thread.last_at
                if at is not None and thread.last not in own and (talk is None or at > talk.at):
                    talk = Talk(at, thread.link, thread.inbound)
                found[id] = was._replace(assignee=was.assignee or thread.assignee, talk=talk)
    return list(found.values())
