"""The look-up of version 1: a message read back from the thread with its person.

Facts: InboxHQ/n8n-nodes-inboxapp `nodes/InboxApp/openapi.json` (threads/lookup, messages).
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.channels.base import Lookup, Taken
from runner.channels.lookup import (
    MOST_PAGES,
    ApiReader,
    Candidate,
    History,
    UnclearAnswer,
    message_time,
    path_id,
)
from runner.channels.responses import as_map, text_id
from runner.message.outcome import Absent, LookupResult
from runner.message.prospect import Recipient

PAGE = "100"
"""Messages per page: the most that the API allows."""

_PROSPECT_ID = {"platform": "platformId", "inbox": "externalId"}
"""Keys of a thread that hold the id of its person, by the kind of id."""


class LookupV1:
    """One look-up."""

    def __init__(self, ask: ApiReader, lookup: Lookup, taken: Taken) -> None:
        self._ask = ask
        self._lookup = lookup
        self._taken = taken

    async def run(self) -> LookupResult:
        """Read the thread with the person. Raises UnclearAnswer."""
        lookup = self._lookup
        recipient = lookup.recipient
        thread = await self._ask.look(
            "threads",
            "lookup",
            params={
                "accountLinkId": lookup.sender,
                _asked_id(recipient): recipient.id,
            },
        )
        if thread is None:
            return Absent("no thread with this recipient")
        thread = as_map(thread)
        thread_id = path_id(text_id(thread.get("id")))
        if thread.get("accountLinkId", lookup.sender) != lookup.sender:
            raise UnclearAnswer("the look-up answered with another account link's thread")
        known = as_map(thread.get("prospect")).get(_PROSPECT_ID[recipient.id_type])
        if known is None:
            raise UnclearAnswer("the look-up answered with a thread that does not say whose it is")
        if text_id(known) != recipient.id:
            raise UnclearAnswer("the look-up answered with another person's thread")
        history = History(lookup)
        history.syncing = bool(thread.get("isSyncing"))
        await self._read_messages(thread_id, history)
        last = as_map(thread.get("lastMessage"))
        if last and text_id(last.get("id")) not in history.ids:
            why = "the thread's last message is of this sender, and not yet in its list"
            at = message_time(last)
            new = at is None or at >= history.reach
            if new and text_id(last.get("authorId")) == lookup.sender:
                history.add(Candidate(text_id(last.get("id")), thread_id, at or 0, why))
        return await history.finding(self._taken)

    async def _read_messages(self, thread_id: str, history: History) -> None:
        """Read pages until the message is found. Their order is not documented: only the whole
        list, or very much of one that is newest first throughout, shows that it is not there."""
        params = {"limit": PAGE}
        for _ in range(MOST_PAGES):
            page = as_map(
                await self._ask.look("threads", thread_id, "messages", params=dict(params))
            )
            messages = page.get("messages")
            if not isinstance(messages, list) or "nextCursor" not in page:
                raise UnclearAnswer("the look-up's answer could not be read: no list of messages")
            history.syncing |= bool(page.get("isSyncing"))
            for message in messages:
                _weigh(message, self._lookup, thread_id, history)
            cursor = page["nextCursor"]
            if cursor is None or (history.behind() and await history.fits(self._taken)):
                return
            at, cursor_id = as_map(cursor).get("timestamp"), text_id(as_map(cursor).get("id"))
            step = {"cursorId": cursor_id, "cursorTimestamp": at if isinstance(at, str) else ""}
            if not all(step.values()) or step.items() <= params.items():
                raise UnclearAnswer("the look-up's answer could not be read: no next page")
            params |= step
        if not history.behind():
            raise UnclearAnswer("thread too long")


def id_parameter(recipient: Recipient) -> str:
    """Return the parameter that names a recipient. Raises ValueError for an unknown kind of id."""
    match recipient.id_type:
        case "platform":
            return "externalPlatformId"
        case "inbox":
            return "externalId"
    raise ValueError(f"unknown kind of id: {recipient.id_type}")


def _asked_id(recipient: Recipient) -> str:
    try:
        return id_parameter(recipient)
    except ValueError as error:
        raise UnclearAnswer(str(error)) from None


def _weigh(message: object, lookup: Lookup, thread_id: str, history: History) -> None:
    """Note one message of a page. Ours is what the sender's account link wrote."""
    if not isinstance(message, dict):
        raise UnclearAnswer("the look-up's answer could not be read: a message")
    if message.get("threadId", thread_id) != thread_id:
        raise UnclearAnswer("the look-up answered with another thread's messages")
    at = message_time(message)
    message_id = text_id(message.get("id"))
    author = text_id(message.get("authorId"))
    if not author:
        raise UnclearAnswer("the look-up's answer could not be read: whose a message is")
    history.pass_by(at)
    history.ids.add(message_id)
    if author != lookup.sender and message.get("origin") != "api":
        return
    why = _difference(message, lookup)
    if why and at is not None and at < history.reach:
        return
    if at is None or not message_id:
        raise UnclearAnswer(
            "a message of this sender is there, but its time or id could not be read"
        )
    history.add(Candidate(message_id, thread_id, at, why))


def _difference(message: Mapping[str, object], lookup: Lookup) -> str:
    """Return the difference between a message and what was sent, empty if there is none."""
    if text_id(message.get("authorId")) != lookup.sender:
        return "a message is there that was sent through the API, but not marked as this sender's"
    if message.get("failed"):
        return "a message of this sender is there, but marked as failed"
    if message.get("campaignId") is not None:
        return "a message of this sender is there, but of an Inbox campaign"
    if message.get("content") != lookup.text:
        return "a message of this sender is there, but its text differs"
    if message.get("origin") != "api":
        return "a message of this sender is there, but not marked as sent through the API"
    return ""
