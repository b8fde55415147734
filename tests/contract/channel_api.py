"""An API that a test writes down: one recipient's messages, told the way of either version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from runner.channels.base import Lookup, Taken
from runner.clock import iso
from runner.message.outcome import LookupResult
from tests.contract.channel_support import (
    ANSWERED,
    CONTACT,
    DATE_AT,
    PERSON,
    SENDER,
    Heard,
    RawServer,
    Request,
    a_lookup,
    answer,
    channel_to,
    untaken,
)

OTHER = "k2v7q9x4m1n8b3c6z5l0p7ty"
Say = Callable[[Request], Any]
"""What the API says to a question: JSON, or the bytes of a whole answer."""


def at(seconds: float) -> str:
    """A time as the API writes it, so many seconds after the attempt."""
    return iso(DATE_AT + seconds).replace("Z", ".000Z")


def saying(said: Any) -> Say:
    return lambda request: said


def api(say: Say) -> RawServer:
    async def behave(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        said = say(request)
        writer.write(said if isinstance(said, bytes) else answer(200, json.dumps(said).encode()))
        return True

    return RawServer(behave)


async def finding(
    version: str,
    say: Say,
    lookup: Lookup | None = None,
    taken: Taken = untaken,
    patience: float = ANSWERED,
) -> tuple[LookupResult, list[Request]]:
    """What a look-up comes to, and what it asked. Every question was asked inside the gate."""
    heard = Heard()
    async with (
        api(say) as server,
        channel_to(version, server.base, heard=heard, patience=patience) as channel,
    ):
        found = await channel.look_up(lookup or a_lookup(), taken)
        assert heard.gate.entered == len(server.complete)
        assert heard.gate.inside == 0
        assert all(request.method == "GET" for request in server.complete)
        return found, server.complete


class Talk:
    """One recipient's messages, told the way of either version, 2 to a page."""

    def __init__(
        self,
        version: str,
        *messages: dict[str, Any],
        oldest_first: bool = False,
        page: int = 2,
        **more: Any,
    ) -> None:
        self.version = version
        self.messages = sorted(messages, key=lambda m: m["createdAt"], reverse=not oldest_first)
        self.page = page
        self.more = more

    def __call__(self, request: Request) -> Any:
        *_, name = request.path.split("/")
        if request.method == "POST" or request.path.startswith("/api/v2/messages/"):
            return {}
        return (self.v1 if self.version == "v1" else self.v2)(name, request)

    def v1(self, name: str, request: Request) -> Any:
        if name == "lookup":
            whose = {"platformId": PERSON.id, "externalId": CONTACT.id}
            thread = {"id": "t1", "accountLinkId": SENDER, "isSyncing": False, "prospect": whose}
            return thread | self.more
        assert request.path == "/api/v1/threads/t1/messages"
        assert request.query["limit"] == ["100"]
        start = int(request.query.get("cursorId", ["0"])[0])
        assert ("cursorTimestamp" in request.query) == (start > 0)
        stop = start + self.page
        more = {"id": str(stop), "timestamp": at(0)} if stop < len(self.messages) else None
        return {"messages": self.messages[start:stop], "nextCursor": more, "isSyncing": False}

    def v2(self, name: str, request: Request) -> Any:
        if name == "contacts":
            assert request.query["platform"] == ["twitter"]
            assert request.query["platformId"] == [PERSON.id]
            return {"data": [{"id": CONTACT.id}], "nextCursor": None}
        if name == "threads":
            assert request.query["folder"] == ["all"]
            assert request.query["accountLinkId"] == [SENDER]
            assert request.query["contactId"] == [CONTACT.id]
            thread = {"id": "t1", "accountLinkId": SENDER, **self.more}
            return {"data": [thread], "nextCursor": None}
        assert request.path == "/api/v2/threads/t1/messages"
        start = int(request.query.get("cursor", ["0"])[0])
        stop = start + self.page
        more = str(stop) if stop < len(self.messages) else None
        return {"data": self.messages[start:stop], "nextCursor": more}


def ours(version: str, id: str = "m1", after: float = 1, text: str = "Hi", **more: Any) -> Any:
    """A message that this API sent, with differences."""
    common = {"id": id, "content": text, "createdAt": at(after)}
    if version == "v1":
        return common | {"authorId": SENDER, "origin": "api", "campaignId": None} | more
    sent_by = {"type": "api", "tokenId": "tok"}
    link = {"accountLinkId": SENDER, "platformId": None}
    return common | link | {"direction": "outbound", "sentBy": sent_by} | more


def theirs(version: str, id: str = "x1", after: float = 1, text: str = "Hi") -> Any:
    """A message that the person wrote."""
    if version == "v1":
        return ours(version, id, after, text, authorId="1876", origin="external")
    return ours(version, id, after, text, direction="inbound", sentBy=None)
