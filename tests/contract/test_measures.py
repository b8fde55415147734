"""How long requests and commits take is told to whoever measures, by the clock of the run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from runner.channels.base import Token
from runner.channels.factory import connect
from runner.instrumentation import Look, Purpose
from runner.ledger import lanes
from runner.ledger.ledger import Ledger
from tests.contract.channel_support import (
    ANSWERED,
    OK,
    OK_STATUS,
    PERSON,
    SECRET,
    SENDER,
    VERSIONS,
    CountingGate,
    RawServer,
    Request,
    TestClock,
    a_lookup,
    answer,
    untaken,
)


@dataclass
class Measured:
    """Keeps what it is told."""

    requests: list[tuple[Purpose, float, int]] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)

    def answered(self, purpose: Purpose, seconds: float, status: int) -> None:
        self.requests.append((purpose, round(seconds / 10), status))

    def committed(self, seconds: float) -> None:
        self.commits.append(seconds)

    def look_by(self, look: Look | None) -> None: ...


@pytest.mark.parametrize("version", VERSIONS)
async def test_requests_are_told_with_their_purpose_and_status(version: str) -> None:
    clock, measured = TestClock(), Measured()
    sends = [answer(OK_STATUS[version], OK[version]), answer(429, b"{}"), b""]

    async def behave(
        request: Request, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        clock.moved += 10.0  # what an answer takes
        payload = sends.pop(0) if request.method == "POST" else answer(500, b"{}")
        writer.write(payload)
        return bool(payload)

    async with RawServer(behave) as server:
        channel = connect(
            version,
            f"{server.base}/{version}",
            Token(SECRET),
            clock,
            timeout=ANSWERED,
            gate=CountingGate(),
            notice=lambda _text: None,
            platform="twitter",
            concurrency=4,
            measures=measured,
        )
        body = channel.compose(SENDER, PERSON, "Hi")
        for _ in range(3):
            await channel.send(body, "rc1-key", None)
        await channel.send(body, "rc1-key", 0.0)  # too late: nothing of it leaves
        await channel.look_up(a_lookup(), untaken)
        with pytest.raises(Exception, match="500"):
            await channel.team()
        await channel.close()
    send, look_up, check = Purpose.SEND, Purpose.LOOK_UP, Purpose.CHECK
    assert measured.requests == [
        (send, 1, OK_STATUS[version]),
        (send, 1, 429),
        (send, 1, 0),
        (look_up, 1, 500),
        (check, 1, 500),
    ]


async def test_commits_are_told_once_they_are_on_disk(ledger: Ledger) -> None:
    clock, measured = TestClock(), Measured()
    ledger.measure(measured.committed, clock)

    def slow(connection: object, items: list[int]) -> list[int]:
        clock.moved += 10.0
        return items

    def fails(connection: object, items: list[int]) -> list[int]:
        raise ValueError("not committed")

    assert await ledger.commit(slow, 7) == 7
    [took] = measured.commits
    assert took >= 10.0
    with pytest.raises(ValueError, match="not committed"):
        await ledger.commit(fails, 1)
    assert len(measured.commits) == 1
    assert ledger.read(lanes.last_run) is None
