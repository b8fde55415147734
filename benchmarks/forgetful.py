"""A sandbox for more messages than it could hold: from time to time another takes its place."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import SERVER_CORE, on_core
from benchmarks.projects import TOKEN

NO_LIMITS = ("--per-minute", "none", "--per-hour", "none", "--per-day", "none", "--no-specials")

AWAY = 2
"""Seconds for which it is gone, and a second for so many messages that it remembers:"""

RESTORED_A_SECOND = 15_000


@dataclass(slots=True)
class Forgetful:
    """The sandbox as a process. It holds some 5 KB of each message, which in an hour would be tens
    of gigabytes; one that takes its place remembers the last `tail`, by the record of the former.
    `people`: whom each accepted message was for, by its own record; `hits`: faults."""

    folder: Path
    words: Sequence[str]
    tail: int
    people: array[int] = field(default_factory=lambda: array("Q"))
    hits: Counter[str] = field(default_factory=Counter)
    times: int = 0  # it was started
    base: str = ""
    _last: deque[bytes] = field(default_factory=deque)
    _place: int = 0  # in the record
    _process: subprocess.Popen[str] | None = None

    @property
    def _record(self) -> Path:
        return self.folder / "accepted.jsonl"

    def start(self) -> None:
        """Start it, where the one before it was."""
        self._record.write_bytes(b"".join(self._last))
        self._place = self._record.stat().st_size
        port = self.base.rpartition(":")[2] or "0"
        # With a seed of its own, or it would give out the ids of what it does not remember again.
        words = ["--token", TOKEN, "--port", port, "--seed", str(self.times)]
        words += ["--record", str(self._record), *NO_LIMITS, *self.words]
        self._process = subprocess.Popen(
            [*on_core(SERVER_CORE), sys.executable, "-m", "runner.sandbox", *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base = self._process.stdout.readline().split()[-1]
        self.times += 1

    def stop(self) -> None:
        """End it, and count what it had accepted."""
        if self._process is None:
            return
        told = self._ask("requests")
        self.hits.update(told["faults"])
        self._process.terminate()
        self._process.communicate()
        self._process = None
        self.count()

    def replace(self) -> None:
        """Let another take its place, while senders are told to wait."""
        wait = AWAY + self.tail // RESTORED_A_SECOND
        before = self._limited()
        self.only(f"rate_limit:retry_after={wait},on=any")
        told = time.monotonic()
        while self._limited() == before and time.monotonic() < told + wait:
            time.sleep(0.01)
        time.sleep(AWAY / 4)  # what was under way is answered
        self.stop()
        self.start()

    def only(self, *rules: str) -> None:
        """Put other faults in force."""
        self._ask("faults", json.dumps({"faults": rules}).encode())

    def _limited(self) -> int:
        limited: int = self._ask("requests")["limited"]
        return limited

    def count(self) -> int:
        """How many messages have been accepted, by the record."""
        with self._record.open("rb") as record:
            record.seek(self._place)
            for line in record:
                if not line.endswith(b"\n"):
                    break
                self._place += len(line)
                self._last.append(line)
                self.people.append(int(json.loads(line)["person"]))
        while len(self._last) > self.tail:
            self._last.popleft()
        return len(self.people)

    def _ask(self, what: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.base}/sandbox/{what}", body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            told: dict[str, Any] = json.load(answer)
            return told


@contextmanager
def forgetful(folder: Path, words: Sequence[str], tail: int) -> Iterator[Forgetful]:
    """One that runs, and does not outlive this."""
    folder.mkdir(parents=True, exist_ok=True)
    api = Forgetful(folder, words, tail)
    api.start()
    try:
        yield api
    finally:
        api.stop()
