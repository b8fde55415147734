"""What a run asks before it sends, against an API that a test writes down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, repeat
from typing import Any

import pytest

from runner.channels.base import AccountLink, Platform, Team
from runner.channels.v2 import inbox_v2
from runner.errors import ChannelError
from tests.contract.channel_api import OTHER, Say, api
from tests.contract.channel_support import (
    ANSWERED,
    SECRET,
    SENDER,
    SILENT,
    VERSIONS,
    Heard,
    Request,
    answer,
    channel_to,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)


async def asked(version: str, say: Say, question: str, patience: float = ANSWERED) -> Any:
    heard = Heard()
    async with (
        api(say) as server,
        channel_to(version, server.base, heard=heard, patience=patience) as channel,
    ):
        try:
            return await getattr(channel, question)()
        finally:
            assert heard.gate.entered == len(server.complete)


async def test_team(version: str) -> None:
    team = await asked(version, lambda request: {"id": "t1", "name": "Acme\n", "new": 1}, "team")
    assert team == Team("t1", "Acme")


async def test_account_links(version: str) -> None:
    plain: dict[str, Any] = {"id": SENDER, "platform": "twitter", "status": "offline"}
    plain["username"] = "acme"

    def say(request: Request) -> Any:
        if version == "v1":
            return [plain | {"name": "Acme"}, 5, {}]
        if "cursor" not in request.query:
            link = plain | {"displayName": "Acme", "pauseReasons": ["billing", 1]}
            return {"data": [link | {"capabilities": ["message:send"]}], "nextCursor": "2"}
        more: dict[str, Any] = {"displayName": None, "capabilities": [], "username": None}
        return {"data": [plain | more, {"id": OTHER}], "nextCursor": None}

    links = await asked(version, say, "account_links")
    first = AccountLink(SENDER, "twitter", "acme", "Acme", "offline")
    if version == "v1":
        assert links == [first]
        return
    assert links == [
        AccountLink(SENDER, "twitter", "acme", "Acme", "offline", ("billing", "1"), True),
        AccountLink(SENDER, "twitter", "", "", "offline", (), False),
        AccountLink(OTHER, "", "", "", ""),
    ]


async def test_platforms(version: str) -> None:
    said = [
        {"platform": "twitter", "capabilities": ["message:send"], "limits": {"characters": 10}},
        {"platform": "other", "capabilities": None, "limits": {"characters": None}},
        {"platform": "odd", "limits": {"characters": True}},
        {},
    ]
    platforms = await asked(version, lambda request: said, "platforms")
    if version == "v1":
        assert platforms == []
        return
    assert platforms == [
        Platform("twitter", 10, True),
        Platform("other", None, False),
        Platform("odd", None, False),
    ]


TROUBLE = {
    "401": (answer(401, b'{"message": "' + SECRET.encode() + b'"}'), "token"),
    "403": (answer(403, b"{}"), "plan"),
    "404": (answer(404, b"<html>"), "base_url"),
    "html": (answer(200, b"<html>"), "base_url"),
    "odd": (answer(200, b'"x"'), "base_url"),
    "redirect": (answer(302, b"", "Location: /login"), "base_url"),
    "429": (answer(429, b"{}", "Retry-After: 30"), "2026-12-02T10:00:3"),
    "proxy": (answer(407, b"<html>"), "whether a proxy stands between"),
    "login": (answer(511, b"<html>"), "whether a proxy stands between"),
    "500": (answer(500, b"{}"), "later"),
    "half": (answer(200, b"{", length=99), "broke off"),
    "stalled": (b"", "no answer in time"),
    "odd limit": (answer(429, b"{}", "Retry-After: 1000000000"), "2026-12-03T10:00:0"),
    "garbage": (b"SSH-2.0\r\n\r\n", "network"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TROUBLE)
@pytest.mark.parametrize("question", ["team", "account_links", "platforms"])
async def test_trouble_before_a_run_is_told(version: str, name: str, question: str) -> None:
    if version == "v1" and question == "platforms":
        return
    payload, word = TROUBLE[name]
    with pytest.raises(ChannelError) as caught:
        await asked(version, lambda request: payload, question, SILENT)
    told = f"{caught.value} {caught.value.hint}"
    assert word in told
    assert "\n" not in told
    assert SECRET not in told
    assert caught.value.hint


async def test_pages_of_links_that_do_not_end(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version == "v1":
        return
    monkeypatch.setattr(inbox_v2, "MOST_LINK_PAGES", 20)
    for cursors in (repeat("1"), map(str, count())):

        def say(request: Request, cursors: Iterator[str] = cursors) -> Any:
            return {"data": [], "nextCursor": next(cursors)}

        with pytest.raises(ChannelError, match="do not end"):
            await asked(version, say, "account_links")


async def test_no_server_before_a_run_is_told(version: str) -> None:
    async with api(lambda request: None) as server:
        base = server.base
    async with channel_to(version, base) as channel:
        with pytest.raises(ChannelError, match="cannot reach the API"):
            await channel.team()
