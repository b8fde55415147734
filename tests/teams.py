"""Many teams' sandboxes in one process, each on a port of its own.

    python -m tests.teams --teams 20 --per-minute 30

Says their addresses as a JSON list in one line, then serves until it is ended. Team N's token is
`token_of(N)`; with `stray_token(N)` team N's sandbox says that the token is another team's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from runner.sandbox.api.http import Answer, Call, json_answer
from runner.sandbox.api.v2_shapes import team
from runner.sandbox.server import Sandbox


def token_of(number: int) -> str:
    """The token of a team."""
    return f"tok-team-{number:03d}-8c1d5e7f-never-to-be-seen"


def stray_token(number: int) -> str:
    """A token that is good at a team's sandbox, and of another team."""
    return f"stray-{number:03d}-4b7a9c2e-never-to-be-seen"


def _sandbox(number: int, per_minute: int | None, record: Path | None) -> Sandbox:
    sandbox = Sandbox(
        token=token_of(number),
        per_minute=per_minute,
        per_hour=None,
        per_day=None,
        seed=number,
        record=None if record is None else record / f"{number}.jsonl",
    )
    service, stray = sandbox.service, f"Bearer {stray_token(number)}"
    answer = service.answer

    async def answered(call: Call) -> Answer:
        if call.headers.get("Authorization") != stray:
            return await answer(call)
        if call.route == "/team":
            return json_answer(200, {**team("another-team"), "name": "Another Team"})
        own = {**call.headers, "Authorization": f"Bearer {token_of(number)}"}
        call.headers = own
        return await answer(call)

    setattr(service, "answer", answered)  # noqa: B010
    return sandbox


async def _serve(count: int, per_minute: int | None, record: Path | None) -> None:
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    async with AsyncExitStack() as stack:
        bases = [
            await stack.enter_async_context(_sandbox(number, per_minute, record).serve())
            for number in range(1, count + 1)
        ]
        sys.stdout.write(json.dumps(bases) + "\n")
        sys.stdout.flush()
        await ending.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=6)
    parser.add_argument("--per-minute", type=int)
    parser.add_argument("--record", type=Path, help="a folder for the lists of what was accepted")
    asked = parser.parse_args()
    asyncio.run(_serve(asked.teams, asked.per_minute, asked.record))


if __name__ == "__main__":
    main()
