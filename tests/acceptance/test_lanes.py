"""What `lanes` tells of a worker's lanes."""

from __future__ import annotations

import signal
import uuid
from typing import Any

import psycopg
from psycopg import sql

from .support import Project, people, until


def test_a_lane_at_its_end_rests_though_its_worker_lives(project: Project, postgres: str) -> None:
    name = f"ledger_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    state = "--state", url.replace("/postgres?", f"/{name}?")
    ids = people(3)
    project.write(ids)
    project.ok("db", "upgrade", *state)
    project.ok("submit", project.campaign, *state)
    worker = project.start("worker", *state)

    def lane() -> Any:
        return project.ok("lanes", "--json", *state).json[0]

    until(lambda: lane()["next_at"] is None, "the lane handed on")
    assert sorted(project.api.recipients) == ids
    assert lane()["state"] == "rests"
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait().code == 0


def test_a_worker_with_no_time_to_drive_or_to_say_that_it_lives_is_refused(
    project: Project,
) -> None:
    for name in ("--slice", "--dead-after"):
        assert "a second or more" in project.ok("worker", name, "0s", code=2).err
