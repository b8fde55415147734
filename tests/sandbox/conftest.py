"""Fixtures: sandboxes on the loopback, with a client each."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from runner.sandbox.server import Sandbox

from .client import Client

Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a sandbox with options; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def begin(**options: Any) -> Client:
            sandbox = Sandbox(**options)
            base = await stack.enter_async_context(sandbox.serve())
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Client(sandbox, base, session)

        yield begin


@pytest.fixture
async def api(start: Start) -> Client:
    """A sandbox as it comes."""
    return await start()
