"""Starts the program's commands from a process that has all modules loaded already.

A command costs nearly a second of processor, and all but a twentieth of that is imports. The fork
server imports once; each command is then a fork of it: a process of its own, with its own pid,
session, environment, streams, signals and end, that runs the entry point of the installed script.
`tests/acceptance/test_processes.py` holds it to the installed script.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sys.executable).with_name("run-campaign")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "runner"]
LOCALE = {"LC_ALL": "C.UTF-8"}
NUMBER = struct.Struct("i")
READY = b"ready"

_KNOWN = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING"}
"""Variables that a fork can still obey, of those that Python and aiohttp read as they load."""


class Forked:
    """A process that the fork server has started: what tests use of `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], status: int, stdout: IO[str] | None) -> None:
        self.args = words
        self.stdout = stdout
        self.returncode: int | None = None
        self._status = status
        self.pid = self._read()

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.stdout is not None:
            self.stdout.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, if it has ended; minus the signal that ended it."""
        return self._ended_within(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end: the exit code. Raises subprocess.TimeoutExpired after `timeout` s."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            watching = select.poll()
            watching.register(self._status, select.POLLIN)
            if watching.poll(None if seconds is None else max(0.0, seconds) * 1000):
                self.returncode = self._read()
                os.close(self._status)
        return self.returncode

    def _read(self) -> int:
        data = os.read(self._status, NUMBER.size)
        if len(data) < NUMBER.size:
            raise RuntimeError("the fork server has ended")
        found: int = NUMBER.unpack(data)[0]
        return found


Process = subprocess.Popen[str] | Forked


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: int | IO[str] = subprocess.DEVNULL,
    stdout: int | IO[str] | None = None,
    stderr: int | IO[str] | None = None,
    terminal: bool = False,
) -> Process:
    """Start a command in a session of its own. `terminal`: stdin is its controlling terminal.

    The program and its sandbox are forked where their environment allows it; anything else is
    started as it is.
    """
    if _is_forked(words, env):
        return _the_server().fork(
            words, cwd=cwd, env=env, streams=(stdin, stdout, stderr), terminal=terminal
        )
    if terminal:
        words = [sys.executable, "-S", "-c", OWN_TERMINAL, *words]
    return subprocess.Popen(
        list(words), cwd=cwd, env=dict(env), stdin=stdin, stdout=stdout, stderr=stderr, text=True,
        start_new_session=True,
    )  # fmt: skip


OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Become a program whose terminal is stdin, so that Ctrl-C and a new size come to it."""


def _is_forked(words: Sequence[str], env: Mapping[str, str]) -> bool:
    if list(words[: len(COMMAND)]) != COMMAND and list(words[:2]) != [sys.executable, "-m"]:
        return False
    speaks = {name: value for name, value in env.items() if name.startswith(("LC_", "LANG"))}
    early = {name for name in env if name.startswith(("PYTHON", "SSL_"))}
    return speaks == LOCALE and early <= _KNOWN


class ForkServer:
    """The process that forks; it ends with the process that has made this."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
            cwd=ROOT,
            # One thread: a fork takes none of the others along.
            env=LOCALE | {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        if self._control.recv(len(READY)) != READY:
            raise RuntimeError("the fork server did not start")

    def close(self) -> None:
        """End it; what it has started goes on."""
        self._control.close()
        self.process.wait()

    def fork(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        streams: Sequence[int | IO[str] | None],
        terminal: bool = False,
    ) -> Forked:
        """Start a process with these words, as if they had been given to a shell."""
        module = words[2] if list(words[:2]) == [sys.executable, "-m"] else ""
        request = {
            "words": list(words[3:] if module else words[len(COMMAND) :]),
            "module": module,
            "script": COMMAND[0],
            "cwd": str(cwd),
            "env": dict(env),
            "terminal": terminal,
        }
        reading, ours = os.pipe()
        opened = [ours]
        out: IO[str] | None = None
        passed = []
        for number, stream in enumerate(streams):
            if stream is None:
                passed.append(number)
            elif stream == subprocess.DEVNULL:
                opened.append(os.open(os.devnull, os.O_RDWR))
                passed.append(opened[-1])
            elif stream == subprocess.STDOUT:
                passed.append(passed[1])
            elif stream == subprocess.PIPE:
                assert number == 1, "only its output is read from a pipe"
                far, near = os.pipe()
                out = os.fdopen(far, encoding="utf-8")
                opened.append(near)
                passed.append(near)
            else:
                passed.append(stream if isinstance(stream, int) else stream.fileno())
        data = json.dumps(request).encode()
        fds = array.array("i", [*passed, ours])
        try:
            with self._lock:
                self._control.sendmsg(
                    [NUMBER.pack(len(data))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
                )
                self._control.sendall(data)
                return Forked(words, reading, out)
        finally:
            for each in opened:
                os.close(each)


_server: list[ForkServer] = []
_starting = threading.Lock()


def _the_server() -> ForkServer:
    """This process's own, started when it is first needed."""
    with _starting:
        if not _server:
            _server.append(ForkServer())
        return _server[0]


def close() -> None:
    """End this process's fork server, if it has one."""
    while _server:
        _server.pop().close()
