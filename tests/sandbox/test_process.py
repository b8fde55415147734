"""Serving: addresses, endings, and the sandbox in a process of its own."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runner.sandbox.__main__ import main
from runner.sandbox.options import AccountLink
from runner.sandbox.server import Sandbox, serve_forever

from .client import Client, until
from .conftest import Start

ROOT = Path(__file__).parents[2]
AT_ONCE = 20.0
"""Seconds: what hangs would hang for ever."""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "", "::"])
async def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        async with Sandbox().serve(host):
            pass


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_loopback_in_every_spelling(host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("no IPv6 here")
    async with (
        Sandbox().serve(host) as base,
        aiohttp.ClientSession() as session,
        session.get(f"{base}/api/v2/team") as response,
    ):
        assert response.status == 401


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_a_sandbox_may_go_down_and_come_back(start: Start) -> None:
    sandbox = Sandbox()
    async with aiohttp.ClientSession() as session:
        for number in (1, 2):
            async with sandbox.serve() as base:
                await Client(sandbox, base, session).send()
                assert len(sandbox.accepted) == number


@pytest.mark.parametrize("fault", ["stall", "stall:accept=yes", "endless", "accept_late"])
async def test_hanging_requests_end_with_the_server(fault: str) -> None:
    sandbox = Sandbox(faults=[fault])
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        async with sandbox.serve() as base:
            client = Client(sandbox, base, session)
            sending = asyncio.create_task(client.send(check=False))
            await until(lambda: bool(sandbox.requests["faults"]))
            begun = loop.time()
        assert loop.time() - begun < AT_ONCE
        with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
            await sending


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"faults": ["explode"]}, "unknown fault"),
        ({"compare": "hash"}, "compare must be value or bytes"),
        ({"mangle": "rot13"}, "unknown mangle 'rot13'"),
        ({"recipients": {"5": "lost"}}, "recipient 5: unknown outcome 'lost'"),
        ({"contacts": {"sarah": "abc"}}, "contact sarah: platform id 'abc' is not numeric"),
        ({"per_hour": 0}, "limit per hour must be 1 or more"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Sandbox(**options)


def test_a_link_has_a_known_status() -> None:
    with pytest.raises(ValueError, match="status 'asleep'"):
        AccountLink("a1", "acme", "Acme", "5", status="asleep")


async def test_serve_forever_ends_with_a_signal() -> None:
    addresses: list[str] = []

    def announce(base: str) -> None:
        addresses.append(base)
        os.kill(os.getpid(), signal.SIGTERM)

    await serve_forever(Sandbox(), "127.0.0.1", 0, announce)
    assert addresses[0].startswith("http://127.0.0.1:")


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A sandbox in a process of its own, and its address."""
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "runner.sandbox",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert made.stdout is not None
        line = (await made.stdout.readline()).decode()
        assert line.startswith("sandbox on http://127.0.0.1:")
        yield made, line.split()[-1]
    finally:
        if made.returncode is None:
            made.kill()
        await made.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_quietly(number: signal.Signals) -> None:
    arguments = ("--fault", "stall", "--per-minute", "none")
    async with process(*arguments) as (sandbox, base), aiohttp.ClientSession() as session:
        client = Client(Sandbox(), base, session)
        sending = asyncio.create_task(client.send())
        while not (await client.control("GET", "requests")).json["faults"]:
            pass
        sandbox.send_signal(number)
        out, err = await sandbox.communicate()
        assert (sandbox.returncode, out, err) == (0, b"", b"")
        with pytest.raises(aiohttp.ClientConnectionError):
            await sending


async def test_accept_then_kill_by_number_leaves_the_send_on_file(tmp_path: Path) -> None:
    record = tmp_path / "sent.jsonl"
    pidfile = tmp_path / "pid"
    arguments = ("--record", str(record), "--fault", f"accept_then_kill:at=2,pidfile={pidfile}")
    async with process(*arguments) as (sandbox, base), aiohttp.ClientSession() as session:
        pidfile.write_text(f"{sandbox.pid}\n")
        client = Client(Sandbox(), base, session)
        assert (await client.send("5", key="a")).status == 201
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.send("6", key="b")
        assert await sandbox.wait() == -signal.SIGKILL
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(one["recipient"], one["key"]) for one in lines] == [("5", "a"), ("6", "b")]
    async with process("--record", str(record)) as (_, base), aiohttp.ClientSession() as session:
        client = Client(Sandbox(), base, session)
        assert (await client.send("6", key="b")).status == 200
        assert (await client.control("GET", "tally")).json["doubled"] == []


async def test_accept_then_kill_of_another_process(start: Start) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    api = await start(faults=[f"accept_then_kill:pid={victim.pid}"])
    sending = asyncio.create_task(api.send())
    assert await victim.wait() == -signal.SIGKILL
    assert len(api.sandbox.accepted) == 1
    assert not sending.done()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert victim.stdin is not None
    victim.stdin.close()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fault", "explode"], "sandbox: unknown fault 'explode'"),
        (["--host", "0.0.0.0"], "sandbox: the sandbox serves on loopback only"),
        (["--per-day", "0"], "sandbox: limit per day must be 1 or more"),
    ],
)
def test_the_command_line_complains_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(complaint)
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--contact", "sarah"], ["--per-minute", "some"]])
def test_the_command_line_refuses_what_it_cannot_read(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


async def test_every_setting_of_the_command_line(tmp_path: Path) -> None:
    arguments = [
        *("--token", "sandbox-token", "--seed", "3", "--latency", "0.001", "--characters", "5"),
        *("--contact", "sarah=5", "--recipient", "6=sent", "--no-specials", "--key-life", "60"),
        *("--key-used-by-4xx", "--forget-unconfirmed", "--compare", "bytes", "--mangle", "strip"),
        *("--show-after", "0", "--accept-late", "0", "--no-advanced-api"),
        *("--per-minute", "none", "--per-hour", "none", "--per-day", "none"),
    ]
    async with process(*arguments) as (_, base), aiohttp.ClientSession() as session:
        client = Client(Sandbox(), base, session)
        assert (await client.send("5", text="abcde ")).code == "contentRejected"
        sent = await client.send("5", text=" ab ")
        assert sent.json["message"]["content"] == "ab"
        assert sent.json["thread"]["profileId"]
        assert (await client.send("7770404", text="ab")).code == "planRequired"
