"""`--sandbox` by itself: a rehearsal as fast as it goes, against a stand-in API in a thread of this
process."""

from __future__ import annotations

import asyncio
import queue
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from runner.channels.base import Token
from runner.cli.invocation import Invocation
from runner.cli.live_run import IDLE, options_of, run_and_tell
from runner.cli.rehearsal.stand_in import stand_in
from runner.clock import SystemClock
from runner.events import EventBus
from runner.formats import counted, number, safe
from runner.project.campaign_files import load
from runner.project.credentials import SANDBOX_TOKEN
from runner.project.ledgers.ledger_location import LEDGER_NAME
from runner.run.handles import resolve_rehearsed
from runner.run.preparation.options import Surroundings
from runner.sandbox.server import Sandbox


def rehearse(
    call: Invocation, campaigns: tuple[Path, ...], faults: tuple[str, ...], said: dict[str, Any]
) -> int:
    """Run campaigns against a sandbox; return the exit code."""
    as_json = said["log_format"] == "json"
    none = dict.fromkeys(("per_minute", "per_hour", "per_day"))
    sandbox = stand_in(load(campaigns), faults, said["state"], **none)
    click.echo(
        "sandbox: nothing real is sent; limits are off, the ledger is thrown away", err=as_json
    )
    with tempfile.TemporaryDirectory(prefix="run-campaign-") as folder, _serving(sandbox) as base:
        state = str(Path(folder) / LEDGER_NAME)
        options = replace(
            options_of(said),
            at=base,
            token=Token(SANDBOX_TOKEN),
            unpaced=True,
            idle_after=IDLE,
            state=state,
            throwaway=True,
        )
        for path in campaigns:
            resolve_rehearsed(path, options, Surroundings(SystemClock(), EventBus(), {}))
        code = run_and_tell(call, campaigns, options, said | {"yes": True}, rehearsal=True)
    tally = sandbox.tally()
    people = "1 person" if tally["recipients"] == 1 else f"{number(tally['recipients'])} people"
    told = f"sandbox: accepted {counted(tally['accepted'], 'message')} to {people}"
    doubled = tally["doubled"]
    told += f"; WRITTEN TO TWICE: {safe(', '.join(doubled))}" if doubled else ", nobody twice"
    click.echo(told, err=as_json)
    return code


@contextmanager
def _serving(sandbox: Sandbox) -> Iterator[str]:
    """Serve a sandbox from a thread with a loop of its own; yield its address."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    began: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    async def serve() -> None:
        try:
            async with sandbox.serve() as base:
                began.put(base)
                await stop.wait()
        except Exception as problem:
            began.put(problem)

    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve()), name="sandbox", daemon=True
    )
    thread.start()
    base = began.get()
    if isinstance(base, Exception):
        raise base
    try:
        yield base
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5.0)
        if not thread.is_alive():
            loop.close()
