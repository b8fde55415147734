"""Ctrl-C while `status --watch` waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

TRIES = 8
"""Each interrupts a wait somewhere else. Of those that wait by an Event two in five hang."""

PRESSED = """
import os, signal, sys, threading
from runner.cli.watch import Interrupt

tries = []
for _ in range(int(sys.argv[1])):
    if (pid := os.fork()) == 0:
        interrupt = Interrupt()
        press = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        press.start()
        while not interrupt.comes_within(0):
            pass
        assert interrupt.comes_within(0)
        sys.exit()
    tries.append(pid)
print(*(os.waitpid(pid, 0)[1] for pid in tries))
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


@pytest.mark.slow
def test_ctrl_c_is_heard_wherever_a_wait_is() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRESSED, str(TRIES)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as tries:
        try:
            assert tries.communicate(timeout=60)[0].split() == ["0"] * TRIES
        finally:
            with suppress(ProcessLookupError):
                os.killpg(tries.pid, signal.SIGKILL)


def test_the_second_ctrl_c_ends_a_read() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "raised\n"
