"""A worker: takes lanes from the engine and drives each for a slice, on any number of hosts.

What ends a worker ends nothing else: a lane whose worker gives no sign of life is given to
another, and the ledger refuses what the first might still have done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from procrastinate import App
from procrastinate.exceptions import ConnectorException

from runner import __version__
from runner.clock import Clock
from runner.errors import LedgerError, LedgerTooNew, OldLedger, RunnerError
from runner.events import EventBus, Notice
from runner.ledger import lanes as ledger_lanes
from runner.ledger.campaigns import handover, submissions, workers
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.ledger import Ledger, open_ledger
from runner.project.ledgers.old_copies import allow_changes, keep_progress
from runner.run.metrics_source import measure_commits, measure_lanes
from runner.run.signals import call_at_signals
from runner.workers import engine
from runner.workers.lane_slice import Timing, WorkerLanes
from runner.workers.takeover import take_over

BEATS = 5
"""Signs of life of a worker in the time after which it is taken for dead."""

RECORD_WORKER_EVERY = 60.0
"""Seconds between two records of how far the ledger has come: each counts every attempt there
is."""

CLEAN_UP_EVERY = 1.0
"""Seconds between two clean-ups, by one of all workers, of lanes that are due or were left."""

FORGOTTEN_AFTER = 3600.0
"""Seconds after which the engine forgets a worker that has said nothing."""

RETRY_AFTER = 1.0
"""Seconds until a worker that lost its database tries again; doubled up to `LONGEST_RETRY`."""

LONGEST_RETRY = 30.0


class Replaced(RunnerError):
    """The ledger's workers are of another version now."""


