"""A PostgreSQL ledger is restored from an old dump, and workers go on with it."""

from __future__ import annotations

import json
import signal
import uuid

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.clocks import Clocks, wait_until_frozen, wake
from tests.acceptance.conftest import MakeFleet
from tests.acceptance.support import Project, people, until


@pytest.mark.parametrize("how", ["run", "submit"])
def test_workers_look_up_whom_a_restored_ledger_may_have_forgotten(
    on_v1: Project, postgres: str, how: str
) -> None:
    ids, name, copy = people(4), f"ledger_{uuid.uuid4().hex}", f"copy_{uuid.uuid4().hex}"
    state = postgres.replace("postgresql://", "postgresql+psycopg://").replace(
        "/postgres?", f"/{name}?"
    )
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        on_v1.ok("db", "upgrade", "--state", state)
        on_v1.write(ids[:3])
        on_v1.ok(on_v1.campaign, "--state", state, "--limit", "1")
        server.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
        on_v1.write(ids)  # whom the copy does not even know
        on_v1.ok(on_v1.campaign, "--state", state)
        assert sorted(on_v1.api.recipients) == ids
        server.execute(f"DROP DATABASE {name}")
        server.execute(f"ALTER DATABASE {copy} RENAME TO {name}")

    refused = on_v1.ok("worker", "--state", state, code=1)
    assert "is an old copy" in refused.err
    on_v1.write(ids[:3])
    if how == "run":
        on_v1.ok(on_v1.campaign, "--state", state, "--accept-old-ledger", "--limit", "0")
    else:
        assert "is an old copy" in on_v1.ok("submit", on_v1.campaign, "--state", state, code=1).err
        on_v1.ok("submit", on_v1.campaign, "--state", state, "--accept-old-ledger")
    on_v1.write(ids)
    on_v1.ok("submit", on_v1.campaign, "--state", state)
    worker = on_v1.start("worker", "--state", state)
    until(lambda: _rests(on_v1, state), "it has been driven")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert sorted(on_v1.api.recipients) == ids
    status = on_v1.ok("status", on_v1.campaign, "--state", state, "--json").json
    assert (status["counts"]["sent"], status["in_doubt"]) == (4, [])


def _rests(project: Project, state: str) -> bool:
    [lane] = json.loads(project.ok("lanes", "--state", state, "--json").out)
    return bool(lane["worker"]) and lane["state"] in ("rests", "waits")


def test_a_worker_claims_nothing_after_a_copy_of_its_ledger_has_gone_further(
    make_fleet: MakeFleet, postgres: str
) -> None:
    fleet, copy = make_fleet(teams=1, people=40, concurrency=1), f"copy_{uuid.uuid4().hex}"
    [team] = fleet.teams
    fleet.submit()
    source = make_url(fleet.state).database
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {copy} TEMPLATE {source}")
    clocks = Clocks(fleet.outputs, "runner.sending.attempt:attempt")
    worker = fleet.worker(clocks.env, dead_after=60.0)
    wait_until_frozen(worker)
    campaign = fleet.file(team)
    state = fleet.state.replace(f"/{source}?", f"/{copy}?")
    fleet.ok("retry", campaign, "--state", state, "--accept-old-ledger")  # is handed in there
    wake(worker)
    done = worker.wait()
    assert done.code == 1, done.all
    assert "is an old copy" in done.err
    assert fleet.ask("select count(*) from attempt") == [(0,)]
    assert team.api.recipients == []
