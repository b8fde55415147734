"""The proof of not sent: against a server of plain bytes that records complete requests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter

from runner.channels.base import Answer, Channel
from runner.channels.http import SEND_ANSWER
from runner.channels.request_body import NotWritten, Refused, RequestBody
from runner.channels.responses import Reply
from runner.clock import SystemClock
from runner.message.outcome import TOO_LATE, Accepted, Deferred, InDoubt, Scope
from tests.contract.channel_support import (
    OK,
    OK_STATUS,
    PERSON,
    SECRET,
    SENDER,
    SILENT,
    VERSIONS,
    RawServer,
    Request,
    TestClock,
    always,
    answer,
    channel_to,
    reset,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)

BOOT = SystemClock().boot


def good(version: str) -> bytes:
    return answer(OK_STATUS[version], OK[version])


async def send(channel: Channel, deadline: float | None = None) -> Answer:
    return await channel.send(channel.compose(SENDER, PERSON, "Hi"), "rc1-k", deadline)


def never_written(outcome: object) -> bool:
    return isinstance(outcome, Deferred) and not outcome.written


async def test_a_send_is_one_complete_request(version: str) -> None:
    async with RawServer(always(good(version))) as server:
        async with channel_to(version, server.base) as channel:
            told = await send(channel, BOOT() + 5)
        assert told.outcome == Accepted("m1", "t1")
        [request] = server.complete
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"].startswith("run-campaign/")
        assert request.headers.get("idempotency-key") == ("rc1-k" if version == "v2" else None)
        assert "transfer-encoding" not in request.headers
        assert "cookie" not in request.headers
        assert request.body == channel.compose(SENDER, PERSON, "Hi")


async def test_past_the_deadline_nothing_is_sent(version: str) -> None:
    async with RawServer(always(good(version))) as server:
        async with channel_to(version, server.base) as channel:
            told = await send(channel, BOOT() - 0.001)
        assert told.outcome == Deferred(
            TOO_LATE, "not written before its deadline", scope=Scope.MESSAGE, written=False
        )
        assert server.connections == 0


async def test_the_deadline_is_checked_again_where_the_body_is_written(version: str) -> None:
    """The first look at the clock is in time, the one in the writing step is not."""
    clock = TestClock(after_calls=1, jump=60)
    async with RawServer(always(good(version))) as server:
        async with channel_to(version, server.base, clock=clock) as channel:
            told = await send(channel, BOOT() + 5)
        assert isinstance(told.outcome, Deferred)
        assert told.outcome.reason == TOO_LATE
        assert not told.outcome.written
        assert server.begun == 0


async def test_refused(version: str) -> None:
    async with RawServer(always(b"")) as server:
        base = server.base
    async with channel_to(version, base) as channel:
        told = await send(channel)
    assert isinstance(told.outcome, Deferred)
    assert (told.outcome.reason, told.outcome.scope) == ("network", Scope.LANE)
    assert "no connection" in told.outcome.detail
    assert never_written(told.outcome)
    assert told.outcome.stop == ""


async def test_unknown_host(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nowhere(*args: object, **kwargs: object) -> object:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", nowhere)
    monkeypatch.setattr("aiohttp.connector.DefaultResolver.resolve", nowhere)
    async with channel_to(version, "https://nowhere.invalid/api") as channel:
        told = await send(channel)
    assert never_written(told.outcome)
    assert isinstance(told.outcome, Deferred)
    assert "cannot be found" in told.outcome.detail


async def test_a_bad_certificate_stops(version: str, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    subject = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    await asyncio.to_thread(
        subprocess.run, [*command.split(), *subject], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with channel_to(version, f"https://127.0.0.1:{port}/api") as channel:
        told = await send(channel)
    server.close()
    assert never_written(told.outcome)
    assert isinstance(told.outcome, Deferred)
    assert "certificate" in told.outcome.stop


async def test_no_answer_in_time(version: str) -> None:
    async def silent(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await reader.read()
        return False

    async with (
        RawServer(silent) as server,
        channel_to(version, server.base, patience=SILENT) as channel,
    ):
        told = await send(channel)
        assert told.outcome == InDoubt("timeout", "no answer in time")
        assert len(server.complete) == 1


async def test_reset_after_the_request(version: str) -> None:
    async def cut(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        reset(writer)
        return False

    async with RawServer(cut) as server, channel_to(version, server.base) as channel:
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)
        assert told.outcome.reason == "connection_lost"
        # Never repeated by itself.
        assert len(server.complete) == 1


async def test_closed_while_kept_alive_is_not_repeated(version: str) -> None:
    """The server closes a kept connection just when the second request is under way."""
    requests = 0

    async def second_time_close(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        nonlocal requests
        requests += 1
        if requests == 2:
            return False
        writer.write(good(version))
        return True

    async with RawServer(second_time_close) as server, channel_to(version, server.base) as channel:
        assert isinstance((await send(channel)).outcome, Accepted)
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)
        assert len(server.complete) == 2
        assert server.connections == 1


BROKEN = {
    "half": (b"{", 200),
    "html": (b"<html>", None),
    "nothing": (b"", None),
    "no ids": (b"{}", None),
    "a list": (b"[1]", None),
    "an empty id": (b'{"message":{"id":""},"thread":{"id":"t"}}', None),
    "deep": (b"[" * 200_000, None),
    "not gzip": (b"not gzip", None),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_an_acceptance_that_cannot_be_read_is_in_doubt(version: str, name: str) -> None:
    body, length = BROKEN[name]
    headers = ("Content-Encoding: gzip",) if name == "not gzip" else ()
    payload = answer(OK_STATUS[version], body, *headers, length=length)
    async with (
        RawServer(always(payload, keep=False)) as server,
        channel_to(version, server.base) as channel,
    ):
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)
        assert told.outcome.reason == "unreadable"
        assert told.status in (OK_STATUS[version], 0)


async def test_an_endless_answer_is_cut(version: str) -> None:
    async def flood(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        status = OK_STATUS[version]
        writer.write(f"HTTP/1.1 {status} OK\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        while True:
            writer.write(chunk)
            await writer.drain()

    async with RawServer(flood) as server, channel_to(version, server.base) as channel:
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)
        assert told.outcome.reason == "unreadable"
        assert str(SEND_ANSWER) in told.outcome.detail


async def test_garbage_instead_of_http(version: str) -> None:
    async with (
        RawServer(always(b"SSH-2.0-hello\r\n\r\n")) as server,
        channel_to(version, server.base) as channel,
    ):
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)


async def test_interim_answers_and_switching(version: str) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" + good(version)
    upgrade = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest"
    async with (
        RawServer(always(interim, upgrade)) as server,
        channel_to(version, server.base) as channel,
    ):
        assert isinstance((await send(channel)).outcome, Accepted)
        assert isinstance((await send(channel)).outcome, InDoubt)


async def test_an_answer_that_nobody_asked_for_is_not_taken(version: str) -> None:
    """Bytes left over on a kept connection must not become the next message's answer."""
    async with (
        RawServer(always(good(version) + good(version), good(version))) as server,
        channel_to(version, server.base) as channel,
    ):
        for number in range(1, 4):
            told = await send(channel)
            if never_written(told.outcome):
                told = await send(channel)
            assert isinstance(told.outcome, Accepted)
            assert len(server.complete) == number


