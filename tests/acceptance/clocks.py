"""Clocks of child processes, and where one freezes: see `freezing/`."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.acceptance.support import Running, until

FREEZING = Path(__file__).with_name("freezing")


BEFORE_THE_BODY = "runner.channels.request_body:RequestBody.write"


class Clocks:
    """The clocks of the children that get `env`, and the point at which one of them freezes."""

    def __init__(self, folder: Path, point: str = "") -> None:
        self.file = folder / "clocks"
        self.marker = folder / "freeze"
        self.env = {"PYTHONPATH": str(FREEZING), "CLOCKS": str(self.file)}
        if point:
            self.env |= {"FREEZE": point, "FREEZE_IF": str(self.marker)}
            self.marker.touch()
        self.set()

    def set(self, wall: float = 0.0, boot: float = 0.0) -> None:
        new = self.file.with_name("clocks.new")
        new.write_text(f"{wall} {boot}")
        new.replace(self.file)


def wait_until_frozen(running: Running) -> None:
    def is_stopped() -> bool:
        assert running.process.poll() is None, running.out
        words = ["ps", "-o", "stat=", "-p", str(running.process.pid)]
        shown = subprocess.run(words, capture_output=True, text=True, check=True)
        return shown.stdout.startswith("T")

    until(is_stopped, "the process to stop")


def wake(running: Running) -> None:
    running.process.send_signal(signal.SIGCONT)
