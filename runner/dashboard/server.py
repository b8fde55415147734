"""The server of the dashboard: its socket, its link, its end."""

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

from runner.dashboard.auth import App, Receive, Scope, Send, Sessions, guarded, names_of
from runner.errors import RunnerError

PORTS = 20
"""Ports that are tried from the usual one on, when it is taken."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An IP address and a port (0 for any free one) to listen on. `next_free`: another port will
    do."""

    host: str
    port: int
    next_free: bool = False


def serve(
    app: App,
    address: ListenAddress,
    announce: Callable[[str], None],
    bug: Callable[[Exception], object],
    *,
    read_only: bool = False,
    more_links: bool = False,
    used: Callable[[str], None] = lambda _: None,
) -> None:
    """Answer at `address` until Ctrl-C or SIGTERM. `announce` is told a one-time link when it is
    open, and with `more_links` another for each Enter at the terminal; `used` of each link that let
    a browser in; `bug` of each bug, once.

    Raises RunnerError when the port is taken.
    """
    sock = _listen(address)
    port = sock.getsockname()[1]
    base = (
        f"http://[{address.host}]:{port}"
        if ":" in address.host
        else f"http://{address.host}:{port}"
    )

    def link_of(token: str) -> str:
        return f"{base}/?token={token}"

    sessions = Sessions(lambda token: used(link_of(token)))
    cookie = f"run-campaign-{port}"
    guard = guarded(app, sessions, names_of(address.host), cookie, read_only=read_only)
    config = uvicorn.Config(
        _with_bugs_reported(guard, bug),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,  # a link's token would stand in it
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )

    def opened() -> None:
        announce(link_of(sessions.new_link()))
        if more_links:
            _at_each_enter(lambda: announce(link_of(sessions.new_link())))

    server = _Server(config, opened)
    # uvicorn has its own handlers from its first moment on, and calls these once it has ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    try:
        asyncio.run(server.serve(sockets=[sock]))
    finally:
        sock.close()


class _Server(uvicorn.Server):
    """A server that calls `opened` once it can be reached."""

    def __init__(self, config: uvicorn.Config, opened: Callable[[], None]) -> None:
        super().__init__(config)
        self._opened = opened

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._opened()


def _with_bugs_reported(app: App, bug: Callable[[Exception], object]) -> App:
    """Return `app` with `bug` called once for each of its bugs: a page meets its own every two
    seconds."""
    reported: set[tuple[str, int]] = set()

    async def report(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:  # which the app has answered for
            *_, last = traceback.extract_tb(error.__traceback__)
            if (last.filename, last.lineno or 0) not in reported:
                reported.add((last.filename, last.lineno or 0))
                bug(error)

    return report


def _listen(address: ListenAddress) -> socket.socket:
    tries = range(address.port, min(65536, address.port + (PORTS if address.next_free else 1)))
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    for port in tries:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address.host, port))
            sock.listen(128)
        except OSError as problem:
            sock.close()
            if problem.errno != errno.EADDRINUSE:
                raise RunnerError(
                    f"cannot listen on {address.host} port {port}: {problem.strerror}",
                    "name another: --host, --port",
                ) from None
            continue
        return sock
    raise RunnerError(
        f"port {address.port} of {address.host} is taken by another program", "name another: --port"
    )


def _at_each_enter(act: Callable[[], None]) -> None:
    """Call `act` for each Enter, in a thread that ends with the process: a terminal is read by
    waiting for it."""

    signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background there is nothing to read

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            for _ in sys.stdin:
                act()

    threading.Thread(target=read, name="another link", daemon=True).start()
