"""Ctrl-C while `status --watch` waits."""

from __future__ import annotations

import subprocess
import sys

TRIES = 8
"""Each interrupts a wait somewhere else. Of those that wait by an Event two in five hang."""

PRESSED = """
import signal, threading
from runner.cli.watch import Interrupt

interrupt = Interrupt()
threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
while not interrupt.comes_within(0):
    pass
assert interrupt.comes_within(0)
"""

TWICE = """
import signal
from runner.cli.watch import Interrupt

Interrupt()
signal.raise_signal(signal.SIGINT)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("raised")
"""


def test_ctrl_c_is_heard_wherever_a_wait_is() -> None:
    every = [subprocess.Popen([sys.executable, "-c", PRESSED]) for _ in range(TRIES)]
    try:
        assert [each.wait(60) for each in every] == [0] * TRIES
    finally:
        for each in every:
            each.kill()
            each.wait()


def test_the_second_ctrl_c_ends_a_read() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "raised\n"
