"""A sandbox whose people have answered: `python -m benchmarks.answered FIRST COUNT FILE`. Writes
each person's thread and the feed's place before their answers into FILE, and serves until it is
ended."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from benchmarks.projects import LINK, TOKEN, row_of
from runner.sandbox.server import Sandbox, serve_forever

ONE_IN = 20
"""Of so many answers one is an opt-out."""


def answered(first: int, count: int, file: Path) -> Sandbox:
    """Make a sandbox in which `count` people from row `first` on have answered."""
    sandbox = Sandbox(per_minute=None, per_hour=None, per_day=None, token=TOKEN, specials={})
    people = [row_of(first + number)[0] for number in range(count)]
    threads = {id: sandbox.receive(LINK, id, "Hello").thread.id for id in people}
    feed = sandbox.service.store.feed
    newest = sandbox.service.store.events_after(0, time.time())[-1].seq
    feed.tear()  # of what was said before our messages
    for number, id in enumerate(people):
        sandbox.receive(LINK, id, "stop" if number % ONE_IN == 0 else "Sounds good")
    file.write_text(json.dumps({"cursor": newest, "threads": threads}))
    return sandbox


def main() -> None:
    first, count, file = sys.argv[1:]
    sandbox = answered(int(first), int(count), Path(file))
    asyncio.run(serve_forever(sandbox, "127.0.0.1", 0, lambda base: print(base, flush=True)))


if __name__ == "__main__":
    main()
