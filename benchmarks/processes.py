"""Processes and what they cost: time, processor, memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SCRIPT = Path(sys.executable).with_name("run-campaign")
RUN_CAMPAIGN = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "runner"]
PATIENCE = 900.0
"""Seconds after which a process counts as stuck."""

TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, CLIENT_CORE = 0, 1


class Stuck(Exception):
    """A process did not do what it was started for; `str()` says which, and its last words."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process came to. Seconds; `peak` in megabytes, and never below that of its parent."""

    code: int
    seconds: float
    cpu: float
    peak: float
    out: str


@dataclass(slots=True)
class Process:
    """A process that runs."""

    words: Sequence[str]
    popen: subprocess.Popen[bytes]
    began: float  # monotonic
    output: Path

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a waiting process still learns what it cost."""
        if self.popen.returncode is not None:
            return False
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.popen.pid, ended) is None

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def cpu(self) -> float:
        """Processor seconds so far, of all its threads."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    @contextmanager
    def or_killed(self) -> Iterator[Self]:
        """Not left behind, whatever goes wrong meanwhile."""
        try:
            yield self
        finally:
            self.kill()

    def kill(self) -> None:
        """End it as a crash would, and wait for that."""
        with suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def wait(self, code: int = 0) -> Ran:
        """Until it ends, which it has to do with `code`."""
        deadline = time.monotonic() + PATIENCE
        timer = 0.001
        while True:
            pid, status, usage = os.wait4(self.popen.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                self.kill()
                raise Stuck(f"{' '.join(self.words)} does not end: {self.said[-500:]}")
            time.sleep(timer)
            timer = min(timer * 1.2, 0.02)
        seconds = time.monotonic() - self.began
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        if self.popen.returncode != code:
            told = f"{' '.join(self.words)} ended with {self.popen.returncode}"
            raise Stuck(f"{told}: {self.said[-1500:]}")
        cpu = usage.ru_utime + usage.ru_stime
        return Ran(self.popen.returncode, seconds, cpu, usage.ru_maxrss / 1024, self.said)


def start(
    words: Sequence[str | Path],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    core: int | None = None,
    name: str = "output",
) -> Process:
    """Start a process in `folder`, which keeps what it says; on one core if there are two."""
    output = folder / f"{name}.txt"
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    command = [*on_core(core), *map(str, words)]
    with output.open("wb") as out:
        began = time.monotonic()
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env=plain | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Process(command, popen, began, output)


def run(
    words: Sequence[str | Path],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    core: int | None = None,
    code: int = 0,
) -> Ran:
    """Run a process to its end."""
    with start(words, folder, env=env, core=core).or_killed() as process:
        return process.wait(code)


def on_core(core: int | None) -> list[str]:
    """What pins a command to a core, where there is a second one for its other side."""
    if core is None or (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "--cpu-list", str(core)]
