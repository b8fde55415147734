"""The sandbox as a server on loopback."""

import asyncio
import contextlib
import ipaddress
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from runner.sandbox import admin
from runner.sandbox.api.http import Answer, Call
from runner.sandbox.connection_faults import NO_ANSWER, abort, deliver
from runner.sandbox.options import Options
from runner.sandbox.service import ROUTES, Service
from runner.sandbox.store import Message

SHUTDOWN_SECONDS = 0.25
"""Time that requests in hand get when serving ends; hanging ones are cut off at once."""

BODY_BYTES = 16 * 2**20
"""Largest request body taken; the API's own limit is not documented."""


def check_loopback(host: str) -> None:
    """Raise ValueError unless the host is this machine's loopback."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"the sandbox serves on loopback only, not on {host!r}")


class Sandbox:
    """A stand-in for the Inbox API, and the list of what it accepted.

    Keyword arguments are the fields of ``Options``. Raises ValueError for one that makes no sense,
    among them a fault that cannot be read and a record file that is not one.
    """

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.service = Service(self.options)
        self._hanging: set[asyncio.Task[Any]] = set()
        self._closing = False

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """Return every send that was accepted, oldest first; see ``runner.sandbox`` for the
        fields."""
        return self.service.store.accepted

    @property
    def requests(self) -> dict[str, Any]:
        """Return counts of API requests, as GET /sandbox/requests gives them."""
        return self.service.requests()

    def tally(self) -> dict[str, Any]:
        """Return ``accepted``, ``recipients`` and ``doubled``, as GET /sandbox/tally gives them."""
        return self.service.store.tally()

    def receive(self, link_id: str, platform_id: str, content: str) -> Message:
        """Let a person write to an account. Raises ValueError for an unknown link or person."""
        return admin.receive(self.service, link_id, platform_id, content)

    def write_elsewhere(self, link_id: str, platform_id: str, content: str, **how: Any) -> Message:
        """Add a message of an account that did not come through this API: origin (internal,
        external or api), campaign_id, ago in seconds. Raises ValueError."""
        return admin.write_elsewhere(self.service, link_id, platform_id, content, **how)

    def act(self, link_id: str, platform_id: str, **act: Any) -> Message | None:
        """Let a person or a colleague act now: one of ACTS, for example ``react="👍"``. Raises
        ValueError."""
        return admin.act(self.service, link_id, platform_id, act)

    def fail(self, message_id: str) -> None:
        """Mark a message as failed, as v1 shows it. Raises ValueError for an unknown one."""
        admin.fail(self.service, message_id)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve within the context; gives the base URL, ``http://HOST:PORT``.

        May be entered again after it ended: what was accepted stays. Raises ValueError for a host
        that is not loopback, and OSError for a port in use.
        """
        check_loopback(host)
        app = web.Application(client_max_size=BODY_BYTES)
        app.on_shutdown.append(self._cut_off)
        admin.add_routes(app, self.service)
        for version, routes in ROUTES.items():
            for method, path in routes:
                handler = self._handler(version, path)
                app.router.add_route(method, f"/api/v{version}{path}", handler)
        app.router.add_get("/2/users/by", self.service.x.users_by)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        self._closing = False
        runner = web.AppRunner(
            app,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_SECONDS,
            access_log=None,
            keepalive_timeout=self.options.keepalive,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            bound = runner.addresses[0]
            name = f"[{host}]" if ":" in host else host
            yield f"http://{name}:{bound[1]}"
        finally:
            await runner.cleanup()
            self.service.store.close()

    async def _cut_off(self, app: web.Application) -> None:
        self._closing = True
        for task in list(self._hanging):
            task.cancel()

    def _handler(self, version: int, path: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._exchange(request, version, path)

        return handle

    async def _exchange(self, request: web.Request, version: int, path: str) -> web.StreamResponse:
        body = await request.read()
        query = {name: request.query.getall(name) for name in request.query}
        call = Call(
            version=version,
            method=request.method,
            route=path,
            params=dict(request.match_info),
            query=query,
            headers=request.headers,
            body=body,
            request_id=self.service.new_request_id(),
            now=self.options.clock(),
        )
        counted = NO_ANSWER
        try:
            answer = await self._shielded(call)
            if self._closing and call.fault is not None:
                # Too late to be cut off like the others, and the fault may never end.
                raise asyncio.CancelledError
            response, counted = await self._deliver(request, call, answer)
        except asyncio.CancelledError:
            # The client has gone, or serving ends.
            abort(request)
            response = web.Response(status=499)
        finally:
            self.service.counts[f"{call.method} /api/v{version}{path} {counted}"] += 1
        return response

    async def _shielded(self, call: Call) -> Answer:
        """Work on a call to the end even when its client goes, as a real server would."""
        work = asyncio.create_task(self.service.answer(call))
        self._hanging.add(work)
        work.add_done_callback(self._hanging.discard)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            call.gone.set()
            raise

    async def _deliver(
        self, request: web.Request, call: Call, answer: Answer
    ) -> tuple[web.StreamResponse, str]:
        task = asyncio.create_task(deliver(request, call, answer))
        self._hanging.add(task)
        task.add_done_callback(self._hanging.discard)
        try:
            return await task
        except ConnectionError:
            return web.Response(), NO_ANSWER
        finally:
            task.cancel()

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        self.service.counts[f"{request.method} {request.path} 404"] += 1
        raise web.HTTPNotFound


async def serve_forever(
    sandbox: Sandbox, host: str, port: int, announce: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` is called once, with the base URL.

    Raises ValueError for a host that is not loopback, and OSError for a port in use.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        async with sandbox.serve(host, port) as base:
            announce(base)
            await stop.wait()
    finally:
        for number in signals:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
