"""The event loop of a rehearsal: its time jumps to the next timer whenever all its tasks wait.

Nothing of it lies outside the loop, so that "all wait" is known exactly: connections are made in
memory, and what would go to a thread is done at once. An answer under way is a task that can run,
so no timeout of it fires early.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack

from runner.virtual.network import MemoryServer, connect_pair

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SHORTEST = 1e-6
"""Seconds that pass at least until a timer: who asks again and again whether a time has come, which
rounding puts a hair ahead, must not ask for ever."""


class NothingLeft(RuntimeError):
    """Raised where every task waits and no timer is set: the wait would have no end."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that makes time pass instead of waiting."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)  # signals, and calls from other threads
        if not found and timeout != 0:
            if timeout is None:
                raise NothingLeft("every task waits, and for nothing that can come")
            self._jump(max(0.0, timeout))
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while everything waits. It begins at 0."""

    def __init__(self) -> None:
        self._passed = 0.0
        self._servers: dict[tuple[str, int], MemoryServer] = {}
        self._connecting: dict[socket.socket, MemoryServer] = {}
        super().__init__(_JumpingSelector(self._jump))

    def _jump(self, seconds: float) -> None:
        self._passed += seconds

    def time(self) -> float:
        """Return the seconds that have passed in this loop."""
        return self._passed

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a time, SHORTEST from now at the earliest."""
        return super().call_at(max(when, self._passed + SHORTEST), callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]  # a future, as the base class has it too
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do at once what would go to a thread: a commit or a read takes no virtual time."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Any
    ) -> MemoryServer:
        """Listen within this loop; port 0 is any free one."""
        while port == 0 or (host, port) in self._servers:
            port = len(self._servers) + 1
        server = MemoryServer(protocol_factory, (host, port), self._servers)
        self._servers[host, port] = server
        return server

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to a server of this loop. Raises ConnectionRefusedError for any other."""
        server = self._servers.get((address[0], address[1]))
        if server is None:
            raise ConnectionRefusedError(f"nothing listens on {address[0]}:{address[1]} here")
        self._connecting[sock] = server

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *_args: Any,
        sock: socket.socket,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Open a connection in memory on a socket of `sock_connect`, which is only its ticket."""
        server = self._connecting.pop(sock)
        sock.close()
        return connect_pair(self, protocol_factory(), server)


@dataclass(frozen=True, slots=True)
class VirtualClock:
    """A clock of a loop's time. `started`: Unix seconds at which it was at 0."""

    loop: asyncio.AbstractEventLoop
    started: float

    def now(self) -> float:
        return self.started + self.loop.time()

    def boot(self) -> float:
        return self.loop.time()
