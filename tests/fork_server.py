"""`python -m tests.fork_server FD`: imports the program once and forks a process for each request
that comes by the socket FD, until that closes. See `tests/processes.py`."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Any

from tests import compiled_statements
from tests.processes import NUMBER, READY

ALSO = (
    "aiohttp.web", "filelock", "procrastinate", "psycopg", "pygal",
    "rich.live", "rich.progress", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite", "starlette.applications", "uvicorn",
)  # fmt: skip
"""What the program loads by name, or only when it is needed."""


CAMPAIGN = """
api: {version: v2}
senders:
  - df6jbw4h36qm5d9iu2sgn7kx
prospects: people.csv
message: "Hi {{ first_name }}"
"""
SHEET = """
x_user_id,first_name
900000000001111,Ada
900000000002222,Bela
"""


def preload() -> None:
    """Import all modules of the program but those that run when they are imported, and the one
    that brings pandas: that starts a thread."""
    package = importlib.import_module("runner")
    for found in pkgutil.walk_packages(package.__path__, "runner."):
        if not found.name.endswith(("__main__", ".tables.parquet")):
            importlib.import_module(found.name)
    for name in ALSO:
        importlib.import_module(name)


def rehearse() -> None:
    """Run a campaign against the sandbox in this process, and look at a ledger: what a first
    command makes once, such as compiled statements, each fork then has already."""
    app, invocation = (importlib.import_module(f"runner.cli.{n}") for n in ("app", "invocation"))
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        os.environ["HOME"] = folder
        campaign, state = Path(folder, "campaign.yaml"), str(Path(folder, "state.db"))
        campaign.write_text(CAMPAIGN.lstrip())
        Path(folder, "people.csv").write_text(SHEET.lstrip())
        for words in (
            [str(campaign), "--sandbox", "--yes"],
            ["suppress", "add", "5", "--state", state],
            ["status", "--state", state],
        ):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = app.commands.main(
                    words, standalone_mode=False, obj=invocation.Invocation(words)
                )
            if code:
                sys.exit(f"{words} ended with {code}: {said.getvalue()}")
    os.environ.clear()
    os.environ.update(before)


class Server:
    """Forks for each request, and says how each process ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._statuses: dict[int, int] = {}  # pid -> where its end is told

    def serve(self) -> tuple[dict[str, Any], list[int]] | None:
        """Serve until the socket closes; in a new process, give what it is to become."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        watching = select.poll()
        watching.register(self._control, select.POLLIN)
        watching.register(reading, select.POLLIN)
        while True:
            for handle, _ in watching.poll():
                if handle == reading:
                    with contextlib.suppress(BlockingIOError):
                        os.read(reading, 4096)
                    self._reap()
                    continue
                data, fds, _, _ = socket.recv_fds(self._control, NUMBER.size, 4)
                if not data:
                    return None
                request = json.loads(self._receive(NUMBER.unpack(data)[0]))
                pid = os.fork()
                if pid == 0:
                    return request, fds
                for each in fds[:3]:
                    os.close(each)
                self._statuses[pid] = fds[3]
                os.write(fds[3], NUMBER.pack(pid))

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._control.recv(size - len(data))
            if not part:
                raise SystemExit(0)  # whoever asked was killed
            data += part
        return data

    def _reap(self) -> None:
        while self._statuses:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            pipe = self._statuses.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(pipe, NUMBER.pack(os.waitstatus_to_exitcode(status)))
            os.close(pipe)


def become(request: dict[str, Any], fds: list[int]) -> None:
    """Be the process that was asked for; ends in SystemExit as that does."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in range(3):
        os.dup2(fds[number], number)
    os.closerange(3, 4096)
    if request["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    tempfile.tempdir = None
    _open_streams()
    if "PYTHONPATH" in request["env"]:
        _let_change(request["env"]["PYTHONPATH"].split(os.pathsep))
    module = request["module"]
    sys.argv = [request["script"], *request["words"]]
    if module:
        sys.path[0] = os.getcwd()
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    sys.path[0] = str(Path(request["script"]).parent)
    from runner.__main__ import main  # noqa: PLC0415

    main()


def _open_streams() -> None:
    """Streams as an interpreter opens them: a terminal by lines, errors always so."""
    encoding, _, handler = os.environ.get("PYTHONIOENCODING", "").partition(":")
    ways = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    for number, (name, mode) in enumerate(ways):
        old = getattr(sys, f"__{name}__")
        errors = handler or ("strict" if encoding else old.errors)
        raw = open(number, mode + "b", -1, closefd=False)  # noqa: SIM115
        stream = io.TextIOWrapper(
            raw,
            encoding=encoding or old.encoding,
            errors=old.errors if name == "stderr" else errors,
            line_buffering=name == "stderr" or os.isatty(number),
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _let_change(folders: list[str]) -> None:
    """Let a test's `sitecustomize` change the program: who has imported a function by its name
    before gets the changed one, as if it had been imported only now."""
    names = [name for name in sys.modules if name.partition(".")[0] in ("runner", "time")]
    before = {name: dict(vars(sys.modules[name])) for name in names}
    sys.modules.pop("sitecustomize", None)
    sys.path[1:1] = folders
    importlib.invalidate_caches()
    importlib.import_module("sitecustomize")
    changed = {
        id(old): vars(sys.modules[name])[key]
        for name, values in before.items()
        for key, old in values.items()
        if callable(old) and vars(sys.modules[name]).get(key) is not old
    }
    for name, values in before.items():
        for key, old in values.items():
            if id(old) in changed:
                setattr(sys.modules[name], key, changed[id(old)])


def main() -> None:
    """Serve; in a new process, run what was asked for."""
    control = socket.socket(fileno=int(sys.argv[1]))
    compiled_statements.share()
    preload()
    rehearse()
    tasks = Path("/proc/self/task")
    if tasks.exists() and len(list(tasks.iterdir())) > 1:
        sys.exit("a module has started a thread while it was imported: no fork is safe")
    gc.collect()
    gc.freeze()
    control.sendall(READY)
    if (found := Server(control).serve()) is not None:
        try:
            become(*found)
        except SystemExit as ended:
            _end_at_once(ended.code)
            raise
        _end_at_once(None)


def _end_at_once(code: object) -> None:
    """End as an interpreter does, but for taking all that is in memory apart: to do so would copy
    what this process still shares with the one that has forked it. Returns where an interpreter
    would have more to say of the end."""
    if not isinstance(code, int | None):
        return
    threading._shutdown()  # type: ignore[attr-defined]  # an interpreter's own way
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    main()
