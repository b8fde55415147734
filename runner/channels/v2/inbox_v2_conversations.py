"""The other side of conversations on version 2: events of received messages, threads and messages.

Facts: InboxHQ/inboxapp-sdk `spec/openapi.json` (events in order of `seq`, kept 7 days and at most
25,000 per team; `limit` counts the events read, so that a page may hold none of the wanted type).
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.channels.base import (
    EventPage,
    InboundText,
    OldestEvent,
    Received,
    ThreadState,
    UnreadableFeed,
)
from runner.channels.lookup import ApiReader, UnclearAnswer, message_time, path_id
from runner.channels.responses import as_map, parse_time, text_id
from runner.instrumentation import Purpose

EVENTS_A_PAGE = "1000"
"""Events per page: the most that the API allows."""

NEWEST = "100"
"""Messages of a thread that are read: the most of a page that the API allows."""

MOST_SEQ = 2**53
"""Numbers of events from here on are not exact in JSON."""


class ConversationsV2:
    """The other side, as the API tells of it. Raises UnreadableFeed where it cannot be read now."""

    def __init__(self, ask: ApiReader) -> None:
        self._ask = ask

    async def received(self, after: int | None) -> EventPage:
        """Return the next page of events after a number; from the oldest that is kept for None."""
        params = {"type": "message.received", "limit": EVENTS_A_PAGE}
        if after is not None:
            params["afterSeq"] = str(after)
        page = as_map(await self._look("events", params=params))
        data, more, last = page.get("data"), page.get("hasMore"), page.get("lastSeq")
        if not isinstance(data, list) or not isinstance(more, bool):
            raise UnreadableFeed("the events could not be read: no list in the answer")
        seq = _seq(last)
        if last is not None and seq is None:
            raise UnreadableFeed("the events could not be read: no number of the last one")
        if more and (seq is None or (after is not None and seq <= after)):
            raise UnreadableFeed("the events could not be read: their pages do not go on")
        return EventPage([_received(as_map(each)) for each in data], seq, more)

    async def oldest(self) -> OldestEvent | None:
        """Return the oldest event that is kept, None for none."""
        data = as_map(await self._look("events", params={"limit": "1"})).get("data")
        if not isinstance(data, list):
            raise UnreadableFeed("the events could not be read: no list in the answer")
        if not data:
            return None
        seq, at = _seq(as_map(data[0]).get("seq")), parse_time(as_map(data[0]).get("createdAt"))
        if seq is None or at is None:
            raise UnreadableFeed("the events could not be read: one without its number or time")
        return OldestEvent(seq, at)

    async def text(self, message_id: str) -> InboundText | None:
        """Return a message; None for one that is gone."""
        found = await self._if_there("messages", path_id(message_id))
        return None if found is None else _message(found)

    async def thread(self, thread_id: str) -> ThreadState | None:
        """Return how a thread stands, with every id of its person; None for one that is gone."""
        params = {"expand": "contact"}
        found = await self._if_there("threads", path_id(thread_id), params=params)
        if found is None:
            return None
        last = as_map(found.get("lastMessage"))
        contact = as_map(found.get("contact"))
        profiles = contact.get("profiles")
        ids = [text_id(found.get("contactId")), text_id(contact.get("id"))]
        for profile in map(as_map, profiles if isinstance(profiles, list) else []):
            ids.append(text_id(profile.get("platformId")))
        restrictions = found.get("restrictions")
        return ThreadState(
            sender=text_id(found.get("accountLinkId")),
            people=tuple(dict.fromkeys(filter(None, ids))),
            last_id=text_id(last.get("id")),
            syncing=found.get("syncing") is not False,
            last_inbound=_INBOUND.get(text_id(last.get("direction"))),
            last_at=message_time(last),
            assignee=_assignee(found),
            restricted="message:send" in restrictions if isinstance(restrictions, list) else None,
        )

    async def newest(self, thread_id: str) -> list[InboundText] | None:
        """Return a thread's newest messages, the newest first; None for a thread that is gone."""
        params = {"limit": NEWEST, "order": "desc"}
        where = ("threads", path_id(thread_id), "messages")
        page = await self._if_there(*where, params=params)
        if page is None:
            return None
        data = page.get("data")
        if not isinstance(data, list):
            raise UnreadableFeed("a thread could not be read: no list in the answer")
        return [_message(as_map(each)) for each in data]

    async def _if_there(
        self, *parts: str, params: Mapping[str, str] | None = None
    ) -> Mapping[str, object] | None:
        try:
            return as_map(await self._look(*parts, params=params))
        except UnreadableFeed as error:
            if error.status == 404:
                return None
            raise

    async def _look(self, *parts: str, params: Mapping[str, str] | None = None) -> object:
        try:
            return await self._ask.look(*parts, params=params, purpose=Purpose.REPLIES)
        except UnclearAnswer as error:
            raise UnreadableFeed(str(error), error.status) from None


_INBOUND = {"inbound": True, "outbound": False}


def _assignee(thread: Mapping[str, object]) -> str | None:
    """Return the member whom a thread is assigned to, empty for nobody, None for not told."""
    if thread.get("assigneeId", "") is None:
        return ""
    return text_id(thread.get("assigneeId")) or None


def _seq(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == int(value) and 0 <= value < MOST_SEQ else None


def _received(event: Mapping[str, object]) -> Received:
    """Return what an event tells. Raises UnreadableFeed: one that is passed over would be lost."""
    message = text_id(as_map(event.get("object")).get("id"))
    thread = text_id(as_map(event.get("data")).get("threadId"))
    at, seq = parse_time(event.get("createdAt")), _seq(event.get("seq"))
    if not message or not thread or at is None or seq is None:
        raise UnreadableFeed("the events could not be read: one without its ids, number or time")
    return Received(message, thread, at, seq)


def _message(message: Mapping[str, object]) -> InboundText:
    """Return what a message says: nothing, where it has no text. Raises UnreadableFeed for one that
    makes no sense, which is no reason to read no other."""
    at = message_time(message)
    id, content = text_id(message.get("id")), message.get("content")
    direction = message.get("direction")
    is_known = direction in ("inbound", "outbound") and isinstance(content, str | None)
    if not id or at is None or not is_known:
        raise UnreadableFeed("a message could not be read: no id, time, direction or text", 200)
    return InboundText(id, at, content if isinstance(content, str) else "", direction == "outbound")