@dataclass(slots=True)
class Worker:
    """One worker process. `slots`: how many lanes it drives at once; `grace`: seconds that what is
    under way may take once it is told to end."""

    location: str
    slots: int
    grace: float
    clock: Clock
    bus: EventBus
    environ: Mapping[str, str]
    timing: Timing
    ending: asyncio.Event
    driving: WorkerLanes | None = None
    has_served: bool = False  # what stops it later is no mistake in how it was started

    async def run(self) -> None:
        """Drive what is due until told to end. Raises RunnerError for what a person must see to
        first; a database that is away is waited for."""
        wait = RETRY_AFTER
        while not self.ending.is_set():
            began = self.clock.boot()
            try:
                await self._serve()
            except (LedgerError, ConnectorException, psycopg.Error) as error:
                if not self.has_served or isinstance(error, LedgerTooNew | OldLedger):
                    raise
                if self.clock.boot() - began > LONGEST_RETRY:
                    wait = RETRY_AFTER
                said = engine.error_text(error, self.location)
                self._tell(f"the database: {said}; trying again in {wait:.0f} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.ending.wait(), wait)
                wait = min(LONGEST_RETRY, 2 * wait)

    async def _serve(self) -> None:
        """Serve with one connection to the ledger, for as long as that is good."""
        with open_ledger(self.location, worker=True) as ledger:
            measure_commits(ledger, self.bus.measures, self.clock)
            refuse_other_version(ledger)
            seen_ledger = allow_changes(ledger, self.environ, self.clock.now(), tell=self._tell)
            run = ledger.write(ledger_lanes.begin_run, self.clock.now(), __version__)
            ledger.write(workers.beat, run)
            driving = WorkerLanes(
                ledger, run, self.clock, self.bus, self.environ, self.timing, self.slots
            )
            self.driving = driving
            try:
                with ledger.hold(workers.worker_name(run), wait=False):
                    await ledger.commit(workers.name_session, run)
                    self.has_served = True
                    async with measure_lanes(
                        self.bus.measures, ledger, self.clock, driving.lanes.values, submitted=True
                    ):
                        await self._work(driving, seen_ledger)
            finally:
                self.driving = None
                with contextlib.suppress(LedgerError):
                    ledger.write(ledger_lanes.end_run, run, self.clock.now(), "ended")

    async def _work(self, driving: WorkerLanes, seen_ledger: SeenLedger) -> None:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def fail(error: BaseException) -> None:
            driving.drain()
            if not failed.done():
                failed.set_exception(error)

        async def drive(lane: str) -> None:
            if lane in driving.busy:
                return  # the engine has lost sight of it; a lock of this session keeps no task out
            try:
                await asyncio.to_thread(refuse_other_version, driving.ledger)
                await driving.drive(lane)
            except (RunnerError, psycopg.Error, ConnectorException) as error:
                fail(error)
                return
            except Exception as error:  # one lane's mistake, or ours, is not to stop every team
                await driving.give_up(lane, error)
            if not driving.ending:
                await self._hand_on(app, driving, lane)

        app = engine.open_app(self.location, drive)
        async with (
            app.open_async(),
            keep_progress(seen_ledger, driving.ledger, fail, RECORD_WORKER_EVERY),
        ):
            served = asyncio.create_task(
                app.run_worker_async(
                    queues=engine.queues_of(name for name, value in self.environ.items() if value),
                    concurrency=self.slots,
                    name=f"run {driving.run}",
                    install_signal_handlers=False,
                    delete_jobs="always",
                    fetch_job_polling_interval=1.0,
                    update_heartbeat_interval=self.timing.dead_after / BEATS,
                    stalled_worker_timeout=FORGOTTEN_AFTER,
                    shutdown_graceful_timeout=self.grace,
                ),
                name="engine",
            )
            tasks = [
                asyncio.create_task(self._beat(driving), name="beat"),
                asyncio.create_task(self._clean_up(app, driving), name="clean up"),
            ]
            told = asyncio.create_task(self.ending.wait(), name="told to end")
            try:
                first: list[asyncio.Future[Any]] = [served, failed, told, *tasks]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                driving.drain()
                served.cancel()  # gracefully: what is under way ends, and nothing is begun
                await asyncio.wait([served])
            finally:
                for task in (told, *tasks):
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
            if failed.done():
                failed.result()
            for end in ends:
                if isinstance(end, Exception):
                    raise end
            if not served.cancelled() and (error := served.exception()) is not None:
                raise error

    async def _hand_on(self, app: App, driving: WorkerLanes, lane: str) -> None:
        """Queue a lane behind the others at once, if it is still due."""
        now = self.clock.now()
        due = await asyncio.to_thread(driving.ledger.read, submissions.due_lanes, now)
        token_env = next((each.token_env for each in due if each.lane == lane), None)
        if token_env is not None:
            await engine.queue_lane(app, lane, token_env)

    async def _beat(self, driving: WorkerLanes) -> None:
        while True:
            # `lanes`, which knows of no setting of a worker's, waits for it no longer than usual.
            await asyncio.sleep(min(self.timing.dead_after, workers.STALL) / BEATS)
            await asyncio.to_thread(driving.ledger.write, workers.beat, driving.run)
            await asyncio.to_thread(refuse_other_version, driving.ledger)
            if driving.lanes:
                lanes = list(driving.lanes)
                driving.hand_on(
                    await asyncio.to_thread(driving.ledger.read, handover.awaited, lanes)
                )

    async def _clean_up(self, app: App, driving: WorkerLanes) -> None:
        """Take over from dead workers, in turn with the other workers."""
        ledger = driving.ledger
        while True:
            await asyncio.sleep(CLEAN_UP_EVERY)
            if not await asyncio.to_thread(ledger.write, workers.take_cleanup_turn, CLEAN_UP_EVERY):
                continue
            await take_over(app, ledger, self.clock, self.timing.dead_after, self._tell)

    def end(self) -> None:
        """Drain the lanes, hand them on, and end."""
        lanes = self.driving.lanes.values() if self.driving else ()
        self._tell(f"ending; {sum(lane.to_finish for lane in lanes)} under way are finished")
        self.ending.set()

    def report_engine_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell an error of the engine beside its jobs: above all, that it could not finish one that
        was given to another worker meanwhile."""
        error = context.get("exception")
        if isinstance(error, ConnectorException):
            self._tell("the engine gave a lane of this worker to another")
        else:
            loop.default_exception_handler(context)

    def _tell(self, text: str) -> None:
        self.bus.emit(Notice(self.clock.now(), text))


def refuse_other_version(ledger: Ledger) -> None:
    """Raise Replaced if this ledger's workers are to be of another version, or none were set up."""
    expected = ledger.read(workers.workers_version)
    if not expected:
        raise Replaced("this ledger is not set up for workers", "run-campaign db upgrade, once")
    if expected != __version__:
        raise Replaced(
            f"this ledger's workers are of version {expected}, this program is {__version__}",
            f"install {expected}, or run-campaign db upgrade with this one and restart the others",
        )


async def work(
    location: str,
    slots: int,
    grace: float,
    clock: Clock,
    bus: EventBus,
    environ: Mapping[str, str],
    timing: Timing,
) -> None:
    """Run a worker until told to end."""
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # the ledger tells what counts
    worker = Worker(location, slots, grace, clock, bus, environ, timing, asyncio.Event())
    asyncio.get_running_loop().set_exception_handler(worker.report_engine_error)
    with call_at_signals(worker.end):
        await worker.run()
