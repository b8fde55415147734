"""What a channel sends, tells and refuses to be made of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runner.channels.base import Answer, Quota, Token
from runner.channels.factory import connect
from runner.clock import SystemClock
from runner.errors import ChannelError
from runner.message.outcome import Accepted
from runner.message.prospect import Recipient
from tests.contract.channel_support import (
    CHANNELS,
    CONTACT,
    DATE_AT,
    OK,
    OK_STATUS,
    PERSON,
    SECRET,
    SENDER,
    VERSIONS,
    CountingGate,
    Heard,
    RawServer,
    a_lookup,
    always,
    answer,
    channel_to,
    untaken,
)

VECTORS = [
    (
        "v1",
        PERSON,
        "Hi Zoë 👋",
        '{"accountLinkId":"df6jbw4h36qm5d9iu2sgn7kx","content":"Hi Zoë 👋",'
        '"externalPlatformId":"1876543210987654321"}',
    ),
    (
        "v1",
        CONTACT,
        'a "b"\n',
        '{"accountLinkId":"df6jbw4h36qm5d9iu2sgn7kx","content":"a \\"b\\"\\n",'
        '"externalId":"nq2r8v5ycx1t7m4hj6kd3wzb"}',
    ),
    (
        "v2",
        PERSON,
        "Hi Zoë 👋",
        '{"target":{"type":"profile","accountLinkId":"df6jbw4h36qm5d9iu2sgn7kx",'
        '"platform":"twitter","platformId":"1876543210987654321"},"content":"Hi Zoë 👋"}',
    ),
    (
        "v2",
        CONTACT,
        "</script>\u2028",
        '{"target":{"type":"contact","accountLinkId":"df6jbw4h36qm5d9iu2sgn7kx",'
        '"contactId":"nq2r8v5ycx1t7m4hj6kd3wzb"},"content":"</script>\u2028"}',
    ),
]


@pytest.mark.parametrize(("version", "recipient", "text", "expected"), VECTORS)
def test_bodies_are_frozen(version: str, recipient: Recipient, text: str, expected: str) -> None:
    assert CHANNELS[version].compose(SENDER, recipient, text) == expected.encode()


def test_the_body_of_a_follow_up_is_frozen() -> None:
    for recipient in (PERSON, CONTACT):
        body = CHANNELS["v2"].compose(SENDER, recipient, "Hi Zoë 👋", "l44e15irdq4db30i77cgphhx")
        assert (
            body
            == (
                '{"target":{"type":"thread","threadId":"l44e15irdq4db30i77cgphhx"},'
                '"content":"Hi Zoë 👋"}'
            ).encode()
        )


def test_version_1_has_no_follow_ups() -> None:
    with pytest.raises(ValueError, match="not sent on version 1"):
        CHANNELS["v1"].compose(SENDER, PERSON, "Hi", "l44e15irdq4db30i77cgphhx")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_kind_of_id_is_a_bug(version: str) -> None:
    with pytest.raises(ValueError, match="kind of id"):
        CHANNELS[version].compose(SENDER, Recipient("twitter", "email", "a@b"), "Hi")


@asynccontextmanager
async def told_by(
    version: str, payload: bytes, heard: Heard | None = None
) -> AsyncIterator[tuple[Answer, Any]]:
    """One send's answer when the server answers with `payload`, and the channel."""
    async with (
        RawServer(always(payload)) as server,
        channel_to(version, server.base, heard=heard) as channel,
    ):
        yield await channel.send(channel.compose(SENDER, PERSON, "Hi"), "rc1-k", None), channel


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_an_answer_carries(version: str) -> None:
    payload = answer(OK_STATUS[version], OK[version], "X-Request-Id: req_9")
    async with told_by(version, payload) as (told, channel):
        assert told == Answer(Accepted("m1", "t1"), OK_STATUS[version], "req_9", DATE_AT)
        # The server's clock is that of its answers from now on.
        assert 0 <= channel.server_now() - DATE_AT < 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("status", "more", "stamped"),
    [
        (0, {}, DATE_AT - 45),
        (0, {"createdAt": "yesterday"}, None),
        (0, {"createdAt": None}, None),
        (0, {"content": "Ho"}, None),  # not the message that was asked for
        (200, {}, DATE_AT - 45),  # a replay on v2, of a message from whenever
        (500, {}, None),
    ],
)
async def test_when_a_message_was_stamped_is_told_of_an_acceptance(
    version: str, status: int, more: dict[str, Any], stamped: float | None
) -> None:
    message = {"id": "m1", "content": "Hi", "createdAt": "2026-12-02T09:59:15.000Z", **more}
    body = json.dumps({"message": message, "thread": {"id": "t1"}}).encode()
    async with told_by(version, answer(status or OK_STATUS[version], body)) as (told, _):
        is_replay = version == "v2" and status == 200
        assert told.stamped_at == (None if is_replay else stamped)


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_left_of_the_limits_is_told_of_sends_and_of_questions(version: str) -> None:
    heard, named = Heard(), ("X-RateLimit-Limit: 300", "X-RateLimit-Remaining: 17")
    payload = answer(OK_STATUS[version], OK[version], *named)
    async with told_by(version, payload, heard) as (told, channel):
        assert told.quota == Quota(300, 17)
        await channel.look_up(a_lookup(), untaken)
        assert heard.gate.quotas[0] == Quota(300, 17)
    async with told_by(version, answer(429, b"", *named)) as (told, _):
        assert told.quota == Quota(300, 17)


