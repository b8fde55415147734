"""The proof of not sent, under many timings, faults and cancellations."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.message.outcome import Accepted, Deferred
from tests.contract.channel_support import (
    OK,
    OK_STATUS,
    PERSON,
    SENDER,
    VERSIONS,
    RawServer,
    Request,
    TestClock,
    answer,
    channel_to,
    reset,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def good(version: str) -> bytes:
    return answer(OK_STATUS[version], OK[version])


def never_written(outcome: object) -> bool:
    return isinstance(outcome, Deferred) and not outcome.written


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ok", "reset", "close", "half", "stray", "early", "hang"]),
        st.integers(0, 6),  # loop turns until the server acts
        st.one_of(st.none(), st.integers(0, 12)),  # loop turns until we cancel
        st.booleans(),  # the deadline passes between the two looks at the clock
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_not_written_is_never_wrong(
    version: str, steps: list[tuple[str, int, int | None, bool]]
) -> None:
    """Whatever the server and the timing do: a message that is claimed as not written never
    arrives whole, and an accepted one has."""
    asyncio.run(_play(version, steps))


async def _play(version: str, steps: list[tuple[str, int, int | None, bool]]) -> None:
    act = ""
    turns = 0

    async def behave(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        for _ in range(turns):
            await asyncio.sleep(0)
        match act:
            case "ok":
                writer.write(good(version))
            case "stray":
                writer.write(good(version) * 2)
            case "half":
                writer.write(good(version)[:-3])
                return False
            case "early":
                writer.write(answer(408, b""))
                return False
            case "reset":
                reset(writer)
                return False
            case "hang":
                await reader.read()
                return False
            case "close":
                return False
        return True

    clock = TestClock()
    async with (
        RawServer(behave) as server,
        channel_to(version, server.base, clock=clock, patience=0.03) as channel,
    ):
        claims: dict[bytes, object] = {}
        for number, (act_, turns_, cancel, late) in enumerate(steps):
            act, turns = act_, turns_
            clock.looks, clock.after_calls, clock.jump = 0, 2 if late else 0, 60
            body = channel.compose(SENDER, PERSON, f"message {number}")
            task = asyncio.create_task(channel.send(body, f"rc1-{number}", clock.boot() + 5))
            if cancel is not None:
                for _ in range(cancel):
                    await asyncio.sleep(0)
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                claims[body] = (await task).outcome
        # Whatever still is on its way to the server arrives within these turns.
        for _ in range(50):
            await asyncio.sleep(0)
        arrived = [request.body for request in server.complete]
        for body, outcome in claims.items():
            if never_written(outcome):
                assert body not in arrived
            if isinstance(outcome, Accepted):
                assert arrived.count(body) == 1
            assert arrived.count(body) <= 1
