"""A proxy before the sandbox that misbehaves as a test says: the sandbox's list stays the judge."""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

PATIENCE = 30.0
"""Seconds after which a stalled exchange is given up, so that no thread outlives its test."""


@dataclass
class Exchange:
    """One request, read whole, and the ways to answer it badly."""

    client: socket.socket
    request: bytes
    upstream: int
    over: threading.Event

    def __contains__(self, text: str) -> bool:
        return text.encode() in self.request

    @property
    def is_send(self) -> bool:
        return self.request.startswith(b"POST ")

    def ask(self) -> bytes:
        """Pass the request on; the sandbox's whole answer."""
        with socket.create_connection(("127.0.0.1", self.upstream), PATIENCE) as api:
            api.sendall(self.request)
            return read_message(api)

    def say(self, data: bytes) -> None:
        self.client.sendall(data)

    def reset(self) -> None:
        reset(self.client)

    def hang(self) -> None:
        """Say nothing more until the client goes."""
        self.client.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            while self.client.recv(65536):
                pass

    def drip(self, data: bytes) -> None:
        """Say it byte by byte, slower than anybody waits."""
        with contextlib.suppress(OSError):
            for at in range(len(data)):
                self.say(data[at : at + 1])
                if self.over.wait(0.2):
                    return

    def flood(self) -> None:
        """Say a body that does not end."""
        self.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while not self.over.is_set():
                self.say(b"10000\r\n" + b" " * 65536 + b"\r\n")


Behave = Callable[[Exchange], bool]
"""Treats an exchange; False leaves it to the proxy, which passes it on faithfully."""


def faithful(_exchange: Exchange) -> bool:
    """Pass everything on."""
    return False


@dataclass
class Proxy:
    """Listens on a port of its own, which it keeps while it is `down`. `at_connect` treats a new
    connection before anything is read from it: True when that was its end."""

    upstream: int
    behave: Behave = faithful
    at_connect: Callable[[socket.socket], bool] = lambda _client: False
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    keep: bool = True  # connections open between two requests
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    was_down: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    _listening: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)

    @property
    def base(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def __enter__(self) -> Proxy:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.over.set()
        self.down()

    def up(self) -> None:
        """Listen (again)."""
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def down(self, but: socket.socket | None = None) -> None:
        """Refuse connections, and reset those that are open, but one."""
        self.was_down = True
        listening, self._listening = self._listening, None
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listening.close()
        for client in self._open - {but}:
            reset(client)

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        self._open.add(client)
        try:
            if self.at_connect(client):
                return
            if self.tls is not None:
                self._open.discard(client)
                client = self.tls.wrap_socket(client, server_side=True)
                self._open.add(client)
            while request := read_message(client):
                self.requests.append(request)
                exchange = Exchange(client, request, self.upstream, self.over)
                if self.behave(exchange):
                    return
                answer = exchange.ask()
                client.sendall(answer if self.keep else closing(answer))
                if not self.keep:
                    return
        except OSError:
            pass  # the client has gone, or a test has cut it off
        finally:
            self._open.discard(client)
            client.close()


def read_message(source: socket.socket) -> bytes:
    """One HTTP message with the body that its head announces; empty when none comes."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := source.recv(65536)):
            return b""
        data += more
    head = data.split(b"\r\n\r\n")[0]
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(data) < len(head) + 4 + length:
        if not (more := source.recv(65536)):
            return b""
        data += more
    return data


def reset(client: socket.socket) -> None:
    """Close with RST."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RD)  # wakes a thread that reads from it
    client.close()


def page(status: int, body: bytes = b"<html><h1>Welcome</h1></html>", *headers: str) -> bytes:
    """An answer that is not the API's: by default the page of something that stands between."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body)}",
        f"Date: {email.utils.formatdate(usegmt=True)}",
        *(headers or ("Content-Type: text/html; charset=utf-8",)),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def head_of(answer: bytes) -> bytes:
    """Status line and headers, with the empty line behind them."""
    return answer[: answer.index(b"\r\n\r\n") + 4]


def closing(answer: bytes) -> bytes:
    """The same answer, with word that the connection ends."""
    return answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
