"""The C programs of the benchmarks: built once, then started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import CLIENT_CORE, SERVER_CORE, Process, Stuck, on_core, run

HERE = Path(__file__).parent
FLAGS = {
    "sink": ["-O2"],
    "load": ["-O2"],
    "slow_sync.so": ["-O2", "-shared", "-fPIC"],
}


def compiler() -> str | None:
    """A C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def built(name: str, folder: Path) -> Path:
    """The program `name` (of `FLAGS`) in `folder`, compiled if its source is newer."""
    source, target = HERE / f"{name.removesuffix('.so')}.c", folder / name
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        command = compiler()
        if command is None:
            raise Stuck("the benchmarks need a C compiler: apt-get install gcc")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([command, *FLAGS[name], "-o", target, source], check=True)
    return target


def slow_sync(folder: Path, milliseconds: float) -> dict[str, str]:
    """The environment in which a process's syncs take so much longer."""
    if not milliseconds:
        return {}
    library = built("slow_sync.so", folder)
    return {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": str(milliseconds)}


@dataclass(frozen=True, slots=True)
class Times:
    """What the sink has seen: sends answered, and when the first came and the last was answered
    (monotonic seconds; 0 for never)."""

    count: int
    first: float
    last: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.count / (self.last - self.first)


@dataclass(frozen=True, slots=True)
class Sink:
    """A sink that runs at `base`."""

    base: str

    def _ask(self, what: str, timeout: float = 30.0) -> Times:
        with urllib.request.urlopen(f"{self.base}/sink/{what}", timeout=timeout) as answer:
            told = json.load(answer)
        return Times(told["count"], told["first"] / 1e9, told["last"] / 1e9)

    def reset(self, latency: float = 0.0) -> None:
        """Start counting again; answers take `latency` seconds from now on."""
        self._ask(f"reset?latency_us={latency * 1e6:.0f}")

    def times(self) -> Times:
        return self._ask("times")

    def first(self, sender: Process) -> Times:
        """Wait until something arrives from `sender`. Raises Stuck if it ends without."""
        while True:
            alive = sender.alive
            try:
                return self._ask("first", timeout=1.0)
            except TimeoutError:
                if not alive:
                    raise Stuck(f"nothing was sent: {sender.said[-1500:]}") from None


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    """A sink of one's own on the server's core."""
    words = [*on_core(SERVER_CORE), str(built("sink", folder / "bin"))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Sink(process.stdout.readline().strip())
        finally:
            process.kill()


def raw_load(sink: Sink, folder: Path, at_once: int, seconds: float) -> float:
    """Answers a second that the sink gives to a client that does nothing else."""
    port = sink.base.rpartition(":")[2]
    program = str(built("load", folder / "bin"))
    words = [program, port, "/api/v2/messages", str(at_once), str(seconds)]
    return float(run(words, folder, core=CLIENT_CORE).out)


def python_module(name: str) -> tuple[list[str], dict[str, str]]:
    """The words that start a module of the benchmarks, and the environment in which it is found."""
    return [sys.executable, "-m", name], {"PYTHONPATH": str(HERE.parent)}


def disk_sync(folder: Path, rounds: int = 100) -> list[float]:
    """Seconds that a sync after 4 KB more takes, each of `rounds`."""
    took = []
    file = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(rounds):
            os.write(file, bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file)
            took.append(time.perf_counter() - began)
    finally:
        os.close(file)
        os.unlink(folder / "sync")
    return took
