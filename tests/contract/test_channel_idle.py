"""How long an idle connection is used again."""

from __future__ import annotations

from time import monotonic

import aiohttp.connector
import pytest

from runner.message.outcome import Accepted
from tests.contract.channel_support import (
    OK,
    OK_STATUS,
    PERSON,
    SENDER,
    VERSIONS,
    RawServer,
    always,
    answer,
    channel_to,
)


@pytest.mark.parametrize("version", VERSIONS)
async def test_without_a_key_nothing_goes_over_a_connection_idle_for_5_seconds(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Common servers close theirs then: a send that meets the closing would be in doubt."""
    passed = 0.0
    monkeypatch.setattr(aiohttp.connector, "monotonic", lambda: monotonic() + passed)
    connections = []
    async with (
        RawServer(always(answer(OK_STATUS[version], OK[version]))) as server,
        channel_to(version, server.base) as channel,
    ):
        for idle in (0.0, 3.0, 5.0):
            passed += idle
            told = await channel.send(channel.compose(SENDER, PERSON, "Hi"), "rc1-k", None)
            assert isinstance(told.outcome, Accepted)
            connections.append(server.connections)
    assert connections == ([1, 1, 2] if version == "v1" else [1, 1, 1])
