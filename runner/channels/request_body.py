"""A request body that knows whether it left: the proof that a message was not sent.

Why a body that was not `started` was never sent (read in aiohttp 3.14, and tested against raw
sockets): `ClientRequest.send` only buffers the headers (`StreamWriter.write_headers`); what flushes
them is the body's first write, `write_eof` after a body that wrote nothing, or a 100-continue wait,
which is never asked for. So nothing of a request leaves before `RequestBody.write`; and when that
raises, `write_eof` is not reached either. Headers without the body that their Content-Length
announces are not a request. aiohttp repeats a request on a stale connection only for idempotent
methods (`IDEMPOTENT_METHODS`), and POST is not one. Writing is one step of the event loop: the
checks, the mark and the hand-over to the transport cannot be parted by a timeout or a cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from enum import Enum

from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from aiohttp.payload import Payload
from multidict import CIMultiDict

from runner.channels.base import HeldBack, never
from runner.clock import Clock

_SLEPT = 1.0
"""Seconds by which boot time may run ahead of the loop's clock, which stands still while the
machine sleeps, before a connection counts as slept through."""


class Refused(Enum):
    """The reason why a body was not written."""

    NO = "no"
    TOO_LATE = "too late"
    HELD_BACK = "held back"
    STALE = "stale"


class NotWritten(Exception):
    """Raised inside aiohttp's writer so that it gives the request up; nothing was written."""


class RequestBody(Payload):
    """A request body that knows whether it left.

    `started` is set in the very step that hands the first byte to the transport. After `seal()`
    a body that is not started can never start.
    """

    _autoclose = True
    _encoding = None
    _filename = None
    # Shared and only read by aiohttp; building a header map per send costs more than the rest.
    _headers = CIMultiDict({"Content-Type": "application/json"})

    def __init__(
        self,
        data: bytes,
        deadline: float | None,
        clock: Clock,
        births: MutableMapping[object, float],
        held_back: HeldBack = never,
    ) -> None:
        self._value = data
        self._size = len(data)
        self._deadline = deadline
        self._clock = clock
        self._births = births
        self._held_back = held_back
        self.started = False
        self.refused = Refused.NO
        self._sealed = False

    def seal(self) -> None:
        self._sealed = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write everything, or raise `NotWritten` before the first byte."""
        if self._sealed:
            raise NotWritten
        boot = self._clock.boot()
        if self._deadline is not None and boot > self._deadline:
            self.refused = Refused.TOO_LATE
            raise NotWritten
        if self._stale(writer, boot):
            self.refused = Refused.STALE
            raise NotWritten
        if self._held_back():
            self.refused = Refused.HELD_BACK
            raise NotWritten
        self.started = True
        await writer.write(self._value)

    def _stale(self, writer: AbstractStreamWriter, boot: float) -> bool:
        """Return whether this kept connection is closing, slept through, or holds bytes nobody
        asked for: aiohttp would take those for the answer to this request."""
        if not isinstance(writer, StreamWriter):
            return False
        transport, protocol = writer.transport, writer.protocol
        if transport is None or transport.is_closing():
            return True
        if isinstance(protocol, ResponseHandler) and protocol.should_close:
            return True
        skew = boot - asyncio.get_running_loop().time()
        return skew - self._births.setdefault(protocol, skew) > _SLEPT
