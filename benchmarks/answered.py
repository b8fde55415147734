"""A sandbox whose people have answered: `python -m benchmarks.answered FIRST ANSWERS OTHERS FILE`.
Writes each person's thread and the feed's place before their answers into FILE, and serves until it
is ended."""

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


STRANGERS = 10_000_000
"""The row from which on people are in no campaign."""


def answered(first: int, answers: int, others: int, file: Path) -> Sandbox:
    """Make a sandbox in which `answers` people from row `first` on have answered, and `others` who
    were never written to have written."""
    sandbox = Sandbox(per_minute=None, per_hour=None, per_day=None, token=TOKEN, specials={})
    people = [row_of(first + number)[0] for number in range(answers)]
    strangers = [row_of(STRANGERS + number)[0] for number in range(others)]
    threads = {id: sandbox.receive(LINK, id, "Hello").thread.id for id in [*people, *strangers]}
    feed = sandbox.service.store.feed
    newest = sandbox.service.store.events_after(0, time.time())[-1].seq
    feed.tear()  # of what was said before our messages
    for number, id in enumerate([*people, *strangers]):
        sandbox.receive(LINK, id, "stop" if number % ONE_IN == 0 else "Sounds good")
    told = {id: threads[id] for id in people}
    file.write_text(json.dumps({"cursor": newest, "threads": told}))
    return sandbox


def main() -> None:
    *counts, file = sys.argv[1:]
    first, answers, others = map(int, counts)
    sandbox = answered(first, answers, others, Path(file))
    asyncio.run(serve_forever(sandbox, "127.0.0.1", 0, lambda base: print(base, flush=True)))


if __name__ == "__main__":
    main()
