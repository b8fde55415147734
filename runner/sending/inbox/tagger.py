"""The tagger: it puts a campaign's tag on the contacts whom that has written to (`tag`).

It is no part of a send: whatever becomes of it, messages and exit codes stay as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.errors import LaneEnding, RunnerError
from runner.events import Notice
from runner.ledger.people import tags
from runner.ledger.people.tags import Untagged

if TYPE_CHECKING:  # aiohttp takes long to load
    from runner.channels.v2.inbox_v2_people import PeopleV2
    from runner.sending.lane import Lane

AT_ONCE = 100
"""Contacts that are looked for in one request."""

RECHECK = 10.0
"""Seconds after which it is looked again for what was sent meanwhile."""

REHEARSED_RECHECK = 3600.0
"""The same where nobody else waits for tags: weeks of follow-ups pass in seconds there."""

SHARE = 4
"""Tags take one in so many of the team's requests while messages are being sent."""

LONGEST_END = 600.0
"""Seconds for which a run goes on tagging after its last message; later runs do the rest."""

TOLD_WAIT = 5.0
"""Seconds of that from which on it is told."""


@dataclass(slots=True)
class Tagger:
    """Puts the tag of one campaign on. `per_minute`: the team's limit, None for none."""

    people: PeopleV2
    campaign: int
    name: str
    tag: str
    per_minute: int | None
    sending_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, lane: Lane) -> None:
        """Tag until all who were written to have the tag and nothing more is sent. Tells what goes
        wrong, and leaves the rest to a later run."""
        try:
            await self._run(lane)
        except LaneEnding:
            pass
        except RunnerError as error:
            told = f"{self.name}: the tag {self.tag} is not put on for now: {error}"
            lane.bus.emit(Notice(lane.clock.now(), told))

    def tell_wait(self, lane: Lane) -> None:
        """Tell that the end waits for tags."""
        told = f"{self.name}: the tag {self.tag} is still put on; Ctrl-C leaves the rest for later"
        lane.bus.emit(Notice(lane.clock.now(), told))

    async def _run(self, lane: Lane) -> None:
        tag_id, after = "", 0
        recheck = REHEARSED_RECHECK if lane.undisturbed else RECHECK
        while True:
            is_over = self.sending_over.is_set()  # looked at first: what was sent until now counts
            found = lane.ledger.read(tags.untagged, self.campaign, self.tag, AT_ONCE, after)
            if not found:
                if after:  # once more from the beginning: some were settled meanwhile
                    after = 0
                    continue
                if is_over:
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.sending_over.wait(), recheck)
                continue
            tag_id = tag_id or await self.people.tag_id(self.tag)
            contacts = await self._contacts(found, lane.clock.now())
            for each in found:
                if (contact := contacts.get(each.recipient, "")) != "":
                    await self._pause()
                    await self.people.put_tag(contact, tag_id)
                lane.ledger.write(tags.keep, [each.message], self.tag, lane.clock.now())
                after = each.message

    async def _contacts(self, found: Sequence[Untagged], now: float) -> dict[str, str]:
        """Return each person's contact; nothing for those who have none any more."""
        contacts = {each.recipient: each.recipient for each in found if each.id_type == "inbox"}
        ids = [each.recipient for each in found if each.id_type != "inbox"]
        if ids:
            told, _ = await self.people.by_id(ids, now)
            contacts |= {id: each.contact for id, each in told.items()}
        return contacts

    async def _pause(self) -> None:
        """Leave most of the team's requests to messages, while there are any."""
        if self.per_minute is None or self.sending_over.is_set():
            return
        with contextlib.suppress(TimeoutError):
            seconds = 60.0 * SHARE / self.per_minute
            await asyncio.wait_for(self.sending_over.wait(), seconds)


@asynccontextmanager
async def tagging(
    taggers: Sequence[tuple[Lane, Tagger]], longest_end: float = LONGEST_END
) -> AsyncIterator[None]:
    """Put tags on while the context lasts, and at its end for so many seconds at most, unless a
    lane is to end."""
    tasks = [
        asyncio.create_task(tagger.run(lane), name=f"tags of {tagger.name}")
        for lane, tagger in taggers
    ]
    watches: list[asyncio.Task[None]] = []
    try:
        yield
        for (lane, tagger), task in zip(taggers, tasks, strict=True):
            tagger.sending_over.set()
            watches.append(asyncio.create_task(_cancel_with(lane, task)))
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=min(longest_end, TOLD_WAIT))
            if left and longest_end > TOLD_WAIT:
                for (lane, tagger), task in zip(taggers, tasks, strict=True):
                    if task in left:
                        tagger.tell_wait(lane)
                await asyncio.wait(left, timeout=longest_end - TOLD_WAIT)
    finally:
        for task in [*tasks, *watches]:
            task.cancel()
        await asyncio.gather(*tasks, *watches, return_exceptions=True)


async def _cancel_with(lane: Lane, task: asyncio.Task[None]) -> None:
    """Cancel a task once its lane is to end: a tag that is not noted is put on again."""
    while not lane.stops.is_ending:
        await lane.wakeups.wait()
    task.cancel()
