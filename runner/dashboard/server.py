"""The dashboard as a process: its socket, its link, its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from runner.dashboard.auth import App, Keys, Receive, Scope, Send, guarded, names_of
from runner.errors import RunnerError

PORTS = 20
"""How many ports are tried from the usual one on, when it is taken."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen: an IP address, a port (0 for any free one). `next_free`: another port will
    do."""

    host: str
    port: int
    next_free: bool = False


def serve(
    app: App,
    place: Place,
    announce: Callable[[str], None],
    bug: Callable[[Exception], object],
    *,
    read_only: bool = False,
    more_links: bool = False,
    used: Callable[[str], None] = lambda _: None,
) -> None:
    """Answer at `place` until Ctrl-C or SIGTERM. `announce` is told a one-time link when it is
    open, and with `more_links` another for each Enter at the terminal; `used` of each link that let
    a browser in; `bug` of each bug, once.

    Raises RunnerError when the port is taken.
    """
    sock = _listen(place)
    port = sock.getsockname()[1]
    base = f"http://[{place.host}]:{port}" if ":" in place.host else f"http://{place.host}:{port}"

    def link_with(word: str) -> str:
        return f"{base}/?token={word}"

    keys = Keys(lambda word: used(link_with(word)))
    cookie = f"run-campaign-{port}"
    guard = guarded(app, keys, names_of(place.host), cookie, read_only=read_only)
    config = uvicorn.Config(
        _telling(guard, bug),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,  # a link's word would stand in it
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )

    def told() -> None:
        announce(link_with(keys.new_link()))
        if more_links:
            _at_each_enter(lambda: announce(link_with(keys.new_link())))

    server = _Server(config, told)
    # uvicorn has its own handlers from its first moment on, and calls these once it has ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    try:
        asyncio.run(server.serve(sockets=[sock]))
    finally:
        sock.close()


class _Server(uvicorn.Server):
    """Tells when it is open."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._told()


def _telling(app: App, bug: Callable[[Exception], object]) -> App:
    """`app`, whose bugs are told once each: a page meets its own every two seconds."""
    met: set[tuple[str, int]] = set()

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:  # which the app has answered for
            *_, last = traceback.extract_tb(error.__traceback__)
            if (last.filename, last.lineno or 0) not in met:
                met.add((last.filename, last.lineno or 0))
                bug(error)

    return telling


def _listen(place: Place) -> socket.socket:
    tries = range(place.port, min(65536, place.port + (PORTS if place.next_free else 1)))
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    for port in tries:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((place.host, port))
            sock.listen(128)
        except OSError as problem:
            sock.close()
            if problem.errno != errno.EADDRINUSE:
                raise RunnerError(
                    f"cannot listen on {place.host} port {port}: {problem.strerror}",
                    "name another: --host, --port",
                ) from None
            continue
        return sock
    raise RunnerError(
        f"port {place.port} of {place.host} is taken by another program", "name another: --port"
    )


def _at_each_enter(tell: Callable[[], None]) -> None:
    """In a thread that ends with the process: a terminal is read by waiting for it."""

    signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background there is nobody to read

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            for _ in sys.stdin:
                tell()

    threading.Thread(target=read, name="another link", daemon=True).start()
