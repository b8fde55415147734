"""The HTTP session of every channel: its requests, bounded reading, and the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from runner.channels.base import HeldBack, Token, never
from runner.channels.request_body import Refused, RequestBody
from runner.channels.responses import Reply, clean, parse_http_date
from runner.clock import Clock
from runner.instrumentation import Purpose
from runner.message.outcome import HELD_BACK, TOO_LATE, Deferred, InDoubt, Scope

SEND_ANSWER = 1 << 20
"""Bytes of the longest answer to a send that is read. Our own choice, far above any example."""

LIST_ANSWER = 8 << 20
"""Bytes of the longest list that is read. Our own choice: 100 messages with all they carry."""

CONNECT_TIMEOUT = 10.0
"""Seconds for one TCP and TLS handshake; twice that for all addresses of a host and DNS."""

SPARE_CONNECTIONS = 4
"""Connections beyond `concurrency`, so that a look-up never waits for one."""

JUMP = 900.0
"""Seconds by which an answer's `Date` may differ from what the answers before it and the time since
make it. One that differs by more proves nothing, unless the next one says the same."""

_SANE = (1735689600.0, 4102444800.0)
"""2025 to 2100: outside of it a `Date` is no time at all."""


class NoAnswer(Exception):
    """A question that got no answer. `str()` is one line; `stop` is set if a person must look.
    `connected`: whether there was anybody to ask."""

    def __init__(self, detail: str, stop: str, *, connected: bool) -> None:
        super().__init__(detail)
        self.stop = stop
        self.connected = connected


class HttpSession:
    """The HTTP session that both versions send through. Opens its session at the first request."""

    def __init__(
        self,
        base_url: str,
        token: Token,
        clock: Clock,
        *,
        timeout: float,
        notice: Callable[[str], None],
        concurrency: int,
        keepalive: float,
        agent: str,
        server_ahead: float | None = None,
        answered: Callable[[Purpose, float, int], None] | None = None,
    ) -> None:
        self.base = URL(base_url.rstrip("/"))
        self.token = token
        self.clock = clock
        self.notice = notice
        self._answered = answered
        self._noticed = False
        self._limit = concurrency + SPARE_CONNECTIONS
        self._keepalive = keepalive
        self._agent = agent
        # One timer for the whole of a request, and none for each read: two more per send cost a
        # twentieth of the rate, and an answer that drips is as lost as one that does not come.
        self._timeout = aiohttp.ClientTimeout(
            total=timeout, connect=2 * CONNECT_TIMEOUT, sock_connect=CONNECT_TIMEOUT
        )
        self._session: aiohttp.ClientSession | None = None
        # How far boot time was ahead of the loop's clock when a connection was first written to.
        self._births: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._date_text: str | None = None
        self._date_at: float | None = None
        self._ahead = server_ahead
        self._odd: float | None = None  # the same by an answer that was not believed

    def url(self, *parts: str) -> URL:
        """Return the address of a resource; every part is quoted as one path segment."""
        return self.base.joinpath(*parts)

    def server_now(self) -> float:
        """Return Unix seconds by the last answer's `Date` and the time since; at most the server's
        own time, and behind it by up to a second, since `Date` has whole seconds, and by the way of
        the answer. The machine's wall clock until an answer has come."""
        return self.clock.now() if self._ahead is None else self._ahead + self.clock.boot()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        session = self._session
        if session is None:
            session = self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._limit, keepalive_timeout=self._keepalive
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "Authorization": f"Bearer {self.token.reveal()}",
                    "User-Agent": self._agent,
                    "Accept": "application/json",
                },
                timeout=self._timeout,
            )
        return session

    async def post(
        self,
        url: URL,
        data: bytes,
        headers: Mapping[str, str] | None,
        deadline: float | None,
        held_back: HeldBack = never,
    ) -> Reply | Deferred | InDoubt:
        """Send once. Repeats only on connections that refused before a byte was written."""
        session = self._open()
        # Every refusal closes its connection, so this ends at a fresh one.
        for _ in range(self._limit + 1):
            boot, begun = self.clock.boot(), asyncio.get_running_loop().time()
            if deadline is not None and boot > deadline:
                return _too_late()
            body = RequestBody(data, deadline, self.clock, self._births, held_back)
            try:
                response = await session.request(
                    "POST", url, data=body, headers=headers, allow_redirects=False
                )
            except Exception as error:  # whatever aiohttp raises, the mark decides
                body.seal()
                if body.refused is Refused.STALE:
                    continue
                if body.refused is Refused.HELD_BACK:
                    return Deferred(HELD_BACK, "held back before it was written", written=False)
                took = asyncio.get_running_loop().time() - begun
                if body.refused is Refused.TOO_LATE and deadline is not None:
                    # Boot time runs while the machine sleeps; the loop's shows who was slow.
                    return self._slow() if took > deadline - boot else _too_late()
                if self._answered is not None and body.started:
                    self._answered(Purpose.SEND, self.clock.boot() - boot, 0)
                return self._lost(error, body)
            except BaseException:
                body.seal()
                raise
            if body.started:
                reply = await self._read(response, SEND_ANSWER)
                if self._answered is not None:
                    self._answered(Purpose.SEND, self.clock.boot() - boot, reply.status)
                return reply
            body.seal()
            response.close()
            return Deferred(
                "network", "an answer came before the request was sent", None, Scope.LANE, False
            )
        return Deferred("network", "no usable connection", None, Scope.LANE, False)

    async def get(
        self, url: URL, params: Mapping[str, str] | None = None, purpose: Purpose = Purpose.CHECK
    ) -> Reply:
        """Ask. Raises `NoAnswer` when no status arrives. aiohttp may repeat a GET once, when a kept
        connection turns out to be closed."""
        boot = self.clock.boot()
        try:
            response = await self._open().get(url, params=params, allow_redirects=False)
        except Exception as error:
            detail, stop = self._trouble(error)
            nobody = aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
            connected = bool(stop) or not isinstance(error, nobody)
            if self._answered is not None and connected:
                self._answered(purpose, self.clock.boot() - boot, 0)
            raise NoAnswer(detail, stop, connected=connected) from None
        reply = await self._read(response, LIST_ANSWER)
        if self._answered is not None:
            self._answered(purpose, self.clock.boot() - boot, reply.status)
        return reply

    async def write(self, method: str, url: URL, data: bytes | None = None) -> Reply:
        """Make a request that changes something, and may be repeated. Raises `NoAnswer`."""
        headers = None if data is None else {"Content-Type": "application/json"}
        try:
            response = await self._open().request(
                method, url, data=data, headers=headers, allow_redirects=False
            )
        except Exception as error:
            detail, stop = self._trouble(error)
            raise NoAnswer(detail, stop, connected=True) from None
        return await self._read(response, SEND_ANSWER)

    async def _read(self, response: aiohttp.ClientResponse, limit: int) -> Reply:
        headers = response.headers
        at = self._note(headers)
        body: bytes | None = None
        trouble = ""
        try:
            if response.status == 101:
                response.close()
                trouble = "the server switched to another protocol"
            else:
                body = await _bounded(response, limit)
                if body is None:
                    trouble = f"the answer is longer than {limit} bytes"
        except Exception as error:
            response.close()
            trouble = f"the answer broke off: {self._trouble(error)[0]}"
        except BaseException:
            response.close()
            raise
        return Reply(response.status, headers, body, trouble, at, self.token)

    def _note(self, headers: Mapping[str, str]) -> float | None:
        """Learn from an answer's headers; its `Date` in Unix seconds."""
        text = headers.get("Date")
        if text != self._date_text:
            # Only the first answer of a second is learnt from: its `Date` is the freshest.
            self._date_text = text
            self._date_at = self._believed(parse_http_date(text))
            if self._date_at is not None:
                self._ahead = self._date_at - self.clock.boot()
        if not self._noticed and ("Sunset" in headers or "Deprecation" in headers):
            self._noticed = True
            told = ", ".join(
                f"{name}: {clean(headers[name], self.token)}"
                for name in ("Deprecation", "Sunset")
                if name in headers
            )
            self.notice(f"the API announces the end of what this run uses ({told})")
        return self._date_at

    def _believed(self, at: float | None) -> float | None:
        """Return a `Date`, unless it proves nothing: an absurd one, or the first that is far from
        what the answers before it have told."""
        if at is None or not _SANE[0] <= at < _SANE[1]:
            return None
        ahead = at - self.clock.boot()
        near = [self._ahead, self._odd]
        if self._ahead is None or any(
            known is not None and abs(ahead - known) <= JUMP for known in near
        ):
            self._odd = None
            return at
        self._odd = ahead
        told = ahead - self._ahead
        self.notice(f"the API's clock has jumped by {told:+,.0f} s: not believed unless it stays")
        return None

    def _lost(self, error: Exception, body: RequestBody) -> Deferred | InDoubt:
        """Return the outcome where no status arrived: proven not sent, or in doubt."""
        detail, stop = self._trouble(error)
        if not body.started:
            return Deferred("network", detail, None, Scope.LANE, False, stop)
        if isinstance(error, TimeoutError):
            return InDoubt("timeout", detail)
        if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
            return InDoubt("unreadable", detail)
        return InDoubt("connection_lost", detail)

    def _slow(self) -> Deferred:
        """Return a connection came, but not before the body's deadline."""
        detail = self._trouble(aiohttp.ConnectionTimeoutError())[0]
        return Deferred("network", detail, None, Scope.LANE, written=False)

    def _trouble(self, error: Exception) -> tuple[str, str]:
        """Return one line for people, and what a person must do if nothing else helps."""
        host = self.base.host or ""
        said = clean(str(error), self.token)
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return (
                    f"the certificate of {host} cannot be trusted: {said}",
                    f"the certificate of {host} cannot be trusted: check api.base_url, this"
                    " machine's clock and certificates, and what stands between",
                )
            case aiohttp.ClientConnectorDNSError():
                return f"the host {host} cannot be found: {said}", ""
            case aiohttp.ConnectionTimeoutError():
                return f"no connection to {host} in time", ""
            case aiohttp.ClientConnectorError():
                return f"no connection to {host}: {said}", ""
            case TimeoutError():
                return "no answer in time", ""
            case aiohttp.ServerDisconnectedError():
                return "the server closed the connection without an answer", ""
        return f"{type(error).__name__}: {said}" if said else type(error).__name__, ""


def _too_late() -> Deferred:
    return Deferred(TOO_LATE, "not written before its deadline", written=False)


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the whole body, None when it is longer than `limit` bytes (the connection is then
    closed)."""
    content = response.content
    if content.is_eof():  # it came in one piece with the headers: nothing to wait for
        whole = content.read_nowait()
        return whole if len(whole) <= limit else None
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        size += len(chunk)
        if size > limit:
            response.close()
            return None
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
