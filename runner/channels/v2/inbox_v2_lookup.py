"""The look-up of version 2: a message read back by its id, or through contact, thread and messages.

Facts: InboxHQ/inboxapp-sdk `spec/openapi.json` (the default folder hides archived threads and
requests; messages come newest first; `sentBy` tells an API send from a person's).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

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
from runner.message.outcome import Absent, Found, LookupResult, Unclear
from runner.message.prospect import Recipient

PAGE = "100"
"""Entries per page: the most that the API allows."""

MOST_PEOPLE = 10
"""Contacts or threads of one recipient that are believed; more means that a filter was ignored."""


class LookupV2:
    """One look-up."""

    def __init__(self, ask: ApiReader, platform: str, lookup: Lookup, taken: Taken) -> None:
        self._ask = ask
        self._platform = platform
        self._lookup = lookup
        self._taken = taken

    async def run(self) -> LookupResult:
        """Return the finding; raises `UnclearAnswer` when the search cannot go on."""
        if self._lookup.message_id:
            return await self._by_id(self._lookup.message_id)
        contacts = await self._contacts()
        if not contacts:
            return Absent("no contact with this id")
        history = History(self._lookup)
        threads = 0
        for contact_id in contacts:
            for thread in await self._threads(contact_id):
                threads += 1
                await self._read(thread, history)
        if not threads:
            return Absent("no thread with this recipient")
        return await history.finding(self._taken)

    async def _by_id(self, message_id: str) -> LookupResult:
        message = as_map(await self._ask.look("messages", path_id(message_id)))
        thread_id = text_id(message.get("threadId"))
        if text_id(message.get("id")) != message_id or not thread_id:
            return Unclear("the look-up's answer could not be read: no such message in it")
        ours = message.get("accountLinkId") == self._lookup.sender
        if message.get("direction") != "outbound" or not ours:
            return Unclear("the message is not one of this sender's")
        if message.get("content") != self._lookup.text:
            return Unclear("the message is there, but its text differs")
        if message.get("platformId") is None:
            return Unclear("the message is there, but the platform has not confirmed it")
        if await self._taken(message_id):
            return Unclear("the message is another row's")
        return Found(message_id, thread_id)

    async def _contacts(self) -> list[str]:
        recipient = self._lookup.recipient
        if recipient.id_type == "inbox":
            return [recipient.id]
        params = {
            "platform": profile_platform(recipient, self._platform),
            "platformId": recipient.id,
            "limit": PAGE,
        }
        contacts = await self._all("contacts", params)
        if not all(self._is_recipient(contact) for contact in contacts):
            raise UnclearAnswer("the look-up answered with another person's contact")
        return [path_id(text_id(contact.get("id"))) for contact in contacts]

    def _is_recipient(self, contact: Mapping[str, object]) -> bool:
        """Return whether it is not said to have other profiles only."""
        profiles = contact.get("profiles")
        if not isinstance(profiles, list):
            return True
        return self._lookup.recipient.id in [
            text_id(as_map(profile).get("platformId")) for profile in profiles
        ]

    async def _threads(self, contact_id: str) -> list[Mapping[str, object]]:
        params = {
            "accountLinkId": self._lookup.sender,
            "contactId": contact_id,
            "folder": "all",
            "limit": PAGE,
        }
        threads = await self._all("threads", params)
        if not all(self._of_sender(thread) for thread in threads):
            raise UnclearAnswer("the look-up answered with another account link's threads")
        if not all(thread.get("contactId", contact_id) == contact_id for thread in threads):
            raise UnclearAnswer("the look-up answered with another person's threads")
        return threads

    async def _read(self, thread: Mapping[str, object], history: History) -> None:
        """Read a thread's pages until they reach behind the attempt."""
        thread_id = path_id(text_id(thread.get("id")))
        history.syncing |= bool(thread.get("syncing"))
        history.start_thread()
        async for page in self._pages("threads", thread_id, "messages", params={"limit": PAGE}):
            for message in page:
                self._weigh(message, thread_id, history)
            if history.behind():
                break
        last = as_map(thread.get("lastMessage"))
        last_id, at = text_id(last.get("id")), message_time(last)
        new = at is None or at >= history.reach
        if new and last.get("direction") == "outbound" and last_id not in history.ids:
            why = "the thread's last message is of this sender, and not yet in its list"
            history.add(Candidate(last_id, thread_id, at or 0, why))

    def _weigh(self, message: Mapping[str, object], thread_id: str, history: History) -> None:
        """Note one message. Outbound ones of people and of Inbox campaigns are not ours, unless
        they have the very text: then who sent them may only be told wrongly."""
        at = message_time(message)
        message_id = text_id(message.get("id"))
        if not isinstance(message.get("direction"), str):
            raise UnclearAnswer("the look-up's answer could not be read: whose a message is")
        if message.get("threadId", thread_id) != thread_id:
            raise UnclearAnswer("the look-up answered with another thread's messages")
        history.pass_by(at)
        history.ids.add(message_id)
        same = message.get("content") == self._lookup.text
        by_api = as_map(message.get("sentBy")).get("type") == "api"
        if message.get("direction") == "inbound" or not (same or by_api):
            return
        why = ""
        if not same:
            why = "a message of this sender is there, but its text differs"
        elif not by_api:
            why = "the same text is there, but not marked as sent through the API"
        elif message.get("direction") != "outbound" or not self._of_sender(message):
            why = "the same text is there, but not marked as this sender's"
        if why and at is not None and at < history.reach:
            return
        if at is None or not message_id:
            raise UnclearAnswer(
                "a message of this sender is there, but its time or id could not be read"
            )
        history.add(Candidate(message_id, thread_id, at, why))

    def _of_sender(self, thing: Mapping[str, object]) -> bool:
        """Return whether it is not said to be another account link's."""
        return thing.get("accountLinkId", self._lookup.sender) == self._lookup.sender

    async def _all(self, name: str, params: Mapping[str, str]) -> list[Mapping[str, object]]:
        """Return every entry of a short list."""
        entries: list[Mapping[str, object]] = []
        async for page in self._pages(name, params=params):
            entries += page
            if len(entries) > MOST_PEOPLE:
                raise UnclearAnswer(
                    f"the look-up answered with more {name} than one recipient can have"
                )
        return entries

    async def _pages(
        self, *parts: str, params: Mapping[str, str]
    ) -> AsyncIterator[list[Mapping[str, object]]]:
        asked = dict(params)
        for _ in range(MOST_PAGES):
            page = as_map(await self._ask.look(*parts, params=dict(asked)))
            data = page.get("data")
            if not isinstance(data, list) or "nextCursor" not in page:
                raise UnclearAnswer("the look-up's answer could not be read: no list in it")
            if not all(isinstance(entry, dict) for entry in data):
                raise UnclearAnswer("the look-up's answer could not be read: an entry of a list")
            yield data
            cursor = page["nextCursor"]
            if cursor is None:
                return
            if not isinstance(cursor, str) or not cursor or cursor == asked.get("cursor"):
                raise UnclearAnswer("the look-up's answer could not be read: no next page")
            asked["cursor"] = cursor
        raise UnclearAnswer("thread too long" if "messages" in parts else "list too long")


def profile_platform(recipient: Recipient, default: str) -> str:
    """Return the platform of a profile target: the recipient's own, or else the campaign's."""
    return recipient.platform or default
