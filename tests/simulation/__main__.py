"""Play histories.

python -m tests.simulation --histories 5000 --seed 1           many; figures, and every failure
python -m tests.simulation --seed 1234 --version v1 --verbose  one, with its story
python -m tests.simulation --steps --histories 5000            of follow-ups
python -m tests.simulation --replies --histories 5000          of what people answer
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.simulation.history import History
from tests.simulation.judge import Broken
from tests.simulation.replies import ReplyHistory
from tests.simulation.steps import StepHistory

OF = {"v2 with steps": StepHistory, "v2 with replies": ReplyHistory}
STEPS, REPLIES = OF


def _play(task: tuple[int, str, bool]) -> tuple[Counter[str], str, list[str]]:
    """One history: its figures, what was broken, its story."""
    seed, version, verbose = task
    history = OF.get(version, History)(seed, version, verbose)
    figures: Counter[str] = Counter()
    broken = ""
    try:
        figures.update(history.play())
    except Broken as failure:
        broken = str(failure)
    return figures, broken, list(history.world.story or ())


def _quick() -> None:
    gc.freeze()
    gc.set_threshold(50_000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--histories", type=int, default=1)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2")
    parser.add_argument("--verbose", action="store_true", help="print the story of each")
    parser.add_argument("--steps", action="store_true", help="of a campaign with follow-ups")
    parser.add_argument("--replies", action="store_true", help="of people who answer")
    asked = parser.parse_args()
    version = STEPS if asked.steps else REPLIES if asked.replies else asked.version
    tasks = [
        (seed, version, asked.verbose) for seed in range(asked.seed, asked.seed + asked.histories)
    ]
    began = time.perf_counter()
    figures: Counter[str] = Counter()
    broken: list[str] = []

    def tell(played: Iterable[tuple[Counter[str], str, list[str]]]) -> None:
        for counted, failure, story in played:
            figures.update(counted)
            broken.extend([failure] if failure else [])
            sys.stdout.writelines(f"{line}\n" for line in story)

    if asked.histories < 100:
        tell(map(_play, tasks))
    else:
        with multiprocessing.Pool(os.cpu_count(), _quick) as pool:
            tell(pool.imap(_play, tasks, chunksize=20))
    seconds = time.perf_counter() - began
    sys.stdout.writelines(f"BROKEN {failure}\n" for failure in broken)
    sys.stdout.write(
        f"{asked.histories} histories of {version}, {len(broken)} broken, "
        f"{asked.histories / seconds * 60.0:.0f} a minute on {os.cpu_count()} processors\n"
    )
    for name, count in sorted(figures.items()):
        sys.stdout.write(f"  {name}: {count}\n")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
