"""What every test may use: a clean environment, and ledgers on both databases."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from runner.ledger.ledger import Ledger, open_ledger
from tests import compiled_statements, postgresql, processes, temporary_files
from tests.databases import Databases, put_new_ledger

OURS = ("INBOX_API_TOKEN", "RUN_CAMPAIGN_STATE", "CI", "NO_COLOR", "COLUMNS")
GC_THRESHOLD = 10_000
"""Allocations between two collections: the program's own is ten times that."""

SLOW = Path(__file__).with_name("slow")
WAITING = ("test_workers", "test_killed_steps", "test_failover", "test_old_ledger", "test_lost")
"""Slow tests that wait for seconds of a real clock, such as until a worker is taken for dead."""

SERVER = pytest.StashKey[Path]()
IN_MEMORY = pytest.StashKey[Path | None]()

# How long an example takes is the machine's load, not the code's.
settings.register_profile("any load", parent=settings(), deadline=None)
settings.load_profile("any load")


def pytest_configure(config: pytest.Config) -> None:
    """Choose where the PostgreSQL server of this run is, before any worker of it starts."""
    compiled_statements.share()
    # A shell ignores Ctrl-C for what it runs in the background; our children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # what is collected stays: looking through it frees nothing
    if not hasattr(config, "workerinput"):
        config.stash[IN_MEMORY] = temporary_files.move_into_memory()
    if postgresql.FOLDER not in os.environ:
        config.stash[SERVER] = postgresql.choose_folder()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what the tests have written if some of them failed."""
    if session.testsfailed:
        session.config.stash[IN_MEMORY] = None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server of this run, and remove what is in memory."""
    if SERVER in config.stash:
        postgresql.remove(config.stash[SERVER])
        del os.environ[postgresql.FOLDER]
    if (folder := config.stash.get(IN_MEMORY, None)) is not None:
        temporary_files.remove(folder)


def pytest_collection_finish() -> None:
    """Collect the garbage of tests alone, not what the modules and the tests themselves are."""
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes last: what is broken shows sooner. Of that, what waits comes first: at
    the end nothing else would run meanwhile."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if SLOW not in item.path.parents:
        return 1 if item.get_closest_marker("slow") is not None else 0
    return 2 if item.path.stem.startswith(WAITING) else 3


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


@pytest.fixture(scope="session")
def databases(postgres: str) -> Databases:
    """Databases on it, which tests use one after another."""
    return Databases(postgres)


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new ledger may be made: a file, or a database of its own. For tests that have it
    opened as `ledger`, it is made in the database already."""
    is_made = "ledger" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "state.db"
        if is_made:
            put_new_ledger(path)
        yield str(path)
        return
    databases: Databases = request.getfixturevalue("databases")
    with databases.ledger() if is_made else databases.empty() as url:
        yield url


@pytest.fixture
def new_database(databases: Databases) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with databases.empty() as url:
        yield url


@pytest.fixture
def another_database(databases: Databases) -> Iterator[str]:
    """The URL of one more."""
    with databases.empty() as url:
        yield url


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    with open_ledger(location) as opened:
        yield opened
