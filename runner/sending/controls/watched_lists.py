"""Watched lists: what is added to a live campaign's do-not-contact lists while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.audience.lists.listed_handles import handles_resolved
from runner.audience.lists.suppression import ListSource, read_list, refuse_errors, suppressed_by
from runner.errors import RunnerError
from runner.events import Notice
from runner.ledger.messages import decisions
from runner.message.handle import KeptHandle
from runner.sending.lane import Lane
from runner.tables.reader import fingerprint

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign

UNREADABLE_FOR = 2.0
"""Seconds for which a list may be unreadable: a program may be writing it just now."""

Stamp = tuple[int, int, int]
"""A file's time, size and inode: as long as they stay, its bytes do."""


@dataclass(slots=True)
class WatchedList:
    """A list file. `known`: the hash of the bytes that the plan has read, empty for none;
    `is_optional`: it may be missing, on a machine that is not the one it was planned on."""

    source: ListSource
    known: str = ""
    is_optional: bool = False
    _stamp: Stamp | None = None
    _failing_since: float | None = None

    def check(self, read: Callable[[ListSource], Mapping[str, str]], now: float) -> ListChange:
        """Read the file if it has changed since the last check; return its people, or why it cannot
        be read, where that has lasted (`now`: boot seconds)."""
        try:
            found = self.source.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return ListChange()
            bytes_now = fingerprint(self.source.path)
            people = read(self.source) if bytes_now != self.known else {}
        except (OSError, RunnerError) as error:
            if self.is_optional and not self.source.path.exists():
                return ListChange()
            if self._failing_since is None:
                self._failing_since = now
            if now - self._failing_since < UNREADABLE_FOR:
                return ListChange()
            self._failing_since = None  # should a person let it go on
            told = str(error) if isinstance(error, RunnerError) else f"{self.source.path}: {error}"
            return ListChange(trouble=told)
        # What was written while it was read has another time: it is read once more.
        self._stamp, self.known, self._failing_since = stamp, bytes_now, None
        return ListChange(people)


@dataclass(frozen=True, slots=True)
class ListChange:
    """A list's people, if it has changed, and where they stand; or why it cannot be read."""

    people: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""


@dataclass(slots=True)
class WatchedLists:
    """The lists of one campaign of a live lane. A person who has once been on one stays on it for
    this run."""

    campaign: int
    lists: Sequence[WatchedList]
    id_type: str
    platform: str
    prospects_id: str | None = None
    handles: Callable[[], Mapping[str, KeptHandle]] = dict[str, KeptHandle]
    resolve: str = ""

    def check(self, now: float) -> tuple[dict[str, str], str]:
        """Return the people on changed lists, with where they stand; and why the campaign stops.
        Reads files: not for the event loop."""
        added: dict[str, str] = {}
        for each in self.lists:
            found = each.check(self._read, now)
            if found.trouble:
                return added, found.trouble
            added |= found.people
        return added, ""

    def _read(self, source: ListSource) -> Mapping[str, str]:
        found = read_list(
            source.path,
            self.id_type,
            self.platform,
            id=source.id,
            prospects_id=self.prospects_id,
        )
        if found.handles:
            found = handles_resolved(found, self.platform, self.handles(), self.resolve)
        refuse_errors([found])
        return suppressed_by([found])

    async def apply(self, lane: Lane) -> None:
        """Take people added since the last time out of the queue, and stop the campaign where
        a list cannot be read."""
        if not self.lists or self.campaign in lane.stops.campaigns:
            return
        found, trouble = await asyncio.to_thread(self.check, lane.clock.boot())
        settings = lane.campaigns[self.campaign]
        new = {id: where for id, where in found.items() if id not in settings.suppressed}
        if new:
            lane.suppress(self.campaign, new)  # for the next send, then in the ledger
            passed = await asyncio.to_thread(
                lane.ledger.write, decisions.skip_listed, self.campaign, new
            )
            files = ", ".join(dict.fromkeys(each.source.path.name for each in self.lists))
            people = "1 person more" if len(new) == 1 else f"{len(new):,} people more"
            told = f"{settings.name}: {files}: {people}; taken out of the queue: {passed:,}"
            lane.bus.emit(Notice(lane.clock.now(), told))
            lane.notify()
        if trouble and self.campaign not in lane.stops.campaigns:
            why = f"a do-not-contact list cannot be read: {trouble}"
            lane.stops.stop_by_guard(self.campaign, why)


def watched_lists(
    campaign: int,
    config: Campaign,
    id_type: str,
    prospects_id: str | None,
    known: Sequence[str] = (),
    handles: Callable[[], Mapping[str, KeptHandle]] = dict[str, KeptHandle],
) -> WatchedLists:
    """Return the lists of a campaign. `known`: hashes of the bytes that its plan has read; without
    them the files may be missing, since it was planned elsewhere. `handles`: returns those whose
    ids are known."""
    lists = [
        WatchedList(
            ListSource(each.source, each.id),
            known[index] if known else "",
            is_optional=not known,
        )
        for index, each in enumerate(config.suppress.lists)
    ]
    kind = "username" if config.prospects.id_type == "username" else id_type
    platform, resolve = config.api.platform, f"run-campaign handles {config.path}"
    return WatchedLists(campaign, lists, kind, platform, prospects_id, handles, resolve)
