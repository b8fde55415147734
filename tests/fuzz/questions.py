"""Answers to questions: a finding, what was asked for, or a ChannelError of one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from multidict import CIMultiDict
from yarl import URL

from runner.channels.base import Token
from runner.channels.http import HttpSession
from runner.channels.responses import Reply
from runner.channels.v1 import inbox_v1
from runner.channels.v2 import inbox_v2
from runner.clock import SystemClock
from runner.errors import ChannelError
from runner.instrumentation import Purpose
from runner.message.outcome import Absent, Found, Unclear
from tests.contract.channel_support import CONTACT, PERSON, SECRET, SENDER, VERSIONS, a_lookup
from tests.fuzz.answers import a_body, a_header, an_error
from tests.fuzz.values import changed, one_line, text, torn

AT = "2026-12-02T10:00:01.000Z"
BEFORE = "2026-12-02T09:00:00.000Z"
V2_MESSAGE = {
    "id": "m1",
    "threadId": "t1",
    "accountLinkId": SENDER,
    "direction": "outbound",
    "content": "Hi",
    "createdAt": AT,
    "platformId": "p1",
    "sentBy": {"type": "api"},
}
V1_MESSAGE = {
    "id": "m1",
    "authorId": SENDER,
    "content": "Hi",
    "createdAt": AT,
    "origin": "api",
    "failed": False,
}
LINK = {
    "id": SENDER,
    "platform": "twitter",
    "username": "ada",
    "name": "Ada",
    "displayName": "Ada",
    "status": "connected",
    "pauseReasons": [],
    "capabilities": ["message:send"],
}
MOST_QUESTIONS = 5_000
"""Questions of one call; a call that asks more would ask for ever."""


class Answers(HttpSession):
    """A wire that answers by itself."""

    def __init__(self, luck: Random, version: str) -> None:
        super().__init__(
            "https://inbox.example/api",
            Token(SECRET),
            SystemClock(),
            timeout=5,
            notice=lambda text: None,
            concurrency=4,
            keepalive=5,
            agent="test",
        )
        self.luck = luck
        self.version = version
        self.endless = luck.random() < 0.1
        self.asked = 0

    async def get(
        self, url: URL, params: Mapping[str, str] | None = None, purpose: Purpose = Purpose.CHECK
    ) -> Reply:
        self.asked += 1
        assert self.asked < MOST_QUESTIONS, f"asks {url} for ever"
        luck = self.luck
        self.url(*url.parts[1:])
        URL("https://x").with_query(dict(params or {}))
        headers: CIMultiDict[str] = CIMultiDict({"Retry-After": a_header(luck)})
        if not self.endless and luck.random() < 0.05:
            status = luck.choice((200, 204, 301, 400, 401, 403, 404, 429, 500, 503, 999))
            body = (
                a_body(luck, self.version)
                if luck.random() < 0.5
                else json.dumps(an_error(luck)).encode()
            )
            return Reply(status, headers, body)
        if not self.endless and luck.random() < 0.02:
            return Reply(200, headers, None, "the answer broke off")
        made = self._made(url)
        rate = 0.0 if self.endless else luck.choice((0, 0, 0.02, 0.1))
        data = json.dumps(changed(luck, made, rate)).encode()
        return Reply(
            200, headers, torn(luck, data, 2) if not self.endless and luck.random() < 0.03 else data
        )

    def _made(self, url: URL) -> object:
        luck, v1 = self.luck, self.version == "v1"
        if url.parts[-1] == "team":
            return {"id": "team1", "name": "Team"}
        if url.parts[-1] == "account-links":
            return (
                [LINK] * 2 if v1 else self._page([] if self.endless else [LINK] * luck.randrange(3))
            )
        if url.parts[-1] == "platforms":
            return [
                {
                    "platform": "twitter",
                    "limits": {"characters": 10_000},
                    "capabilities": ["message:send"],
                }
            ]
        message = dict(V1_MESSAGE if v1 else V2_MESSAGE)
        message["createdAt"] = luck.choice((AT, AT, BEFORE))
        if v1 and url.parts[-1] == "lookup":
            thread = {
                "id": "t1",
                "accountLinkId": SENDER,
                "isSyncing": False,
                "lastMessage": message,
            }
            return luck.choice((None, thread, thread))
        if url.parts[-1] == "messages":
            messages = [{**message, "id": f"m{n}"} for n in range(luck.randrange(4))]
            cursor = {"timestamp": AT, "id": f"m{self.asked}"} if self.endless else None
            if v1:
                return {"messages": messages, "nextCursor": cursor, "isSyncing": False}
            return self._page(messages)
        if url.parts[-1] == "contacts":
            return self._page([{"id": "c1"}] * luck.randrange(3))
        if url.parts[-1] == "threads":
            thread = {"id": "t1", "accountLinkId": SENDER, "syncing": False, "lastMessage": message}
            return self._page([thread] * luck.randrange(3))
        return message

    def _page(self, data: list[Any]) -> object:
        more = self.endless or self.luck.random() < 0.1
        cursor = self.luck.choice((f"c{self.asked}", text(self.luck))) if more else None
        return {"data": data, "nextCursor": f"c{self.asked}" if self.endless else cursor}


@asynccontextmanager
async def _gate() -> Any:
    yield


async def _taken(message_id: str) -> bool:
    return message_id == "m2"


def case(luck: Random, folder: Path) -> str:
    """One question, and what the channel makes of its answers."""
    version = luck.choice(VERSIONS)
    wire = Answers(luck, version)
    channel = (
        inbox_v1.InboxV1(wire, _gate)
        if version == "v1"
        else inbox_v2.InboxV2(wire, _gate, "twitter")
    )
    return asyncio.run(_ask(luck, channel))


async def _ask(luck: Random, channel: inbox_v1.InboxV1 | inbox_v2.InboxV2) -> str:
    what = luck.choice(("look_up", "look_up", "team", "account_links", "platforms"))
    if what == "look_up":
        message_id = luck.choice(("", "", "m1", "../x", "m 1"))
        lookup = a_lookup(recipient=luck.choice((PERSON, CONTACT)), message_id=message_id)
        finding = await channel.look_up(lookup, _taken)
        match finding:
            case Found():
                assert finding.message_id
                assert finding.message_id != "m2"
                assert finding.thread_id
            case Absent() | Unclear():
                why = finding.reason if isinstance(finding, Unclear) else finding.detail
                one_line(why)
                assert why.isprintable(), repr(why)
                assert SECRET not in why
        return type(finding).__name__.lower()
    try:
        found = await getattr(channel, what)()
    except ChannelError as error:
        for told in filter(None, (str(error), error.hint)):
            one_line(told)
            assert told.isprintable(), repr(told)
            assert SECRET not in told
        return "refused"
    assert SECRET not in repr(found)
    return what
