"""The takeover of lanes from a worker that has died, by queueing them for the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from procrastinate import App
from procrastinate.exceptions import ConnectorException

from runner.clock import Clock
from runner.ledger.campaigns import submissions
from runner.ledger.ledger import Ledger
from runner.workers import engine


async def take_over(
    app: App, ledger: Ledger, clock: Clock, dead_after: float, tell: Callable[[str], None]
) -> None:
    """Queue the lanes of workers that have given no sign of life for `dead_after` seconds, and all
    that are due. Their locks ended with them; a lane's next owner fences what they still send."""
    for job in await engine.stalled_jobs(app, dead_after):
        tell(f"{job.task_kwargs['lane']}: its worker gives no sign of life")
        with contextlib.suppress(ConnectorException):  # another worker has removed it
            await engine.remove_job(app, job)
    queued = await engine.queued_lanes(app)
    for due in await asyncio.to_thread(ledger.read, submissions.due_lanes, clock.now()):
        if (due.lane, engine.queue_of(due.token_env)) not in queued:
            await engine.queue_lane(app, due.lane, due.token_env)
