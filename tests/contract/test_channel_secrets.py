"""An API that sends the token back: nothing of it comes out of a channel."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from runner.channels.base import Lookup
from runner.errors import ChannelError
from runner.message.outcome import Accepted, Found, InDoubt, Rejected
from tests.contract.channel_api import api
from tests.contract.channel_support import (
    PERSON,
    SENDER,
    VERSIONS,
    Request,
    answer,
    channel_to,
    send,
    untaken,
)

TOKEN = "Tok/s3cr3t+of=the_test"
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in TOKEN)
SPELLINGS = {
    "plain": TOKEN,
    "within": f"msg_{TOKEN}_1",
    "percent": quote(TOKEN, safe=""),
    "small": TOKEN.lower(),
    "escaped": "ESCAPED",
    "slashes": "SLASHES",
}
OK = {
    "v1": {"message": {"id": "ID"}, "thread": {"id": "THREAD", "platformId": None}},
    "v2": {"message": {"id": "ID", "threadId": "THREAD"}, "thread": {"id": "THREAD"}},
}


def said(status: int, body: Any, *headers: str, encoding: str = "utf-8") -> bytes:
    text = json.dumps(body).replace("ESCAPED", ESCAPED)
    return answer(
        status, text.replace("SLASHES", TOKEN.replace("/", "\\/")).encode(encoding), *headers
    )


def holds(value: object) -> bool:
    told = repr(value).lower()
    return any(each.lower() in told for each in (TOKEN, quote(TOKEN, safe="")))


async def come_of(version: str, reply: bytes) -> Any:
    async with (
        api(lambda request: reply) as server,
        channel_to(version, server.base, token=TOKEN) as channel,
    ):
        return await send(channel)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("where", ["ID", "THREAD"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_acceptance_with_the_token_in_an_id_is_in_doubt(
    version: str, where: str, spelling: str, encoding: str
) -> None:
    other = "THREAD" if where == "ID" else "ID"
    body = json.loads(
        json.dumps(OK[version]).replace(where, SPELLINGS[spelling]).replace(other, "good1")
    )
    got = await come_of(version, said(200, body, encoding=encoding))
    assert isinstance(got.outcome, InDoubt), got
    assert not holds(got)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_no_error_holds_the_token(version: str, spelling: str) -> None:
    word = SPELLINGS[spelling]
    body = {
        "code": word,
        "message": f"bad {word}",
        "details": {"messageId": word, word: word, "list": [word]},
        "requestId": word,
    }
    header = word if word.isascii() and word not in ("ESCAPED", "SLASHES") else TOKEN
    headers = [f"X-Request-Id: {header}", f"Retry-After: {'x' * 30}{header}"]
    for status in (400, 401, 409, 422, 429, 500, 502, 503, 302):
        got = await come_of(version, said(status, body, f"Location: /{header}", *headers))
        assert not holds(got), (status, got)
        assert TOKEN[:8] not in repr(got), (status, got)
    assert not holds(await come_of(version, said(422, {**body, "code": "sendUnconfirmed"})))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_number_that_is_the_token_is_no_id(version: str) -> None:
    body = {"message": {"id": 918_273_645}, "thread": {"id": "t1"}}
    async with (
        api(lambda request: said(200, body)) as server,
        channel_to(version, server.base, token="918273645") as channel,
    ):
        got = await send(channel)
    assert isinstance(got.outcome, InDoubt)
    assert "918273645" not in repr(got)


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_like_the_token_goes_through(version: str) -> None:
    """Half of it, or an escape of something else, is no reason for doubt."""
    body = json.loads(json.dumps(OK[version]).replace("ID", TOKEN[4:15]).replace("THREAD", "t/1"))
    got = await come_of(version, said(200, body | {"note": 'é "\n'}))
    assert got.outcome == Accepted(TOKEN[4:15], "t/1", replay=version == "v2")
    refused = await come_of(version, said(400, {"code": "invalidRequest", "message": "a\nb"}))
    assert refused.outcome == Rejected("invalidRequest", "a b")


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_lists_of_an_api_hold_no_token(version: str) -> None:
    link = {"id": TOKEN, "platform": TOKEN, "username": f"@{TOKEN}", "name": TOKEN, "status": TOKEN}
    good = {**link, "id": "l1", "displayName": TOKEN, "pauseReasons": [TOKEN]}

    def say(request: Request) -> bytes:
        if request.path.endswith("/team"):
            return said(200, {"id": "team1", "name": TOKEN})
        links = [link, good]
        return said(200, links if version == "v1" else {"data": links, "nextCursor": None})

    async with api(say) as server, channel_to(version, server.base, token=TOKEN) as channel:
        links = await channel.account_links()
        assert [each.id for each in links] == ["l1"]
        assert not holds(links)
        assert not holds(await channel.team())


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_team_with_the_token_for_an_id_is_refused(version: str) -> None:
    async with (
        api(lambda request: said(200, {"id": TOKEN, "name": "x"})) as server,
        channel_to(version, server.base, token=TOKEN) as channel,
    ):
        with pytest.raises(ChannelError) as caught:
            await channel.team()
    assert not holds(str(caught.value))


async def test_a_look_up_finds_no_id_with_the_token() -> None:
    message = {
        "id": TOKEN,
        "threadId": "t1",
        "accountLinkId": SENDER,
        "direction": "outbound",
        "content": "Hi",
        "platformId": "5",
    }
    async with (
        api(lambda request: said(200, message)) as server,
        channel_to("v2", server.base, token=TOKEN) as channel,
    ):
        for message_id in ("m1", "***"):
            lookup = Lookup(SENDER, PERSON, "Hi", 0.0, message_id)
            found = await channel.look_up(lookup, untaken)
            assert not isinstance(found, Found)
            assert not holds(found)
