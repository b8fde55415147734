"""Play histories.

python -m tests.simulation --histories 5000 --seed 1           many; figures, and every failure
python -m tests.simulation --seed 1234 --version v1 --verbose  one, with its story
python -m tests.simulation --steps --histories 5000            of follow-ups
python -m tests.simulation --steps --histories 10000 --log steps.jsonl   stopped by Ctrl-C, and
                                                               gone on with by the same command
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.history import History
from tests.simulation.judge import Broken
from tests.simulation.steps import StepHistory

OF = {"v2 with steps": StepHistory}
(STEPS,) = OF

TOLD_EVERY = 60.0
"""Seconds between two lines that tell how far it is."""


@dataclass(frozen=True, slots=True)
class Played:
    """One history: its figures, what was broken, its story, and its seconds of processor."""

    version: str
    seed: int
    figures: Counter[str]
    broken: str
    seconds: float
    story: list[str]


@dataclass(slots=True)
class Tally:
    """The histories of one version that were played, now and, by the log, before."""

    version: str
    figures: Counter[str] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)
    seeds: set[int] = field(default_factory=set)
    seconds: float = 0.0

    def add(self, seed: int, figures: Counter[str], broken: str, seconds: float) -> None:
        self.seeds.add(seed)
        self.figures.update(figures)
        self.seconds += seconds
        if broken:
            self.broken[seed] = broken

    def read(self, log: Path) -> None:
        """Take over what the log has of this version; a line that was cut off is none."""
        for line in log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if found["version"] == self.version and found["seed"] not in self.seeds:
                    told = Counter(found["figures"]), found["broken"], found["seconds"]
                    self.add(found["seed"], *told)

    def line(self) -> str:
        each = self.seconds / len(self.seeds) if self.seeds else 0.0
        return (
            f"{len(self.seeds)} histories of {self.version}, {len(self.broken)} broken, "
            f"{each:.2f} s of processor each"
        )


def _play(task: tuple[int, str, bool]) -> Played:
    seed, version, verbose = task
    began = time.process_time()
    history = OF.get(version, History)(seed, version, verbose)
    figures: Counter[str] = Counter()
    broken = ""
    try:
        figures.update(history.play())
    except Broken as failure:
        broken = str(failure)
    except Exception as error:  # a mistake of the simulation is a failure too
        broken = f"{version} seed {seed}: {type(error).__name__}: {error}"
    story = list(history.world.story or ())
    return Played(version, seed, figures, broken, time.process_time() - began, story)


def _quick() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(50_000)


def _played(tasks: list[tuple[int, str, bool]], jobs: int) -> Iterator[Played]:
    if jobs == 1:
        yield from map(_play, tasks)
        return
    with multiprocessing.Pool(jobs, _quick) as pool:
        yield from pool.imap_unordered(_play, tasks, chunksize=5)


def _tell(tally: Tally, played: Iterable[Played], log: Path | None) -> None:
    """Count what is played, write it down, and tell of it now and then."""
    told = time.monotonic()
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(log.open("a")) if log else None
        for each in played:
            tally.add(each.seed, each.figures, each.broken, each.seconds)
            sys.stdout.writelines(f"{line}\n" for line in each.story)
            if each.broken:
                sys.stdout.write(f"BROKEN {each.broken}\n")
            if kept is not None:
                entry = {
                    "version": each.version,
                    "seed": each.seed,
                    "broken": each.broken,
                    "seconds": round(each.seconds, 3),
                    "figures": each.figures,
                }
                kept.write(json.dumps(entry) + "\n")
                kept.flush()
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                sys.stdout.write(tally.line() + "\n")
            sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--histories", type=int, default=1)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2")
    parser.add_argument("--verbose", action="store_true", help="print the story of each")
    parser.add_argument("--steps", action="store_true", help="of a campaign with follow-ups")
    parser.add_argument("--jobs", type=int, help="processes; as many as there are processors")
    parser.add_argument("--log", type=Path, help="a line for each; what it has is not played again")
    asked = parser.parse_args()
    tally = Tally(STEPS if asked.steps else asked.version)
    if asked.log is not None and asked.log.exists():
        tally.read(asked.log)
    seeds = range(asked.seed, asked.seed + asked.histories)
    tasks = [(seed, tally.version, asked.verbose) for seed in seeds if seed not in tally.seeds]
    jobs = asked.jobs or (1 if len(tasks) < 100 else os.cpu_count() or 1)
    began, before = time.perf_counter(), len(tally.seeds)
    with contextlib.suppress(KeyboardInterrupt):
        _tell(tally, _played(tasks, jobs), asked.log)
    minutes = (time.perf_counter() - began) / 60.0
    rate = f"{(len(tally.seeds) - before) / minutes:.0f} a minute with {jobs} processes"
    sys.stdout.write(f"{tally.line()}; {rate}\n")
    for seed, broken in sorted(tally.broken.items()):
        sys.stdout.write(f"  BROKEN {seed}: {broken}\n")
    for name, count in sorted(tally.figures.items()):
        sys.stdout.write(f"  {name}: {count}\n")
    return bool(tally.broken)


if __name__ == "__main__":
    sys.exit(main())
