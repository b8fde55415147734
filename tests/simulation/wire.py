"""The wire between a process and the server, and the real channels over it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from email.utils import formatdate

from yarl import URL

from runner.channels import responses
from runner.channels.base import Answer, Channel, Gate, HeldBack, Token, never
from runner.channels.http import HttpSession, NoAnswer
from runner.channels.v1.inbox_v1 import InboxV1
from runner.channels.v2.inbox_v2 import InboxV2
from runner.instrumentation import Purpose
from runner.message.outcome import HELD_BACK, TOO_LATE, Deferred, InDoubt, Scope
from tests.simulation.habits import TIMEOUT, Weather
from tests.simulation.server import Request, Server
from tests.simulation.showing import ask
from tests.simulation.world import Process

ORIGIN = "https://api.example"
_key: ContextVar[str] = ContextVar("key")
"""The key a message is sent under, on v1 too, where no header says it: for the judge alone."""


class SimulatedWire(HttpSession):
    """`HttpSession` without a network: the same answers, deadlines and headers, over the server."""

    def __init__(
        self,
        version: str,
        process: Process,
        server: Server,
        weather: Weather,
        on_write: Callable[[str], None],
    ) -> None:
        super().__init__(
            f"{ORIGIN}/api/{version}",
            Token("token"),
            process,
            timeout=TIMEOUT,
            notice=lambda _text: None,
            concurrency=4,
            keepalive=4.0,
            agent="simulation",
        )
        self._version, self._process, self._server = version, process, server
        self._weather, self._on_write = weather, on_write

    def _happens(self, chance: float) -> bool:
        return chance > 0.0 and self._server.luck.random() < chance

    async def post(
        self,
        url: URL,
        data: bytes,
        headers: Mapping[str, str] | None,
        deadline: float | None,
        held_back: HeldBack = never,
    ) -> responses.Reply | Deferred | InDoubt:
        process, weather = self._process, self._weather
        process.step("connects")
        await asyncio.sleep(self._server.luck.choice((0.0, 0.03, 0.03, 4.0)))
        if self._happens(weather.unreachable):
            return Deferred("network", "refused", None, Scope.LANE, False)
        process.step("is about to write")
        if deadline is not None and process.boot() > deadline:
            return Deferred(TOO_LATE, "not written before its deadline", written=False)
        if held_back():
            return Deferred(HELD_BACK, "held back before it was written", written=False)
        request = Request(
            self._version,
            (headers or {}).get("Idempotency-Key", ""),
            data,
            _key.get(),
            weather,
            process.world.now,
        )
        self._on_write(request.mark)
        process.world.tell(process.name, f"writes {request.mark[4:10]} {data.decode()}")
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._exchange(request)
        except TimeoutError:
            answer = InDoubt("timeout", "no answer in time")
        told = answer if isinstance(answer, InDoubt) else (answer.status, answer.body)
        process.world.tell(process.name, f"hears of {request.mark[4:10]}: {told}")
        process.step("has its answer")
        return answer

    async def _exchange(self, request: Request) -> responses.Reply | InDoubt:
        server, luck, weather = self._server, self._server.luck, request.weather
        if self._happens(weather.lost_before):
            server.written.append(server.world.now)
            await asyncio.sleep(luck.choice((0.01, 2.0, 2.0 * TIMEOUT)))
            return InDoubt("connection_lost", "reset")
        server.post(request, luck.uniform(1.0, 40.0) if self._happens(weather.stuck) else 0.03)
        if self._happens(weather.reset):
            await asyncio.sleep(luck.choice((0.01, 0.2, 20.0)))
            return InDoubt("connection_lost", "reset")
        await asyncio.sleep(max(0.0, request.arrives - server.world.now))
        self._process.step("waits for its answer")
        server.advance()
        reply = request.reply
        assert reply is not None
        if reply.at is None:
            await asyncio.sleep(2.0 * TIMEOUT)
        await asyncio.sleep(max(0.0, (reply.at or 0.0) - server.world.now))
        server.advance()
        return self._read_reply(reply.status, reply.body, reply.headers, weather.half)

    def _read_reply(
        self, status: int, body: object, headers: Mapping[str, str], half: float
    ) -> responses.Reply:
        told = {"Date": formatdate(self._server.clock(), usegmt=True), **headers}
        at = self._note(told)
        if self._happens(half):
            return responses.Reply(status, told, None, "the answer broke off", at)
        return responses.Reply(
            status, told, body if isinstance(body, bytes) else json.dumps(body).encode(), "", at
        )

    async def get(
        self, url: URL, params: Mapping[str, str] | None = None, purpose: Purpose = Purpose.CHECK
    ) -> responses.Reply:
        process, luck = self._process, self._server.luck
        process.step("asks")
        await asyncio.sleep(0.05)
        process.world.figures["look-ups"] += 1
        path = list(url.parts[3:])
        if self._happens(self._weather.question):
            if path != ["team"]:
                self._server.written.append(self._server.world.now)
            match luck.randrange(4):
                case 0:
                    raise NoAnswer("no answer", "", connected=True)
                case 1:
                    return self._read_reply(429, {}, {"Retry-After": "3"}, 0.0)
                case 2:
                    return self._read_reply(200, {"odd": True}, {}, 0.0)
                case _:
                    return self._read_reply(500, b"oops", {}, self._weather.half)
        status, body = ask(self._server, self._version, path, dict(params or {}))
        process.world.tell(process.name, f"asks {'/'.join(path)}: {status} {body}")
        process.step("is told")
        return self._read_reply(status, body, {}, self._weather.half)


class MarkedV1(InboxV1):
    """The real channel; the wire learns which message it sends."""

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        _key.set(key)
        return await super().send(body, key, deadline, held_back)


class MarkedV2(InboxV2):
    """The real channel; the wire learns which message it sends."""

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        _key.set(key)
        return await super().send(body, key, deadline, held_back)


def make_channel(version: str, wire: SimulatedWire, gate: Gate) -> Channel:
    return MarkedV1(wire, gate) if version == "v1" else MarkedV2(wire, gate, "twitter")
