"""`make bench`: measure, and write the tables of docs/performance.md and docs/many-machines.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    dry_run,
    endurance,
    instructions,
    lanes,
    machine,
    paced,
    rehearsal,
    replies,
    rivals,
    scale,
    sending,
    startup,
    workers,
)
from benchmarks.figures import put
from benchmarks.tools import Sink, sink

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"

Part = Callable[[Sink, Path, argparse.Namespace], str]

PARTS: dict[str, Part] = {
    "sending": lambda sink, folder, said: sending.measure(
        sink, folder, said.rounds, said.seconds, tell
    ),
    "rivals": lambda sink, folder, said: rivals.measure(
        sink, folder, said.rounds, said.seconds, said.people, tell
    ),
    "scale": lambda sink, folder, said: scale.measure(
        sink, folder, [size for size in scale.SIZES if size <= said.rows], said.rounds, tell
    ),
    "dry_run": lambda sink, folder, said: dry_run.measure(
        sink, folder, [size for size in dry_run.SIZES if size <= said.rows], said.rounds, tell
    ),
    "startup": lambda sink, folder, said: startup.measure(sink, folder, 15, tell),
    "idle": lambda sink, folder, said: startup.idle(sink, folder, 4 * said.seconds, tell),
    "rehearsal": lambda sink, folder, said: rehearsal.measure(sink, folder, said.rounds, tell),
    "replies": lambda _, folder, said: replies.measure(
        folder, said.rows, replies.EVENTS, replies.ANSWERS, tell
    ),
    "endurance": lambda _, folder, said: endurance.measure(folder, said.minutes, tell),
    "workers": lambda sink, folder, said: workers.measure(
        sink, folder, said.rounds, said.seconds, tell
    ),
    "lanes": lambda sink, folder, said: lanes.measure(sink, folder, said.minutes, tell),
    "paced": lambda sink, folder, said: paced.measure(
        sink, folder, said.rounds, said.seconds, tell
    ),
    "instructions": lambda sink, folder, _: instructions.measure(sink, folder, tell),
}

WHEN_NAMED = ("replies", "endurance", "workers", "lanes", "paced", "instructions")
"""Parts that take too long, or need too much, to be run with all the others."""

MANY_MACHINES = ROOT / "docs" / "many-machines.md"
PAGES = {"workers": MANY_MACHINES, "lanes": MANY_MACHINES}
"""Where parts stand that are not on `PAGE`."""


def tell(line: str) -> None:
    """How far it is, for a person who waits."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each sender's run, about")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the largest campaign")
    parser.add_argument("--people", type=int, default=1_000, help="of campaigns that are killed")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of endurance, and of lanes up to ten"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / ".bench", help="on the disk to use")
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    said = parser.parse_args(words)
    unknown = set(said.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return said


def main() -> None:
    said = arguments()
    said.folder.mkdir(parents=True, exist_ok=True)

    def show(name: str, block: str) -> None:
        print(f"\n{name}\n\n{block}", flush=True)
        if not said.print:
            put(PAGES.get(name, PAGE), name, block)

    parts = said.parts or [part for part in PARTS if part not in WHEN_NAMED]
    if not set(parts) <= set(PAGES):
        show("machine", machine.describe(said.folder))
    with sink(said.folder) as running:
        for name in parts:
            show(name, PARTS[name](running, said.folder, said))


if __name__ == "__main__":
    main()
