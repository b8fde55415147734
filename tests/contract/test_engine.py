"""The engine on a real PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status

from runner.workers import engine
from runner.workers.setup import set_up

LANE = "https://api.example|team1"


def test_a_lane_whose_variable_has_another_name_now_waits_for_workers_that_have_that(
    new_database: str,
) -> None:
    async def waits_in() -> list[str]:
        app = engine.open_app(new_database)
        async with app.open_async():
            for name in ("TEAM_AMCE", "TEAM_ACME", "TEAM_ACME"):
                await engine.queue_lane(app, LANE, name)
            assert await engine.queued_lanes(app) == {(LANE, "TEAM_ACME")}
            jobs = await app.job_manager.list_jobs_async(status=Status.TODO.value)
        return [job.queue for job in jobs]

    set_up(new_database)
    assert asyncio.run(waits_in()) == ["TEAM_ACME"]


def test_what_the_database_said_is_told(new_database: str) -> None:
    async def ask() -> None:
        app = engine.open_app(new_database)
        async with app.open_async():
            await engine.queue_lane(app, LANE, "TEAM_ACME")

    with pytest.raises(ConnectorException) as caught:
        asyncio.run(ask())
    assert "does not exist" in engine.error_text(caught.value, new_database)
