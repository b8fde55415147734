"""Play histories.

python -m tests.simulation --histories 5000 --seed 1           many; figures, and every failure
python -m tests.simulation --seed 1234 --version v1 --verbose  one, with its story
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter

from tests.simulation.history import History
from tests.simulation.judge import Broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--histories", type=int, default=1)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2")
    parser.add_argument("--verbose", action="store_true", help="print the story of each")
    asked = parser.parse_args()
    figures: Counter[str] = Counter()
    broken: list[str] = []
    gc.freeze()
    gc.set_threshold(50_000)
    began, worked = time.perf_counter(), time.process_time()
    for seed in range(asked.seed, asked.seed + asked.histories):
        history = History(seed, asked.version, asked.verbose)
        try:
            figures.update(history.play())
        except Broken as failure:
            broken.append(str(failure))
        for line in history.world.story or ():
            sys.stdout.write(f"{line}\n")
    seconds = time.perf_counter() - began
    for told in broken:
        sys.stdout.write(f"BROKEN {told}\n")
    of_cpu = time.process_time() - worked
    sys.stdout.write(
        f"{asked.histories} histories of {asked.version}, {asked.histories / seconds * 60.0:.0f} a "
        f"minute, {asked.histories / of_cpu * 60.0:.0f} a minute of processor time\n"
    )
    for name, count in sorted(figures.items()):
        sys.stdout.write(f"  {name}: {count}\n")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
