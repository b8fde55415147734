"""What every test may use: a clean environment, and ledgers on both databases."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from runner.ledger.ledger import Ledger, open_ledger
from tests import postgresql, processes

OURS = ("INBOX_API_TOKEN", "RUN_CAMPAIGN_STATE", "CI", "NO_COLOR", "COLUMNS")
SLOW = Path(__file__).with_name("slow")
SERVER = pytest.StashKey[Path]()

# How long an example takes is the machine's load, not the code's.
settings.register_profile("any load", parent=settings(), deadline=None)
settings.load_profile("any load")


def pytest_configure(config: pytest.Config) -> None:
    """Choose where the PostgreSQL server of this run is, before any worker of it starts."""
    # A shell ignores Ctrl-C for what it runs in the background; our children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if postgresql.FOLDER not in os.environ:
        config.stash[SERVER] = postgresql.choose_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server of this run."""
    if SERVER in config.stash:
        postgresql.remove(config.stash[SERVER])
        del os.environ[postgresql.FOLDER]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes comes last: what is broken shows sooner."""
    items.sort(key=lambda item: SLOW in item.path.parents)


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
def postgres() -> str:
    """The PostgreSQL server of this run; its URL, without a database."""
    return postgresql.shared_uri()


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be made: a file, or a database of its own."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return postgresql.new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def new_database(postgres: str) -> str:
    """The URL of an empty PostgreSQL database."""
    return postgresql.new_database(postgres)


@pytest.fixture
def another_database(postgres: str) -> str:
    """The URL of one more."""
    return postgresql.new_database(postgres)


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    with open_ledger(location) as opened:
        yield opened
