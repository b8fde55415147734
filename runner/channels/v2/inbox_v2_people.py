"""Questions about people to version 2 of the Inbox API: who is behind a username.

Facts: InboxHQ/inboxapp-sdk `spec/openapi.json`. `GET /contacts` takes up to 100 values, finds the
team's own contacts only, makes none, and may give several contacts for one username. Whether a
username's case matters there is not documented: it is asked as it is written, and compared without.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from runner.channels.base import Gate
from runner.channels.http import HttpSession
from runner.channels.lookup import ApiReader
from runner.channels.responses import as_map, clean, parse_time, text_id
from runner.channels.v2.inbox_v2 import read_refusal
from runner.errors import ChannelError
from runner.message.acquaintance import Acquaintance, one_name

ASKED_AT_ONCE = 100
"""Values of one filter of `GET /contacts`, and entries of a page, at most."""

NAME_TAKEN = 409

TOO_MANY = frozenset({400, 413, 414, 431})
"""Statuses that may mean that too much was asked for at once."""

MOST_PAGES = 50
"""Pages of one answer that are read. Our own choice: 50 contacts for each username."""


class Profile(NamedTuple):
    """A person's account on a platform, as Inbox last saw it. `link`: the address of its profile,
    empty where it has none; `state`: active, suspended or notFound."""

    contact: str
    id: str
    username: str
    name: str
    link: str
    state: str


class ThreadEnd(NamedTuple):
    """A thread, and its last message: its id, when it was written (Unix s; None for a thread
    without one) and by whom."""

    contact: str
    link: str
    assignee: str
    last: str
    last_at: float | None
    inbound: bool


class PeopleV2:
    """Asks one team's API about people."""

    def __init__(self, http: HttpSession, gate: Gate, platform: str) -> None:
        self._http = http
        self._platform = platform
        self._ask = ApiReader(http, gate, read_refusal)

    async def by_username(self, usernames: Sequence[str]) -> list[Profile]:
        """Return the profiles of the team's contacts that may have these usernames (100 at most):
        those of the platform, of every contact that is answered. Raises ChannelError."""
        found = []
        query = [("platform", self._platform), *(("username", each) for each in usernames)]
        async for contact in self._all("contacts", query):
            profiles = contact.get("profiles")
            if not isinstance(profiles, list):
                raise self._ask.foreign("/contacts", "a contact without profiles")
            for profile in map(as_map, profiles):
                if profile.get("platform") == self._platform:
                    found.append(self._profile(text_id(contact.get("id")), profile))
        return [each for each in found if each.id]

    async def by_id(
        self, ids: Sequence[str], asked_at: float
    ) -> tuple[dict[str, Acquaintance], dict[str, list[str]]]:
        """Return what Inbox knows of people (100 platform ids at most), and of each contact which
        of them it has. Raises ChannelError."""
        found = {id: Acquaintance(id, asked_at) for id in ids}
        of_contact: dict[str, list[str]] = {}
        query = [
            ("platform", self._platform),
            *(("platformId", each) for each in ids),
            ("expand", "status"),
            ("expand", "tags"),
        ]
        token = self._http.token
        async for contact in self._all("contacts", query):
            profiles = contact.get("profiles")
            if not isinstance(profiles, list):
                raise self._ask.foreign("/contacts", "a contact without profiles")
            contact_id, status, tags = self._marks(contact)
            for profile in map(as_map, profiles):
                id = text_id(profile.get("platformId"))
                if profile.get("platform") != self._platform or id not in found:
                    continue
                was = found[id]
                state = clean(profile.get("accountStatus"), token)
                found[id] = was._replace(
                    contact=was.contact or contact_id,
                    state=state if was.state in ("", "active") else was.state,
                    assignee=was.assignee or text_id(contact.get("assigneeId")),
                    status=was.status or status,
                    tags=tuple(dict.fromkeys([*was.tags, *tags])),
                )
                of_contact.setdefault(contact_id, []).append(id)
        return found, of_contact

    def _marks(self, contact: Mapping[str, object]) -> tuple[str, str, list[str]]:
        """Return a contact's id, and the names of its status and tags. Raises ChannelError where it
        has some that are not named: a rule may be about them."""
        token, tags = self._http.token, contact.get("tags")
        status = clean(as_map(contact.get("status")).get("name"), token)
        tags = tags if isinstance(tags, list) else []
        names = [clean(as_map(tag).get("name"), token) for tag in tags]
        named = all(names) and bool(names or not contact.get("tagIds"))
        if not named or (contact.get("statusId") and not status):
            raise self._ask.foreign("/contacts", "a status or a tag without its name")
        return text_id(contact.get("id")), status, names

    async def threads_with(self, contacts: Sequence[str]) -> list[ThreadEnd]:
        """Return the threads with these contacts, archived ones and requests too. How many may be
        asked about at once is not documented: where so many are refused, half of them are. Raises
        ChannelError."""
        query = [("folder", "all"), *(("contactId", each) for each in contacts)]
        try:
            return [self._end_of(thread) async for thread in self._all("threads", query)]
        except ChannelError as error:
            if error.status not in TOO_MANY or len(contacts) < 2:
                raise
        half = len(contacts) // 2
        first = await self.threads_with(contacts[:half])
        return first + await self.threads_with(contacts[half:])

    def _end_of(self, thread: Mapping[str, object]) -> ThreadEnd:
        last = as_map(thread.get("lastMessage"))
        at = parse_time(last.get("createdAt"))
        if last and at is None:
            raise self._ask.foreign("/threads", "a message without its time")
        return ThreadEnd(
            text_id(thread.get("contactId")),
            text_id(thread.get("accountLinkId")),
            text_id(thread.get("assigneeId")),
            text_id(last.get("id")),
            at,
            last.get("direction") == "inbound",
        )

    async def tag_id(self, name: str) -> str:
        """Return the id of the team's tag of this name, which is made if there is none. Raises
        ChannelError."""
        for _ in range(2):
            for tag in await self._all_of("tags"):
                if one_name(clean(tag.get("name"), self._http.token)) == one_name(name):
                    return text_id(tag.get("id"))
            try:
                data = json.dumps({"name": name}, ensure_ascii=False).encode()
                made = as_map((await self._ask.change("POST", "tags", data=data)).json())
                return text_id(made.get("id"))
            except ChannelError as error:
                if error.status != NAME_TAKEN:
                    raise
            except ValueError as error:
                raise self._ask.foreign("/tags", str(error)) from None
        raise self._ask.foreign("/tags", f"the tag {name} is there, and is not")

    async def put_tag(self, contact: str, tag: str) -> None:
        """Put a tag on a contact; one that is not there any more is let be. Raises ChannelError,
        also for a tag that is not there."""
        try:
            await self._ask.change("PUT", "contacts", contact, "tags", tag)
        except ChannelError as error:
            if error.code != "contactNotFound":
                raise

    async def names(self, what: str) -> list[str]:
        """Return the names of all `statuses` or `tags` of the team. Raises ChannelError."""
        found = await self._all_of(what)
        return [clean(each.get("name"), self._http.token) for each in found]

    async def _all_of(self, what: str) -> list[Mapping[str, object]]:
        """Return all `statuses` or `tags`, which come in one page."""
        data = as_map(await self._ask.must(what)).get("data")
        if not isinstance(data, list):
            raise self._ask.foreign(f"/{what}")
        return list(map(as_map, data))

    def _profile(self, contact: str, profile: Mapping[str, object]) -> Profile:
        token = self._http.token
        return Profile(
            contact,
            text_id(profile.get("platformId")),
            clean(profile.get("username"), token),
            clean(profile.get("displayName"), token),
            clean(profile.get("profileUrl"), token),
            clean(profile.get("accountStatus"), token),
        )

    async def _all(
        self, name: str, query: Sequence[tuple[str, str]]
    ) -> AsyncIterator[Mapping[str, object]]:
        """Yield every entry of a list. Raises ChannelError."""
        cursor: list[tuple[str, str]] = []
        for _ in range(MOST_PAGES):
            asked = [*query, ("limit", str(ASKED_AT_ONCE)), *cursor]
            page = as_map(await self._ask.must(name, params=asked))
            data, following = page.get("data"), page.get("nextCursor")
            if not isinstance(data, list):
                raise self._ask.foreign(f"/{name}")
            for entry in map(as_map, data):
                yield entry
            if not isinstance(following, str) or not following:
                return
            if cursor == [("cursor", following)]:
                break
            cursor = [("cursor", following)]
        raise self._ask.foreign(f"/{name}", "its pages do not end")

    async def close(self) -> None:
        await self._http.close()
