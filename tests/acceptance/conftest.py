"""A sandbox and a project per test; at its end no file and no output may hold the token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runner.ledger.engine import upgrade
from runner.workers.setup import set_up
from tests.postgresql import new_database, own_server

from . import fleet
from .cases import CASE_TOKEN
from .fleet import Fleet
from .front import Front, in_front_of
from .support import TOKEN, Api, Project, everything_in, sandbox

StartApi = Callable[..., Api]
MakeFleet = Callable[..., Fleet]


@pytest.fixture
def start_api() -> Iterator[StartApi]:
    """Start a sandbox process with options."""
    with ExitStack() as stack:

        def start(*words: str) -> Api:
            return stack.enter_context(sandbox(*words))

        yield start


@pytest.fixture
def api(start_api: StartApi) -> Api:
    """A sandbox without limits."""
    return start_api("--per-minute", "none")


@pytest.fixture(scope="module")
def case_api() -> Iterator[Api]:
    """One sandbox for all cases of a process."""
    with sandbox("--token", CASE_TOKEN, "--per-minute", "none") as api:
        yield api


@pytest.fixture(params=["v2", "v1"])
def version(request: pytest.FixtureRequest) -> str:
    """Both versions of the API."""
    found: str = request.param
    return found


def _project(tmp_path: Path, api: Api, version: str) -> Iterator[Project]:
    folder, outputs = tmp_path / "project", tmp_path / "outputs"
    folder.mkdir()
    outputs.mkdir()
    project = Project(folder, api, version, outputs)
    yield project
    for each in project.running:
        each.process.kill()
        each.process.wait()
    for name, content in everything_in(tmp_path).items():
        assert TOKEN.encode() not in content, f"the token is in {name}"


@pytest.fixture
def both(tmp_path: Path, api: Api, version: str) -> Iterator[Project]:
    """A project, once for each version of the API."""
    yield from _project(tmp_path, api, version)


@pytest.fixture
def project(tmp_path: Path, api: Api) -> Iterator[Project]:
    """A project on v2."""
    yield from _project(tmp_path, api, "v2")


@pytest.fixture
def on_v1(tmp_path: Path, api: Api) -> Iterator[Project]:
    """A project on v1."""
    yield from _project(tmp_path, api, "v1")


@pytest.fixture
def late_api(tmp_path: Path, start_api: StartApi) -> Iterator[Project]:
    """A project on v1 with a sandbox that lists what it accepted a second later."""
    api = start_api("--per-minute", "none", "--show-after", "1.0")
    yield from _project(tmp_path, api, "v1")


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A server that a test may do anything to."""
    with own_server() as found:
        yield found


@pytest.fixture
def make_fleet(tmp_path: Path, postgres: str) -> Iterator[MakeFleet]:
    """Teams with a campaign and a sandbox each, and a new ledger that is set up for workers;
    `uri`: on which server, if not on the session's."""
    folder, outputs = tmp_path / "project", tmp_path / "outputs"
    for each in (folder, outputs):
        each.mkdir()
    with ExitStack() as stack:
        made: list[Fleet] = []

        def make(
            teams: int, people: int, *, uri: str = "", per_minute: int | None = None, **how: Any
        ) -> Fleet:
            found = stack.enter_context(fleet.teams(teams, people, per_minute))
            state = new_database(uri or postgres)
            made.append(Fleet(folder, found[0].api, "v2", outputs, state=state, teams=found))
            made[-1].write_teams(**how)
            upgrade(state)
            set_up(state)
            return made[-1]

        yield make
        for fleet_made in made:
            for running in fleet_made.running:
                running.process.kill()
                running.process.wait()
    for name, content in everything_in(tmp_path).items():
        assert b"never-to-be-seen" not in content, f"a token is in {name}"


@pytest.fixture
def front(both: Project) -> Iterator[Front]:
    """A server in front of the sandbox, by whose address the project goes."""
    with in_front_of(both.api.base) as found:
        both.address = found.base
        yield found
