"""The engine: which worker drives which lane. Procrastinate, on the ledger's own PostgreSQL.

One job per lane: its `lock` lets one run, its `queueing_lock` lets one wait, so that no wake-up is
lost and none is kept twice. Nothing is ever scheduled here for later: a job that waits for its time
would hold up those behind it. When a lane is due is in the ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib.metadata import version
from importlib.resources import files

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.schema import SchemaManager

from runner.ledger.database.postgresql import TIMEOUTS
from runner.passwords import hide_passwords, passwords_in

TASK = "drive_lane"

TABLE = "procrastinate_jobs"
"""One of the engine's tables: it is there when they all are."""

NAME = 40
"""Characters of a variable's name that fit into the name of a queue: PostgreSQL's notifications
allow 63 for the whole."""

Drive = Callable[[str], Awaitable[None]]
"""Drives a lane for a while."""


def open_app(location: str, drive: Drive | None = None, connections: int = 4) -> App:
    """Return the engine on the ledger at a `postgresql+psycopg://` URL, not connected yet. `drive`:
    what a worker does with a lane."""
    conninfo = location.replace("postgresql+psycopg://", "postgresql://", 1)
    patience = {name: value for name, value in TIMEOUTS.items() if f"{name}=" not in conninfo}
    app = App(
        connector=PsycopgConnector(
            conninfo=conninfo, kwargs=patience, min_size=1, max_size=connections
        )
    )

    @app.task(name=TASK)
    async def drive_lane(lane: str) -> None:
        assert drive is not None
        await drive(lane)

    return app


def queue_of(token_env: str) -> str:
    """Return the queue of the lanes whose token a variable of this name holds: a worker listens to
    those of its own environment alone."""
    if len(token_env) <= NAME:
        return token_env
    return hashlib.sha256(token_env.encode()).hexdigest()[:NAME]


def queues_of(names: Iterable[str]) -> list[str]:
    """Return the queues that an environment with these variables can serve."""
    return sorted({queue_of(name) for name in names})


async def queue_lane(app: App, lane: str, token_env: str) -> None:
    """Have a lane driven by a worker that is free, if it does not wait for that already."""
    lock, queue = f"lane:{lane}", queue_of(token_env)
    defer = app.configure_task(
        TASK, lock=lock, queueing_lock=lock, queue=queue, allow_unknown=True
    ).defer_async
    with contextlib.suppress(AlreadyEnqueued):
        await defer(lane=lane)
        return
    jobs = app.job_manager
    for job in await jobs.list_jobs_async(queueing_lock=lock, status=Status.TODO.value):
        if job.id is not None and job.queue != queue:  # its variable had another name then
            await jobs.cancel_job_by_id_async(job.id, delete_job=True)
            with contextlib.suppress(AlreadyEnqueued):
                await defer(lane=lane)


async def queued_lanes(app: App) -> set[tuple[str, str]]:
    """Return the lanes that have a job, waiting or under way, and its queue."""
    found: set[tuple[str, str]] = set()
    for status in (Status.TODO, Status.DOING):
        jobs = await app.job_manager.list_jobs_async(task=TASK, status=status.value)
        found |= {(str(job.task_kwargs["lane"]), job.queue) for job in jobs}
    return found


async def stalled_jobs(app: App, seconds: float) -> Sequence[Job]:
    """Return the jobs whose worker has given no sign of life for so long."""
    return list(
        await app.job_manager.get_stalled_jobs(task_name=TASK, seconds_since_heartbeat=seconds)
    )


async def remove_job(app: App, job: Job) -> None:
    """Take a job away for good, also from a worker that wakes up with it. The engine never tries it
    again: a second try would collide with what waits."""
    await app.job_manager.finish_job(job=job, status=Status.FAILED, delete_job=True)


def whole_schema() -> str:
    """Return the SQL that makes the engine's tables where there are none."""
    return SchemaManager.get_schema()


def next_migration(made_by: str) -> tuple[str, str] | None:
    """Return the name and the SQL of the migration that follows those of `made_by`, a release or
    the last migration that was made; None when the engine's tables are up to date."""
    folder = files("procrastinate") / "sql" / "migrations"
    for name in sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql")):
        if _numbers(name) > _numbers(made_by):
            return name, (folder / name).read_text(encoding="utf-8")
    return None


def error_text(error: BaseException, location: str) -> str:
    """Return what the database at `location` said: the engine's own error only says that there is
    one."""
    said = error.__cause__ if isinstance(error, ConnectorException) else None
    told = hide_passwords(str(said or error), passwords_in(location))
    return told.strip().partition("\n")[0]


def engine_version() -> str:
    """Return the release of the engine that is installed."""
    return version("procrastinate")


def _numbers(made_by: str) -> tuple[float, ...]:
    """Return a migration's place among all: those of a release come before the release itself."""
    release, underscore, rest = made_by.partition("_")
    numbers = [float(part) for part in release.split(".")[:3] if part.isdigit()]
    return (*numbers, float(rest.partition("_")[0]) if underscore else math.inf)
