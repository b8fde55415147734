"""What `lanes` tells of a worker's lanes."""

from __future__ import annotations

import signal
import time
import uuid
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from .support import LINK, Project, people, until


@pytest.mark.slow
def test_a_lane_at_its_end_hears_and_then_rests_though_its_worker_lives(
    project: Project, postgres: str
) -> None:
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

    until(lambda: lane()["state"] == "waits", "the lane handed on")
    assert sorted(project.api.recipients) == ids
    waits = datetime.fromisoformat(lane()["next_at"]).timestamp() - time.time()
    assert 500 < waits < 601  # until replies are read again

    project.api.ask("act", {"accountLinkId": LINK, "platformId": ids[0], "write": "Please stop!"})

    def has_heard() -> Any:
        with psycopg.connect(postgres.replace("/postgres?", f"/{name}?"), autocommit=True) as own:
            own.execute("UPDATE submission SET next_at = 0")  # rather than wait for ten minutes
        return project.ok("suppress", "list", "--json", *state).json

    until(has_heard, "the opt-out")
    until(lambda: lane()["state"] == "waits", "the lane handed on again")

    # Once nobody may answer any more, it rests.
    with psycopg.connect(postgres.replace("/postgres?", f"/{name}?"), autocommit=True) as own:
        own.execute("UPDATE message SET sent_at = sent_at - 15 * 86400")
        own.execute("UPDATE submission SET next_at = 0")
    until(lambda: lane()["next_at"] is None, "the lane at rest")
    assert lane()["state"] == "rests"
    told = project.ok("unsubmit", project.campaign, *state).out
    assert "no worker sends it any more: 3 sent, 0 in doubt, 0 queued" in told
    assert "no worker has it" in project.ok("unsubmit", project.campaign, *state).out
    assert project.ok("lanes", "--json", *state).json == []
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait().code == 0


def test_a_worker_with_no_time_to_drive_or_to_say_that_it_lives_is_refused(
    project: Project,
) -> None:
    for name in ("--slice", "--dead-after"):
        assert "a second or more" in project.ok("worker", name, "0s", code=2).err


@pytest.mark.slow
def test_a_team_has_one_lane_however_its_address_is_spelled(both: Project) -> None:
    """By another name of the machine, and by another version of the API."""
    both.write(people(6))
    text = both.campaign.read_text().replace("per_hour: none", "per_hour: 3", 1)
    both.campaign.write_text(text)
    other = both.campaign.with_name("autumn.yaml")
    sheet = both.sheet.with_name("autumn.csv")
    sheet.write_text("x_user_id,first_name\n" + "\n".join(f"{id},P" for id in people(6, "2111")))
    spelled = text.replace("127.0.0.1", "localhost").replace("spring.csv", "autumn.csv")
    if both.version == "v1":
        spelled = spelled.replace("version: v1", "version: v2").replace("/api/v1", "/api/v2")
    other.write_text(spelled)
    run = both.start(both.campaign)
    until(lambda: both.counts().get("sent") == 3, "the hour's three to be sent")
    assert "another run holds this team" in both.ok(other, code=6).err
    run.interrupt()
    run.wait()
    both.run(other, "--until-idle")
    assert len(both.api.recipients) == 3