@pytest.mark.parametrize(
    ("header", "told"),
    [("", {"v1": "", "v2": "req_1"}), (f"X-Request-Id: a\x1bb {SECRET} " + "c" * 900, {})],
)
@pytest.mark.parametrize("version", VERSIONS)
async def test_the_id_to_ask_support_about(version: str, header: str, told: dict[str, str]) -> None:
    body = b'{"code":"internal","message":"No.","requestId":"req_1"}'
    payload = answer(500, body, *filter(None, [header]))
    async with told_by(version, payload) as (said, _):
        if told:
            assert said.request_id == told[version]
        else:
            assert said.request_id in ("", f"a b *** {'c' * 291}…")


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_servers_clock_is_ours_until_it_has_answered(version: str) -> None:
    async with channel_to(version, "http://127.0.0.1:9/api") as channel:
        assert abs(channel.server_now() - SystemClock().now()) < 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_end_is_told_once(version: str) -> None:
    heard = Heard()
    payload = answer(
        OK_STATUS[version],
        OK[version],
        f"Sunset: Thu, 03 Dec 2026 00:00:00 GMT {SECRET}",
        "Deprecation: @1796256000",
    )
    async with told_by(version, payload, heard) as (_, channel):
        await channel.send(channel.compose(SENDER, PERSON, "Hi"), "rc1-k", None)
    *first, last = heard.notices
    assert len(first) == (1 if version == "v1" else 0)
    assert all("2026-12-03" in text and "v2" in text for text in first)
    assert "03 Dec 2026" in last
    assert SECRET not in last


BAD_ADDRESSES = [
    "",
    "inboxapp.com/api",
    "ftp://inboxapp.com",
    "http://inboxapp.com/api/v2",
    "https://user:pass@inboxapp.com",
    "https://inboxapp.com/?a=b",
    "https://[::1",
]


def opened(version: str = "v2", base: str = "https://inboxapp.com/api/v2", token: str = "t") -> Any:
    return connect(
        version,
        base,
        Token(token),
        SystemClock(),
        timeout=5,
        gate=CountingGate(),
        notice=lambda text: None,
        platform="twitter",
        concurrency=4,
    )


@pytest.mark.parametrize("base", BAD_ADDRESSES)
def test_addresses_that_cannot_be_used(base: str) -> None:
    with pytest.raises(ChannelError) as caught:
        opened(base=base)
    assert caught.value.hint


@pytest.mark.parametrize("token", ["", "two words", "line\nend", "ключ"])
def test_tokens_that_cannot_be_used(token: str) -> None:
    with pytest.raises(ChannelError) as caught:
        opened(token=token)
    assert not token or token not in str(caught.value) + caught.value.hint


def test_versions() -> None:
    with pytest.raises(ChannelError):
        opened(version="v3")
    channel = opened(base="https://inboxapp.com/api/v2/")
    assert channel.base_url == "https://inboxapp.com/api/v2"
    assert channel.origin == "https://inboxapp.com"
    assert (channel.version, channel.idempotent) == ("v2", True)
    assert (opened("v1").version, opened("v1").idempotent) == ("v1", False)
    assert opened(base="http://[::1]:80/api").base_url
