"""The check of `skip_known` before a first message: whether the team talks to the person now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from runner.errors import ChannelError
from runner.events import MessageSkipped
from runner.ledger.ledger import Ledger
from runner.ledger.messages import acquaintances
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.queue import QueuedMessage
from runner.message.acquaintance import FRESH, Acquaintance, SkipRules, Talk, bar_of

if TYPE_CHECKING:  # aiohttp takes long to load
    from runner.channels.inbox_v2_people import PeopleV2
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

    async def may_go(self, lane: Lane, queued: QueuedMessage) -> bool:
        """Return whether a person may still be written to; if not, their message is skipped, or
        stays in the queue where Inbox cannot be asked."""
        id, now = queued.recipient.id, lane.clock.now()
        told = lane.ledger.read(acquaintances.known_among, [id], lane.id, self.platform)
        known = told.get(id)
        if known is None or now - known.asked_at >= FRESH:
            try:
                [known] = await ask(self.people, [id], lane.ledger, now)
            except ChannelError as error:
                await self._fail(lane, queued, error)
                return False
            self._failures = 0
            lane.ledger.write(acquaintances.keep, [known], lane.id, self.platform)
        bar = bar_of(known, self.rules, now, self.handles)
        if bar is None:
            return True
        skip = LateSkip(bar.reason, bar.detail, bar.free_at)
        lane.ledger.write(skip_late, {queued.id: skip})
        about = queued.campaign_name, id, queued.sender
        lane.bus.emit(MessageSkipped(now, *about, bar.reason, bar.detail))
        return False

    async def _fail(self, lane: Lane, queued: QueuedMessage, error: ChannelError) -> None:
        self._failures += 1
        if self._failures < MOST_FAILURES and error.status not in (401, 403):
            await asyncio.sleep(2.0**self._failures)
            return
        why = f"Inbox cannot be asked who is in talks already: {error}"
        lane.stops.stop_by_guard(queued.campaign, why)


async def ask(
    people: PeopleV2, ids: Sequence[str], ledger: Ledger, now: float
) -> list[Acquaintance]:
    """Ask about some people (100 at most). Threads in which campaigns of the ledger have written to
    them do not count. Raises ChannelError."""
    found, of_contact = await people.by_id(ids, now)
    own = ledger.read(acquaintances.own_threads, list(of_contact.values())) if of_contact else ()
    contacts = iter(of_contact)
    while some := list(islice(contacts, THREADS_AT_ONCE)):
        for thread in await people.threads_with(some):
            if thread.contact not in of_contact:
                continue
            id = of_contact[thread.contact]
            was = found[id]
            talk = was.talk
            at = thread.last_at
            if at is not None and thread.id not in own and (talk is None or at > talk.at):
                talk = Talk(at, thread.link, thread.inbound)
            found[id] = was._replace(assignee=was.assignee or thread.assignee, talk=talk)
    return list(found.values())
