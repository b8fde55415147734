"""A client that holds every answer against the OpenAPI files, and things to ask for."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from runner.sandbox.server import Sandbox

LINK = "df6jbw4h36qm5d9iu2sgn7kx"
OTHER_LINK = "k2v7q9x4m1n8b3c6z5l0p7ty"
PERSON = "1876543210987654321"
OTHER = "1876543210987654322"
TOKEN = {"Authorization": "Bearer sandbox-token"}
OPENAPI_FILES = Path(__file__).parents[1] / "openapi"


@cache
def contract(version: int) -> OpenAPI:
    """The OpenAPI file of one version."""
    return OpenAPI.from_path(OPENAPI_FILES / f"inbox-v{version}.openapi.yaml")


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """Error code of either version."""
        body = self.json
        return str(body["error"]["code"] if "error" in body else body["code"])


class Client:
    """Asks a running sandbox. ``check=False`` for answers that no document has."""

    def __init__(self, sandbox: Sandbox, base: str, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.base = base
        self.session = session

    async def ask(
        self,
        version: int,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Reply:
        sent = TOKEN | dict(headers or {})
        payload = json.dumps(body).encode() if body is not None else data
        if payload is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method,
            f"{self.base}/api/v{version}{path}",
            params=list(query),
            data=payload,
            headers=sent,
            allow_redirects=False,
        ) as response:
            reply = Reply(response.status, response.headers, await response.read())
        if check:
            self.check(version, method, path, reply)
        return reply

    def check(self, version: int, method: str, path: str, reply: Reply) -> None:
        """Raise unless the OpenAPI file of the version allows the answer."""
        request = MockRequest("https://inboxapp.com", method.lower(), f"/api/v{version}{path}")
        content_type = reply.headers.get("Content-Type", "").partition(";")[0]
        response = MockResponse(reply.raw, reply.status, dict(reply.headers), content_type)
        contract(version).validate_response(request, response)

    async def v1(self, method: str, path: str, **more: Any) -> Reply:
        return await self.ask(1, method, path, **more)

    async def v2(self, method: str, path: str, **more: Any) -> Reply:
        return await self.ask(2, method, path, **more)

    async def quick_send(self, person: str = PERSON, text: str = "Hello", **more: Any) -> Reply:
        """v1 quick send."""
        body = {"accountLinkId": LINK, "externalPlatformId": person, "content": text}
        return await self.v1("POST", "/threads/messages", body=body, **more)

    async def send(
        self,
        person: str = PERSON,
        text: str = "Hello",
        *,
        key: str | None = None,
        target: dict[str, str] | None = None,
        **more: Any,
    ) -> Reply:
        """v2 send, to a profile unless a target is given."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"target": target or profile(person), "content": text}
        return await self.v2("POST", "/messages", body=body, headers=headers, **more)

    async def control(self, method: str, path: str, body: object = None) -> Reply:
        """One of the sandbox's own endpoints, without a token."""
        async with self.session.request(
            method, f"{self.base}/sandbox/{path}", json=body
        ) as response:
            return Reply(response.status, response.headers, await response.read())


def profile(person: str, link: str = LINK) -> dict[str, str]:
    """A v2 target: someone on X."""
    return {"type": "profile", "accountLinkId": link, "platform": "twitter", "platformId": person}


def contact(contact_id: str, link: str = LINK) -> dict[str, str]:
    """A v2 target: a contact."""
    return {"type": "contact", "accountLinkId": link, "contactId": contact_id}


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds; the test's own limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - the sandbox has no event for such moments
        await asyncio.sleep(0)


class Time:
    """A clock that tests set, and a sleep that ends when they say so."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """A sleep that tells when it is entered, and ends when it is opened."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.entered.set()
        await self.opened.wait()


async def events(api: Client, *types: str, after: int = 0, limit: int = 1000) -> list[Any]:
    """All events from a number on, page by page."""
    found: list[Any] = []
    while True:
        query = [("afterSeq", str(after)), ("limit", str(limit)), *(("type", t) for t in types)]
        page = (await api.v2("GET", "/events", query=query)).json
        found += page["data"]
        if not page["hasMore"]:
            return found
        after = page["lastSeq"]
