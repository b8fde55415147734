"""Connections in memory: what one end writes, the other end reads in a later turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

Address = tuple[str, int]


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory. Bytes arrive in order, and before the end of them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        own: Address,
        peer: Address,
    ) -> None:
        super().__init__({"sockname": own, "peername": peer})
        self._loop = loop
        self._protocol = protocol
        self._closing = False
        self._lost = False
        self._ended = False  # nothing more is written
        self._paused = False
        self._unread: list[bytes | None] = []  # None: the end
        self.peer: MemoryTransport | None = None

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._read)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if data and not self._closing and not self._ended:
            self._send(bytes(data))

    def write_eof(self) -> None:
        if not self._ended:
            self._ended = True
            self._send(None)

    def close(self) -> None:
        """Close this end; what it has written still arrives."""
        if not self._closing:
            self._closing = True
            self.write_eof()
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """Reset the connection: what has not arrived is lost."""
        self._closing = self._ended = True
        self._loop.call_soon(self._lose, None)
        if self.peer is not None:
            self.peer._unread.clear()
            self._loop.call_soon(self.peer._reset)

    def _send(self, data: bytes | None) -> None:
        if self.peer is not None:
            self.peer._unread.append(data)
            self._loop.call_soon(self.peer._read)

    def _read(self) -> None:
        while self._unread and not self._paused and not self._closing:
            data = self._unread.pop(0)
            if data is not None:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()

    def _reset(self) -> None:
        self._closing = self._ended = True
        self._lose(ConnectionResetError("the other end has reset the connection"))

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._unread.clear()
            self._protocol.connection_lost(error)
            self.peer = None


class MemoryServer:
    """A listening place within one loop; `sockets` says where, as a real server's do."""

    def __init__(
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        address: Address,
        servers: dict[Address, MemoryServer],
    ) -> None:
        self.protocol_factory = protocol_factory
        self.address = address
        self._servers = servers

    @property
    def sockets(self) -> tuple[MemoryServer, ...]:
        return (self,) if self.is_serving() else ()

    def getsockname(self) -> Address:
        """Return where it listens."""
        return self.address

    def is_serving(self) -> bool:
        return self._servers.get(self.address) is self

    def close(self) -> None:
        """Listen no more; open connections stay."""
        if self.is_serving():
            del self._servers[self.address]

    async def wait_closed(self) -> None:
        """Return at once: there is nothing to wait for."""


def connect_pair(
    loop: asyncio.AbstractEventLoop, client: asyncio.Protocol, server: MemoryServer
) -> tuple[MemoryTransport, asyncio.Protocol]:
    """Connect a protocol to a server; return its end."""
    asked = server.protocol_factory()
    ours = MemoryTransport(loop, client, ("127.0.0.1", 0), server.address)
    theirs = MemoryTransport(loop, asked, server.address, ("127.0.0.1", 0))
    ours.peer, theirs.peer = theirs, ours
    asked.connection_made(theirs)
    client.connection_made(ours)
    return ours, client
