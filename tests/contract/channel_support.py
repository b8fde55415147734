"""What the channel tests share: a clock that tests own, a counting gate, a raw TCP server that
records every complete request body, and channels to it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from runner.channels.base import Answer, Channel, Hear, Lookup, Quota, Token
from runner.channels.factory import connect
from runner.channels.http import HttpSession
from runner.channels.v1 import inbox_v1
from runner.channels.v2 import inbox_v2
from runner.clock import SystemClock
from runner.message.outcome import LookupResult
from runner.message.prospect import Recipient
from runner.sandbox.server import Sandbox

SENDER = "df6jbw4h36qm5d9iu2sgn7kx"
PERSON = Recipient("twitter", "platform", "1876543210987654321")
CONTACT = Recipient("twitter", "inbox", "nq2r8v5ycx1t7m4hj6kd3wzb")
SECRET = "tok_s3cr3t_of_the_test"
VERSIONS = ("v1", "v2")
DATE = "Wed, 02 Dec 2026 10:00:00 GMT"
DATE_AT = 1_796_205_600.0

OK = {
    "v1": b'{"message":{"id":"m1"},"thread":{"id":"t1","platformId":null}}',
    "v2": b'{"message":{"id":"m1","threadId":"t1"},"thread":{"id":"t1"}}',
}
OK_STATUS = {"v1": 200, "v2": 201}


@dataclass
class TestClock:
    """Runs like the machine's clock, and can be moved."""

    __test__ = False
    moved: float = 0.0
    after_calls: int = 0
    """Boot time jumps by `jump` after so many looks at it; 0 for never."""
    jump: float = 0.0
    looks: int = 0

    def now(self) -> float:
        return SystemClock().now() + self.moved

    def boot(self) -> float:
        self.looks += 1
        if self.after_calls and self.looks > self.after_calls:
            return SystemClock().boot() + self.moved + self.jump
        return SystemClock().boot() + self.moved


@dataclass
class CountingGate:
    """A gate that counts, knows whether it is entered, and hears what the answers say."""

    entered: int = 0
    inside: int = 0
    quotas: list[Quota | None] = field(default_factory=list)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Hear]:
        self.entered += 1
        self.inside += 1
        try:
            yield self.quotas.append
        finally:
            self.inside -= 1


@dataclass
class Request:
    """One complete request, as the server read it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


Behave = Callable[["Request", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; False closes the connection."""


@dataclass
class RawServer:
    """A server of plain bytes. `begun` counts requests whose first byte arrived, `complete` has
    those whose announced body arrived whole: only such a one can be accepted by an API."""

    behave: Behave
    complete: list[Request] = field(default_factory=list)
    begun: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    greeting: bytes = b""
    failures: list[Exception] = field(default_factory=list)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failures:
            raise self.failures[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            writer.write(self.greeting)
            while (request := await self._request(reader)) is not None:
                if not await self.behave(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # told when the server closes; the client only sees a cut
            self.failures.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> Request | None:
        first = await reader.read(1)
        if not first:
            return None
        self.begun += 1
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        pairs = (entry.split(": ", 1) for entry in rest if entry)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        request = Request(method, parts.path, parse_qs(parts.query), headers, body)
        self.complete.append(request)
        return request


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """The bytes of an HTTP answer."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    if not any(header.startswith("Date:") for header in headers):
        lines.append(f"Date: {DATE}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(*payloads: bytes, keep: bool = True) -> Behave:
    """Answer with these bytes, one after another, the last for ever."""
    left = list(payloads)

    async def behave(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        return keep

    return behave


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class Heard:
    """What a channel told outward."""

    gate: CountingGate = field(default_factory=CountingGate)
    notices: list[str] = field(default_factory=list)


ANSWERED = 30.0
"""Seconds that an answer is waited for where one comes, however busy the machine is."""

SILENT = 1.0
"""The same where none does."""


@asynccontextmanager
async def channel_to(
    version: str,
    base: str,
    *,
    clock: Any = None,
    patience: float = ANSWERED,
    heard: Heard | None = None,
    token: str = SECRET,
    concurrency: int = 4,
) -> AsyncIterator[Channel]:
    """A channel to `base` + /v1 or /v2, closed at the end. `patience`: its timeout in seconds."""
    heard = heard or Heard()
    channel = connect(
        version,
        f"{base}/{version}",
        Token(token),
        clock or SystemClock(),
        timeout=patience,
        gate=heard.gate,
        notice=heard.notices.append,
        platform="twitter",
        concurrency=concurrency,
    )
    try:
        yield channel
    finally:
        await channel.close()


def a_lookup(text: str = "Hi", *, recipient: Recipient = PERSON, **more: Any) -> Lookup:
    """A look-up where acceptances have shown that the API's clocks agree, unless `more` differs."""
    return Lookup(
        SENDER, recipient, text, **{"not_before": DATE_AT, "stamped_from": DATE_AT, **more}
    )


async def untaken(message_id: str) -> bool:
    return False


def wire() -> HttpSession:
    return HttpSession(
        "https://inbox.example/api",
        Token(SECRET),
        SystemClock(),
        timeout=5,
        notice=lambda text: None,
        concurrency=4,
        keepalive=5,
        agent="test",
    )


CHANNELS: dict[str, inbox_v1.InboxV1 | inbox_v2.InboxV2] = {
    "v1": inbox_v1.InboxV1(wire(), CountingGate()),
    "v2": inbox_v2.InboxV2(wire(), CountingGate(), "twitter"),
}


@asynccontextmanager
async def open_sandbox(
    version: str,
    *faults: str,
    patience: float = ANSWERED,
    token: str = "sandbox-token",
    **options: Any,
) -> AsyncIterator[tuple[Sandbox, Channel]]:
    sandbox = Sandbox(faults=faults, **{"per_minute": None, **options})
    async with (
        sandbox.serve() as base,
        channel_to(version, f"{base}/api", token=token) as channel,
    ):
        yield sandbox, channel


async def send(
    channel: Channel, recipient: Recipient = PERSON, text: str = "Hi", key: str = "rc1-k"
) -> Answer:
    return await channel.send(channel.compose(SENDER, recipient, text), key, None)


async def look(
    channel: Channel, recipient: Recipient = PERSON, text: str = "Hi", **more: Any
) -> LookupResult:
    since = more.pop("not_before", channel.server_now() - 1)
    lookup = Lookup(SENDER, recipient, text, since, **{"stamped_from": since, **more})
    return await channel.look_up(lookup, untaken)