async def test_a_late_stray_answer_is_not_taken(version: str) -> None:
    """The same, when the bytes come while the connection lies idle: aiohttp hands it out again and
    would take them for the answer to the next request."""
    idle = asyncio.Event()
    stray = asyncio.Event()

    async def behave(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(good(version))
        if not stray.is_set():
            await idle.wait()
            writer.write(answer(OK_STATUS[version], OK[version].replace(b"m1", b"stray")))
            await writer.drain()
            stray.set()
        return True

    async with RawServer(behave) as server, channel_to(version, server.base) as channel:
        assert isinstance((await send(channel)).outcome, Accepted)
        idle.set()
        await stray.wait()
        for _ in range(5):  # until the bytes are in the client's buffer
            await asyncio.sleep(0)
        told = await send(channel)
        if never_written(told.outcome):  # before Python 3.12 the bytes are met before the write
            assert len(server.complete) == 1
            told = await send(channel)
        assert told.outcome == Accepted("m1", "t1")
        assert len(server.complete) == 2


async def test_a_body_refuses_before_its_first_byte(version: str) -> None:
    """What aiohttp's writer meets, step by step."""
    loop = asyncio.get_running_loop()
    written = bytearray()

    class Pipe(asyncio.Transport):
        closing = False
        breaks = False

        def is_closing(self) -> bool:
            return self.closing

        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.extend(data)
            if self.breaks:
                raise OSError

    async def write(protocol: ResponseHandler, *, seal: bool = False) -> RequestBody:
        body = RequestBody(b"{}", None, SystemClock(), {})
        if seal:
            body.seal()
        with contextlib.suppress(NotWritten, OSError):
            await body.write(StreamWriter(protocol, loop))
        return body

    protocol = ResponseHandler(loop)
    assert (await write(protocol)).refused is Refused.STALE
    protocol.transport = pipe = Pipe()
    assert not (await write(protocol, seal=True)).started
    pipe.closing = True
    assert (await write(protocol)).refused is Refused.STALE
    pipe.closing = False
    protocol.force_close()
    assert (await write(protocol)).refused is Refused.STALE
    assert not written
    protocol = ResponseHandler(loop)
    protocol.transport = pipe
    body = await write(protocol)
    assert body.started
    assert bytes(written) == b"{}" == body.decode().encode()
    pipe.breaks = True
    assert (await write(protocol)).started  # some of it may have left


async def test_an_answer_before_the_request_is_no_answer(version: str) -> None:
    async with RawServer(always(good(version))) as server:
        server.greeting = good(version)
        async with channel_to(version, server.base) as channel:
            told = await send(channel)
        # Depending on what the loop meets first it is refused, or read after the request went out.
        assert never_written(told.outcome) <= (len(server.complete) == 0)


async def test_a_connection_slept_through_is_not_used(version: str) -> None:
    clock = TestClock()
    async with (
        RawServer(always(good(version))) as server,
        channel_to(version, server.base, clock=clock) as channel,
    ):
        await send(channel)
        await send(channel)
        assert server.connections == 1
        clock.moved = 3600
        assert isinstance((await send(channel)).outcome, Accepted)
        assert server.connections == 2
        assert len(server.complete) == 3


@pytest.mark.parametrize(("idle", "kept"), [(3.9, {"v1": 1, "v2": 1}), (4.1, {"v1": 2, "v2": 1})])
async def test_how_long_an_idle_connection_is_used(
    version: str, idle: float, kept: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Common servers close theirs after 5 s: without a key a send into that is in doubt."""
    now = [time.monotonic()]
    monkeypatch.setattr("aiohttp.connector.monotonic", lambda: now[0])
    async with RawServer(always(good(version))) as server, channel_to(version, server.base) as to:
        await send(to)
        now[0] += idle
        assert isinstance((await send(to)).outcome, Accepted)
        assert server.connections == kept[version]


async def test_cancellation_goes_through(version: str) -> None:
    arrived = asyncio.Event()

    async def hold(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        arrived.set()
        await reader.read()
        return False

    async with RawServer(hold) as server, channel_to(version, server.base) as channel:
        task = asyncio.create_task(send(channel))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_redirect_is_not_followed(version: str) -> None:
    payload = answer(307, b"", "Location: https://else.example/api")
    async with RawServer(always(payload)) as server, channel_to(version, server.base) as channel:
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)
        assert (told.outcome.reason, told.outcome.scope) == ("redirect", Scope.LANE)
        assert "https://else.example/api" in told.outcome.stop
        assert len(server.complete) == 1


async def test_cookies_are_not_kept(version: str) -> None:
    payload = answer(OK_STATUS[version], OK[version], "Set-Cookie: a=b; Path=/")
    async with RawServer(always(payload)) as server, channel_to(version, server.base) as channel:
        await send(channel)
        await send(channel)
        assert all("cookie" not in request.headers for request in server.complete)


def test_reply_is_not_json_when_its_body_was_lost(version: str) -> None:
    with pytest.raises(ValueError, match="broke off"):
        Reply(200, {}, None, "broke off").json()
