"""Answers of X's own API, as its documents and public repositories have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from runner.channels.base import AskLater, Token
from runner.channels.http import HttpSession, NoAnswer
from runner.channels.responses import Reply
from runner.channels.x_users import XUser, XUsers
from runner.errors import ChannelError

NOW = 1_800_000_000.0
GONE = "https://api.twitter.com/2/problems/resource-not-found"


class _Http:
    """A session that gives one answer."""

    token = Token("")
    base = "https://api.x.com"

    def __init__(self, answer: Reply | NoAnswer) -> None:
        self.answer = answer
        self.asked: list[Mapping[str, str] | None] = []

    def url(self, *parts: str) -> str:
        return "/".join(parts)

    def server_now(self) -> float:
        return NOW

    async def get(self, url: str, params: Mapping[str, str] | None = None) -> Reply:
        assert url == "2/users/by"
        self.asked.append(params)
        if isinstance(self.answer, NoAnswer):
            raise self.answer
        return self.answer


def users(status: int, body: Any, headers: Mapping[str, str] | None = None) -> XUsers:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = Reply(status, CIMultiDict(headers or {}), raw, server_at=NOW)
    return XUsers(cast(HttpSession, _Http(reply)))


async def test_a_partial_answer_is_told_apart() -> None:
    body = {
        "data": [{"id": "2244994945", "name": "Dev", "username": "TwitterDev"}],
        "errors": [
            {"value": "Gone", "title": "Forbidden", "type": GONE,
             "detail": "User has been suspended: [Gone]."},
            {"value": "None1", "title": "Not Found Error", "type": GONE,
             "detail": "Could not find user with usernames: [None1]."},
            {"value": "odd", "title": "Odd", "type": "https://api.x.com/2/problems/other"},
        ],
    }  # fmt: skip
    answer = await users(200, body).by_username(["twitterdev", "gone", "none1", "odd"])
    assert answer.found == [XUser("2244994945", "TwitterDev", "Dev")]
    assert answer.suspended == {"gone"}
    assert answer.not_found == {"none1"}


async def test_nobody_found_has_no_data() -> None:
    answer = await users(200, {"errors": []}).by_username(["a"])
    assert answer.found == []


async def test_names_are_asked_for_in_one_parameter() -> None:
    http = _Http(Reply(200, CIMultiDict(), b"{}", server_at=NOW))
    await XUsers(cast(HttpSession, http)).by_username(["a", "b"])
    assert http.asked == [{"usernames": "a,b"}]


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"x-rate-limit-reset": str(int(NOW) + 300)}, 301.0),
        ({"x-rate-limit-reset": str(int(NOW) - 5)}, 1.0),
        ({"x-rate-limit-reset": "soon", "Retry-After": "7"}, 7.0),
        ({}, None),
    ],
)
async def test_its_limit_says_when_to_ask_again(
    headers: Mapping[str, str], after: float | None
) -> None:
    with pytest.raises(AskLater) as caught:
        await users(429, {}, headers).by_username(["a"])
    assert caught.value.after == after


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_its_troubles_pass(status: int) -> None:
    with pytest.raises(AskLater):
        await users(status, b"<html>").by_username(["a"])


async def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    with pytest.raises(AskLater):
        await users(200, b"{").by_username(["a"])
    silent = XUsers(cast(HttpSession, _Http(NoAnswer("it hung up", "", connected=True))))
    with pytest.raises(AskLater, match="it hung up"):
        await silent.by_username(["a"])


@pytest.mark.parametrize(
    ("status", "told"),
    [(400, "HTTP 400: bad"), (401, "refuses the token"), (402, "HTTP 402"), (404, "HTTP 404")],
)
async def test_what_a_person_must_see_to(status: int, told: str) -> None:
    with pytest.raises(ChannelError, match=told):
        await users(status, {"detail": "bad"}).by_username(["a"])


async def test_another_api_is_noticed() -> None:
    with pytest.raises(ChannelError, match="does not answer like X's API"):
        await users(200, {"data": {}}).by_username(["a"])
