"""Run the fuzz for as long as told; exit 1 with the first failing case."""

# ruff: noqa: T201  # a command: it tells
from __future__ import annotations

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from types import FrameType

from tests.fuzz.kinds import KINDS, luck_of

PATIENCE = 10
"""Seconds that one case may take."""
MEMORY = 4 << 30


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"took longer than {PATIENCE} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--go-on", action="store_true", help="count failures by where they are")
    told = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    # As in the program, and unlike in the tests: a warning is no failure.
    warnings.simplefilter("ignore")
    kinds = told.kind or list(KINDS)
    counts: Counter[tuple[str, str]] = Counter()
    slowest: dict[str, tuple[float, int]] = dict.fromkeys(kinds, (0.0, 0))
    failures: Counter[str] = Counter()
    end = time.monotonic() + told.seconds
    number = 0 if told.case is None else told.case
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        while time.monotonic() < end:
            for kind in kinds:
                began = time.monotonic()
                # A loop inside C does not see the alarm: then this ends it, and shows where.
                faulthandler.dump_traceback_later(6 * PATIENCE, exit=True)
                signal.alarm(PATIENCE)
                try:
                    outcome = KINDS[kind](luck_of(told.seed, kind, number), Path(name))
                except Exception as error:
                    outcome = "FAILED"
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    place = f"{kind} {type(error).__name__} {where.filename}:{where.lineno}"
                    if not failures[place]:
                        print(f"\n{kind} case {number} (seed {told.seed})", file=sys.stderr)
                        traceback.print_exc(limit=-8)
                    failures[place] += 1
                signal.alarm(0)
                counts[kind, outcome] += 1
                slowest[kind] = max(slowest[kind], (time.monotonic() - began, number))
                if outcome == "FAILED" and not told.go_on:
                    end = 0
                    break
            if told.case is not None:
                break
            number += 1
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{count:9,} {kind}: {outcome}")
    for kind, (seconds, case) in slowest.items():
        print(f"{seconds:9.2f} s was the slowest of {kind}, case {case}")
    for place, count in failures.most_common():
        print(f"{count:9,} failed: {place}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
