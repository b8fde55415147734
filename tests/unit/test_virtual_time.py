"""The loop of rehearsals: time passes only while all tasks wait, and no sooner."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.clock import SystemClock
from runner.ledger import lanes
from runner.ledger.ledger import Connection, open_ledger
from runner.sandbox.options import TOKEN
from runner.sandbox.server import Sandbox
from runner.virtual.loop import NothingLeft, VirtualClock, VirtualLoop

T = TypeVar("T")


def live(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


EARLY = time.get_clock_info("monotonic").resolution
"""Seconds by which asyncio may wake before it is time."""


@given(st.lists(st.floats(0, 1e7), max_size=20))
@example([3.2346982414831916e-06, 5e-324])
def test_everybody_wakes_when_it_is_time_and_in_order(seconds: list[float]) -> None:
    async def main() -> list[tuple[float, float]]:
        woken: list[tuple[float, float]] = []

        async def sleep(each: float) -> None:
            began = now()
            await asyncio.sleep(each)
            woken.append((began + each, now()))

        await asyncio.gather(*map(sleep, seconds))
        return woken

    woken = live(main())
    assert [at for _, at in woken] == sorted(at for _, at in woken)
    for due, at in woken:
        assert -EARLY <= at - due < 1e-5


@given(st.floats(0, 1e7), st.floats(1e-12, 10))
def test_who_asks_again_whether_it_is_time_gets_there(start: float, wait: float) -> None:
    """Rounding can leave a hair of a wait, which is no time at all when added to a large one."""

    async def main() -> int:
        await asyncio.sleep(start)
        until, asked = now() + wait, 0
        while now() < until:
            asked += 1
            await asyncio.sleep((until - now()) / 2)
        return asked

    assert live(main()) < 100


def test_work_for_a_thread_is_done_at_once() -> None:
    async def main() -> tuple[int, float]:
        by = await asyncio.to_thread(threading.get_ident)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return by, now()

    assert live(main()) == (threading.get_ident(), 0.0)


def test_a_wait_without_an_end_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingLeft):
        live(main())


def test_time_goes_on_from_one_coroutine_to_the_next() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop, 1_800_000_000.0)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.sleep(60.0))
        runner.run(asyncio.sleep(30.0))
        assert (clock.boot(), clock.now()) == (90.0, 1_800_000_090.0)


async def listen(answer: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a server of this loop whose connections `answer` serves."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), answer)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    host, port = server.getsockname()
    sock = socket.socket()
    await loop.sock_connect(sock, (host, port))
    reader = asyncio.StreamReader()
    client = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_connection(lambda: client, sock=sock)
    return reader, asyncio.StreamWriter(transport, client, reader, loop)


@given(st.lists(st.binary(max_size=200_000), max_size=6))
def test_bytes_arrive_whole_in_order_and_before_the_end(parts: list[bytes]) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:  # reading stops and goes on again with large ones
            writer.write(line)
        writer.write(await reader.read())
        writer.close()

    async def main() -> bytes:
        reader, writer = await listen(echo)
        for part in parts:
            writer.write(part.replace(b"\n", b"."))
        writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()

    assert live(main()) == b"".join(part.replace(b"\n", b".") for part in parts)


def test_a_reset_loses_what_has_not_arrived() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"an answer")
        writer.transport.abort()

    async def main() -> None:
        reader, writer = await listen(reset)
        writer.write(b"?")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert writer.is_closing()

    live(main())


@given(st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_a_timeout_of_a_request_fires_if_and_only_if_the_answer_takes_longer(
    takes: float, patience: float
) -> None:
    async def main() -> tuple[bool, float]:
        clock = VirtualClock(asyncio.get_running_loop(), 1_800_000_000.0)
        api = Sandbox(clock=clock.now, latency=takes)
        total = aiohttp.ClientTimeout(total=patience)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with api.serve() as base, aiohttp.ClientSession(headers=headers) as session:
            began = now()
            try:
                async with session.get(f"{base}/api/v2/team", timeout=total) as answer:
                    answered = answer.status == 200
            except TimeoutError:
                answered = False
            return answered, now() - began

    answered, took = live(main())
    if answered:
        assert takes <= took < takes + 0.001
    else:
        # aiohttp rounds times over five seconds up to whole ones
        assert takes >= patience
        assert patience - 0.001 <= took <= patience + 1.001


def test_nothing_outside_can_be_reached() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get("http://127.0.0.1:1/")

    live(main())


def test_the_ledger_of_a_rehearsal_commits_together_without_a_thread(tmp_path: Path) -> None:
    groups: list[int] = []

    def begin(connection: Connection, items: list[float]) -> list[int]:
        groups.append(len(items))
        return [lanes.begin_run(connection, at, "1") for at in items]

    async def main(threads: int) -> list[int]:
        at = SystemClock().now()
        found = await asyncio.gather(*(ledger.commit(begin, at) for _ in range(5)))
        assert threading.active_count() == threads
        return found

    with open_ledger(str(tmp_path / "state.db"), in_loop=True) as ledger:
        assert live(main(threading.active_count())) == [1, 2, 3, 4, 5]
    assert groups == [5]
