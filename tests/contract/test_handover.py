"""When a worker lets go of a lane, by what the database knows of the others."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from runner.ledger import lanes, locks
from runner.ledger.campaigns import handover, submissions, workers
from runner.ledger.campaigns.handover import WAITS
from runner.ledger.ledger import Ledger, open_ledger
from tests.support import hand_in, make_campaign

NOW = 1000.0
NAMES = ("first", "second", "third", "fourth")


class Worker:
    """A worker, with a session of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.run = ledger.write(lanes.begin_run, NOW, "1.0")
        ledger.write(workers.beat, self.run)

    def take(self, *names: str) -> None:
        for name in names:
            assert asyncio.run(self._take(name))

    async def _take(self, name: str) -> bool:
        return await self.ledger.commit(locks.try_lock_lanes, name)

    def lets_go_of(
        self,
        *names: str,
        seen: int | None = None,
        token_env: str = "ACME",
        at: float = NOW,
        silent: float = 60.0,
    ) -> set[str]:
        """Those of the lanes that it lets go of; `seen`: None for as often as they were woken."""
        return {
            name
            for name in names
            if self.ledger.read(
                handover.is_wanted,
                name,
                self.run,
                seen=self.ledger.read(submissions.wakes, name) if seen is None else seen,
                token_envs=[token_env],
                at=at,
                silent=silent,
            )
        }


@contextlib.contextmanager
def open_worker(location: str) -> Iterator[Worker]:
    with open_ledger(location) as ledger:
        made = Worker(ledger)
        with ledger.hold(workers.worker_name(made.run), wait=False):
            asyncio.run(ledger.commit(workers.name_session, made.run))
            yield made


@pytest.fixture
def alone(new_database: str) -> Iterator[Worker]:
    """A worker that drives four lanes."""
    with open_worker(new_database) as found:
        for name in NAMES:
            hand_in(found.ledger, make_campaign(found.ledger, f"of {name}"), name, at=NOW)
        found.take(*NAMES)
        yield found


def test_a_worker_alone_keeps_what_it_drives(alone: Worker) -> None:
    assert alone.lets_go_of(*NAMES, at=NOW + 600.0) == set()


def test_a_worker_that_joins_is_left_half_of_the_lanes(alone: Worker, new_database: str) -> None:
    with open_worker(new_database) as joined:
        given = alone.lets_go_of(*NAMES)
        assert len(given) == 2
        assert alone.lets_go_of(*NAMES, silent=-1.0) == set(), "one that gives no sign of life"
        for name in given:
            asyncio.run(alone.ledger.commit(locks.release_lanes, name))
        joined.take(*given)
        assert alone.lets_go_of(*NAMES) | joined.lets_go_of(*NAMES) == set()


def test_one_that_has_ended_is_left_nothing(alone: Worker, new_database: str) -> None:
    with open_worker(new_database) as joined:
        joined.ledger.write(lanes.end_run, joined.run, NOW, "ended")
        assert alone.lets_go_of(*NAMES) == set()


def test_a_lane_that_was_woken_is_handed_on_to_be_read_again(alone: Worker) -> None:
    seen = alone.ledger.read(submissions.wakes, "second")
    [handed] = alone.ledger.read(submissions.of_lane, "second")
    alone.ledger.write(submissions.wake, handed.row.id, NOW)
    assert alone.lets_go_of(*NAMES, seen=seen) == {"second"}


def test_a_lane_that_waits_for_a_worker_is_made_room_for(alone: Worker) -> None:
    hand_in(alone.ledger, make_campaign(alone.ledger, "fifth"), "fifth", at=NOW)
    assert alone.lets_go_of(*NAMES, at=NOW + WAITS - 0.1) == set(), "it is taken up in a moment"
    assert alone.lets_go_of(*NAMES, at=NOW + WAITS) == set(NAMES)
    others = alone.lets_go_of(*NAMES, token_env="NORTHWIND", at=NOW + WAITS)
    assert others == set(), "a worker that has not its token makes no room for it"


def test_a_lane_that_a_command_waits_for_is_found(alone: Worker, new_database: str) -> None:
    def awaited() -> list[str]:
        return alone.ledger.read(handover.awaited, NAMES)

    with open_ledger(new_database) as other:

        def wait() -> None:
            with other.hold("third", wait=True):
                pass

        waiting = threading.Thread(target=wait)
        waiting.start()
        try:
            while not (found := awaited()):
                assert waiting.is_alive()
            assert found == ["third"]
        finally:
            asyncio.run(alone.ledger.commit(locks.release_lanes, "third"))
            waiting.join()
        assert awaited() == []
