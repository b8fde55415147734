"""Outages of minutes in virtual time: a lane with a real channel, over a line that a test cuts."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

import pytest

from runner.channels.base import Token
from runner.channels.factory import connect
from runner.channels.http import CONNECT_TIMEOUT
from runner.events import MessageSent, Waiting
from runner.message.outcome import SEND_BY
from runner.sending.backoff import LONGEST_DELAY
from tests.contract.channel_support import OK, OK_STATUS, SECRET, VERSIONS, CountingGate, answer
from tests.lane import Setting, Told
from tests.virtual import ScriptedApi, VirtualClock, VirtualLoop, run_virtually

ADDRESS = "https://inbox.test/api"
ANSWER_AFTER = 0.1


@dataclass
class Network:
    """A name server, a route and the API behind them. `trouble` is met by whoever connects between
    `down` and `up` (seconds of the loop); open lines are cut at `down`."""

    version: str
    trouble: str = ""
    down: float = 0.0
    up: float = 0.0
    tries: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    told: dict[str, bytes] = field(default_factory=dict)  # messages by key, or by thread on v1
    clock: VirtualClock | None = None
    lines: list[Line] = field(default_factory=list)

    def meet(self, *kinds: str) -> str:
        """The trouble of one of these kinds that is met now."""
        now = asyncio.get_running_loop().time()
        if self.trouble not in kinds or not self.down <= now < self.up:
            return ""
        self.tries.append(now)
        return self.trouble

    async def resolve(self, host: str, port: int, **_: Any) -> list[dict[str, Any]]:
        if self.meet("no name"):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        place = {"hostname": host, "host": "192.0.2.1", "port": port}
        return [place | {"family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def start_connection(self, *_: Any, **__: Any) -> object:
        match self.meet("refused", "no route", "silence", "slow"):
            case "refused":
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
            case "no route":
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            case "silence":
                await asyncio.sleep(3600)
            case "slow":
                await asyncio.sleep(SEND_BY + 1)
        return object()

    async def create_connection(self, factory: Callable[[], Any], *_: Any, **__: Any) -> Any:
        if self.meet("handshake"):
            raise ssl.SSLError(1, "[SSL] unexpected eof while reading")
        line = Line(self, factory())
        self.lines.append(line)
        line.protocol.connection_made(line)
        return line, line.protocol

    def cut(self) -> None:
        for line in self.lines:
            line.cut()

    def serve(self, head: str, body: bytes) -> bytes:
        """The API: takes messages, and on v1 shows them to whoever looks."""
        assert self.clock is not None
        date = f"Date: {formatdate(self.clock.now(), usegmt=True)}"
        if head.startswith("GET"):
            return answer(200, self.show(head), date)
        found = json.loads(body)
        who = found.get("externalPlatformId") or found["target"]["platformId"]
        key = head.partition("Idempotency-Key: ")[2].partition("\r\n")[0] or who
        ids = OK[self.version].replace(b'"m1"', f'"m{who}"'.encode())
        if key in self.told:
            return answer(200, ids, date)
        at = datetime.fromtimestamp(self.clock.now(), UTC).isoformat()
        message = {"id": f"m{who}", "createdAt": at, "content": found["content"], "origin": "api"}
        self.accepted.append(who)
        self.told[key] = json.dumps(message | {"authorId": found.get("accountLinkId")}).encode()
        return answer(OK_STATUS[self.version], ids, date)

    def show(self, head: str) -> bytes:
        path, _, query = head.split(" ")[1].partition("?")
        if path.endswith("/lookup"):
            [who] = parse_qs(query)["externalPlatformId"]
            thread = {"id": who, "prospect": {"platformId": who}}
            return json.dumps(thread if who in self.told else None).encode()
        return b'{"messages":[%s],"nextCursor":null}' % self.told[path.split("/")[-2]]


class Line(asyncio.Transport):
    """An open connection to the API."""

    def __init__(self, network: Network, protocol: Any) -> None:
        super().__init__()
        self.network, self.protocol = network, protocol
        self.read = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.read += bytes(data)
        head, end, body = self.read.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if end and len(body) == (int(length[1]) if length else 0):
            self.read = b""
            said = self.network.serve(head.decode(), body)
            asyncio.get_running_loop().call_later(ANSWER_AFTER, self.say, said)

    def say(self, data: bytes) -> None:
        if not self.closed:
            self.protocol.data_received(data)

    def cut(self) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(ConnectionResetError(errno.ECONNRESET, "reset"))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Callable[[Network, Setting], Told]:
    """Drive a lane over a network."""

    def run(network: Network, setting: Setting) -> Told:
        async def resolve(_resolver: object, *where: Any, **how: Any) -> Any:
            return await network.resolve(*where, **how)

        async def create(_loop: object, *what: Any, **how: Any) -> Any:
            return await network.create_connection(*what, **how)

        monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
        monkeypatch.setattr("aiohttp.connector.DefaultResolver.resolve", resolve)
        monkeypatch.setattr(
            "aiohttp.connector.aiohappyeyeballs.start_connection", network.start_connection
        )
        monkeypatch.setattr(VirtualLoop, "create_connection", create)

        async def driven(clock: VirtualClock) -> Told:
            channel = connect(
                network.version,
                f"{ADDRESS}/{network.version}",
                Token(SECRET),
                clock,
                timeout=60,
                gate=CountingGate(),
                notice=lambda text: None,
                platform="twitter",
                concurrency=4,
            )
            network.clock = clock
            clock.loop.call_at(network.down, network.cut)
            try:
                return await setting._drive(clock, None, {"channel_for": lambda *_: channel})
            finally:
                await channel.close()

        return run_virtually(driven)

    return run


TROUBLES = {
    "no name": "the host inbox.test cannot be found",
    "refused": "no connection to inbox.test",
    "no route": "no connection to inbox.test",
    "slow": "no connection to inbox.test in time",
    "silence": "no connection to inbox.test in time",
    "handshake": "no connection to inbox.test",
}


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "version"), list(zip(TROUBLES, itertools.cycle(VERSIONS))))
def test_an_outage_of_minutes_costs_no_try_and_nobody(
    make: Callable[..., Setting],
    drive: Callable[[Network, Setting], Told],
    version: str,
    trouble: str,
) -> None:
    network = Network(version, trouble, down=0.0, up=600.0)
    told = drive(network, make(range(1, 21), attempts=1))
    assert sorted(network.accepted, key=int) == [str(number) for number in range(1, 21)]
    sent = [event.recipient for event in told.events if isinstance(event, MessageSent)]
    assert sorted(sent) == sorted(network.accepted)
    pauses = [later - at for at, later in itertools.pairwise(network.tries)]
    assert LONGEST_DELAY <= max(pauses) <= LONGEST_DELAY + CONNECT_TIMEOUT
    assert len(network.tries) < 60
    assert told.took < 600.0 + LONGEST_DELAY + CONNECT_TIMEOUT
    waits = [event.why for event in told.events if isinstance(event, Waiting)]
    assert any(f"network: {TROUBLES[trouble]}" in why for why in waits)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_outage_cuts_is_settled_when_the_network_is_back(
    make: Callable[..., Setting], drive: Callable[[Network, Setting], Told], version: str
) -> None:
    network = Network(version, "refused", down=0.25, up=1500.0)
    setting = make(range(1, 21), attempts=1, api=ScriptedApi(idempotent=version == "v2"))
    told = drive(network, setting)
    assert told.named("in_doubt")
    assert sorted(network.accepted, key=int) == [str(number) for number in range(1, 21)]
    assert setting.counts() == {"sent": 20}
