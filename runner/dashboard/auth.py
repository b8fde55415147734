"""Authentication: one ASGI layer in front of everything that the dashboard answers.

The browser that opens the one-time link gets a session, and the link is used up by that. The rest
is for what a browser may be made to do by another site's page: to ask under a name that was pointed
at this machine (DNS rebinding), to send a form or open a socket here, to show us in a frame.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY = 64 * 1024
"""Bytes of a form. Ours are of a few hundred; our own choice."""
MOST_SESSIONS = 100
"""Browsers at once; one more, and the oldest is to ask for a new link. Our own choice."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Pico draws its arrows so
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` our own forms would say no origin
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

_ENTERED = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="0;url=/"><title>run-campaign</title>
<link rel="icon" href="data:,">
<p><a href="/">Go on to the dashboard</a></p></html>"""
"""Not a redirect: after a link out of a chat the browser would follow it without the cookie."""

_NO_SESSION = (
    "This browser is not signed in, or the link was used already. Each link lets in one browser, "
    "once: press Enter in the terminal where the dashboard runs for another.\n"
)


class Sessions:
    """The tokens of links that were not used yet, and the sessions of browsers that used one. Only
    hashes of them are kept: nothing in memory lets anybody in. `used` is called with each link's
    token that was used."""

    def __init__(self, used: Callable[[str], None] = lambda _: None) -> None:
        self._used = used
        self._links: set[bytes] = set()
        self._sessions: dict[bytes, None] = {}
        self._secret = secrets.token_bytes(32)

    def new_link(self) -> str:
        """Return a token that lets one browser in, once; those made before stay good."""
        token = secrets.token_urlsafe(32)
        self._links.add(_hashed(token))
        return token

    def enter(self, token: str) -> str | None:
        """Exchange a link's token for a session; None if it is none, or is used up."""
        if _hashed(token) not in self._links:
            return None
        self._links.remove(_hashed(token))
        session = secrets.token_urlsafe(32)
        self._sessions[_hashed(session)] = None
        if len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._used(token)
        return session

    def is_known(self, session: str) -> bool:
        """Return whether a cookie's session is one of ours."""
        return _hashed(session) in self._sessions

    def csrf_token(self, session: str) -> str:
        """Return what each form of a session carries, and no other page can know."""
        return hmac.new(self._secret, session.encode(), "sha256").hexdigest()


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def names_of(host: str) -> frozenset[str]:
    """Return the names under which a dashboard that is bound to `host` may be asked; empty for any
    address, though never a name, of one that is bound to all of them."""
    address = ip_address(host)
    if address.is_loopback:
        return frozenset({"127.0.0.1", "localhost", "::1", host})
    return frozenset() if address.is_unspecified else frozenset({host})


def guarded(
    app: App, sessions: Sessions, names: Collection[str], cookie: str, *, read_only: bool
) -> App:
    """Return `app` for those with a session. `names`: see `names_of`; `cookie`: its name, one for
    each port, since browsers do not tell ports apart."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # there is none here
            return
        if scope["type"] != "http":
            return
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        refused = _refusal(scope["method"], headers, names, read_only=read_only)
        if refused is not None:
            await _answer(send, *refused)
            return
        session = _session_of(headers, cookie)
        if scope["path"] == "/" and scope["method"] == "GET":
            tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            if tokens and (entered := sessions.enter(tokens[0])) is not None:
                flags = "Path=/; HttpOnly; SameSite=Strict"
                await _answer(send, 200, _ENTERED, f"{cookie}={entered}; {flags}")
                return
            if tokens and sessions.is_known(session):
                await _answer(send, 200, _ENTERED)  # the same browser, back at its link
                return
        if not sessions.is_known(session):
            await _answer(send, 403, _NO_SESSION)
            return
        scope["state"] = {"csrf_token": sessions.csrf_token(session)}
        await app(scope, receive, _with_headers(send))

    return guard


def _refusal(
    method: str, headers: list[tuple[str, str]], names: Collection[str], *, read_only: bool
) -> tuple[int, str] | None:
    """Return the status and text with which a request is refused whatever session it has, None if
    it is not."""
    hosts = [value for name, value in headers if name == "host"]
    if len(hosts) != 1 or not _is_ours(hosts[0], names):
        return 403, "The dashboard does not answer under this host name.\n"
    if method not in ("GET", "HEAD", "POST"):
        return 405, "This address does not take this method.\n"
    if method == "POST" and read_only:
        return 403, "The dashboard was started with --read-only: nothing is changed here.\n"
    values = dict(headers)
    origin, site = values.get("origin"), values.get("sec-fetch-site")
    if origin is not None and origin != f"http://{hosts[0]}":
        return 403, "This request comes from another page.\n"
    if method == "POST" and (origin is None or site not in (None, "same-origin")):
        return 403, "This request comes from another page.\n"
    if site in ("cross-site", "same-site") and (
        values.get("sec-fetch-mode") != "navigate" or values.get("sec-fetch-dest") != "document"
    ):
        return 403, "This request comes from another page.\n"
    if "transfer-encoding" in values:
        return 411, "The length is missing.\n"  # no browser sends a form without saying so
    length = values.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and int(length) <= MOST_BODY):
        return 413, "The form is too long.\n"
    return None


def _is_ours(host: str, names: Collection[str]) -> bool:
    try:
        parts = urlsplit(f"http://{host}")
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.netloc != host or parts.username is not None:
        return False
    return name in names if names else name == "localhost" or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _session_of(headers: list[tuple[str, str]], cookie: str) -> str:
    for name, value in headers:
        # Not `SimpleCookie`, which gives up at what other programs on this machine may have set.
        if name == "cookie" and (found := cookie_parser(value).get(cookie)) is not None:
            return found
    return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            ours = {name.encode(): value.encode() for name, value in HEADERS.items()}
            own = dict(message.get("headers", []))
            message = {**message, "headers": [*(ours | own).items()]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str, cookie: str = "") -> None:
    body = text.encode()
    kind = "text/html" if text.startswith("<!doctype") else "text/plain"
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        *([(b"set-cookie", cookie.encode())] if cookie else []),
    ]
    guarded_send = _with_headers(send)
    await guarded_send({"type": "http.response.start", "status": status, "headers": headers})
    await guarded_send({"type": "http.response.body", "body": body})
