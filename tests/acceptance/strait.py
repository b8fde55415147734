"""A way to PostgreSQL's Unix socket that a test can close without a word: nothing passes any more,
and no connection ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qs, urlsplit


@dataclass
class Strait:
    """Passes a worker's connections on to the server of the ledger at `state`."""

    state: str
    passes: threading.Event = field(default_factory=threading.Event)
    _listening: socket.socket | None = None
    _ends: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The ledger's URL by this way."""
        assert self._listening is not None
        port = self._listening.getsockname()[1]
        way = f"host=127.0.0.1&port={port}&sslmode=disable&gssencmode=disable"
        return f"{self.state.partition('?')[0]}?{way}"

    def cut(self) -> None:
        """Let nothing pass, and say nothing of it."""
        self.passes.clear()

    def heal(self) -> None:
        """Let pass what has waited, and all that comes."""
        self.passes.set()

    def __enter__(self) -> Strait:
        self.heal()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._listening is not None
        for each in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.heal()

    def _accept(self, listening: socket.socket) -> None:
        folder = parse_qs(urlsplit(self.state).query)["host"][0]
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                self.passes.wait()
                far = socket.socket(socket.AF_UNIX)
                far.connect(f"{folder}/.s.PGSQL.5432")
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.passes.wait()
                target.sendall(data)
        self.passes.wait()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
