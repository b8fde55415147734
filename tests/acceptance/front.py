"""A web server in front of the sandbox, as an API has one: v1 can be switched off there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from threading import Event, Thread

import aiohttp
from aiohttp import web

from runner.sandbox.options import Options

from .support import TOKEN

PAST = "Sat, 01 Nov 2025 00:00:00 GMT"
ENDS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "gone": (410, {"Sunset": PAST, "Content-Type": "application/json"}, b'{"error":"Gone"}'),
    "not found": (404, {"Content-Type": "text/html"}, b"<h1>404</h1>"),
    "moved": (301, {"Location": "/api/v2"}, b""),
    "a page": (200, {"Sunset": PAST, "Content-Type": "text/html"}, b"<h1>v1 has ended</h1>"),
}
"""How v1 may answer once it has ended; `silent` closes the connection instead."""


TEAM = Options(token=TOKEN).team_id


@dataclass
class Front:
    """Passes everything on to `behind`, but v1 as `end` says, and as the token of `team`. All
    paths answer below `/old` too. `change` is what an answer's body becomes."""

    behind: str
    end: str = ""
    team: str = TEAM
    base: str = ""
    ahead: float | None = None  # of the right time: what `Date` says, in seconds
    change: Callable[[bytes], bytes] = bytes
    ready: Event = field(default_factory=Event)

    async def serve(self) -> None:
        """Serve until cancelled."""
        async with aiohttp.ClientSession(auto_decompress=False) as session:

            async def answer(request: web.Request) -> web.Response:
                return await self._answer(request, session)

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", answer)
            running = web.AppRunner(app, shutdown_timeout=0)
            await running.setup()
            try:
                site = web.TCPSite(running, "127.0.0.1", 0)
                await site.start()
                self.base = f"http://127.0.0.1:{running.addresses[0][1]}"
                self.ready.set()
                await asyncio.Event().wait()
            finally:
                await running.cleanup()

    async def _answer(self, request: web.Request, session: aiohttp.ClientSession) -> web.Response:
        if self.end in ENDS and request.path.startswith("/api/v1"):
            status, headers, body = ENDS[self.end]
            return web.Response(status=status, headers=headers, body=body)
        if self.end != "silent" or not request.path.startswith("/api/v1"):
            sent = {name: value for name, value in request.headers.items() if name != "Host"}
            url = self.behind + request.path_qs.removeprefix("/old")
            try:
                data = await request.read()
                async with session.request(request.method, url, data=data, headers=sent) as got:
                    body = (await got.read()).replace(TEAM.encode(), self.team.encode())
                    kind = {"Content-Type": got.headers["Content-Type"]}
                    if self.ahead is not None:
                        kind["Date"] = formatdate(time.time() + self.ahead, usegmt=True)
                    if "Retry-After" in got.headers:
                        kind["Retry-After"] = got.headers["Retry-After"]
                    return web.Response(status=got.status, headers=kind, body=self.change(body))
            except aiohttp.ClientError:
                pass  # what breaks behind breaks here
        assert request.transport is not None
        request.transport.close()
        return web.Response()


@contextmanager
def in_front_of(base: str) -> Iterator[Front]:
    """A front that serves while the block lasts."""
    front = Front(base)
    loop = asyncio.new_event_loop()
    serving = loop.create_task(front.serve())
    thread = Thread(target=loop.run_until_complete, args=(asyncio.wait([serving]),), daemon=True)
    thread.start()
    try:
        assert front.ready.wait(30)
        yield front
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(30)
        loop.close()
