"""Campaigns that workers drive, as the ledger keeps them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import update

from runner.errors import LedgerError
from runner.ledger import lanes, locks, schema
from runner.ledger.campaigns import brakes, submissions, workers
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims
from runner.ledger.queries import lane_status
from tests.support import LANE, hand_in, make_campaign, make_intent, make_queue, own_lane

OTHER = "team2"


def test_what_is_handed_in_comes_out_whole_and_replaces_what_was_before(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    assert not ledger.read(submissions.is_submitted, row.id)
    hand_in(ledger, row, OTHER)
    hand_in(ledger, row)
    assert ledger.read(submissions.is_submitted, row.id)
    assert ledger.read(submissions.of_lane, OTHER) == []
    [found] = ledger.read(submissions.of_lane, LANE)
    assert found.row.id == row.id
    assert found[1:] == (
        LANE,
        "ACME",
        "/srv/spring.yaml",
        "senders: [a]\n",
        "2026-12-01T09:00",
        frozenset({"7", "9"}),
        5.0,
        5.0,
    )


def test_a_lane_is_due_until_it_is_put_off_and_again_when_it_is_woken(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    hand_in(ledger, row, at=5.0)
    assert ledger.read(submissions.due_lanes, 4.9) == []
    assert ledger.read(submissions.due_lanes, 5.0) == [(LANE, "ACME")]
    ledger.write(submissions.postpone, LANE, 1, 60.0, "no token")
    assert ledger.read(submissions.due_lanes, 59.0) == []
    assert ledger.read(submissions.due_lanes, 60.0) == [(LANE, "ACME")]
    [told] = ledger.read(lane_status.lane_rows)
    assert (told.next_at, told.trouble, told.campaigns) == (60.0, "no token", (row.name,))
    ledger.write(submissions.postpone, LANE, 1, None)
    assert ledger.read(submissions.due_lanes, 1e12) == []
    assert ledger.write(submissions.wake, row.id, 70.0)
    assert ledger.read(submissions.due_lanes, 70.0) == [(LANE, "ACME")]


def test_a_word_that_comes_while_a_lane_is_driven_is_not_lost(ledger: Ledger) -> None:
    row, other = make_campaign(ledger), make_campaign(ledger, "autumn")
    hand_in(ledger, row)
    hand_in(ledger, other)
    seen = ledger.read(submissions.wakes, LANE)
    ledger.write(submissions.wake, row.id, 50.0)
    ledger.write(submissions.postpone, LANE, seen, None, "nothing is due")
    [told] = ledger.read(lane_status.lane_rows)
    assert (told.next_at, told.trouble) == (50.0, "")
    ledger.write(submissions.postpone, LANE, ledger.read(submissions.wakes, LANE), None)
    assert ledger.read(submissions.due_lanes, 1e12) == []


def test_only_what_was_handed_in_can_be_woken(ledger: Ledger) -> None:
    assert not ledger.write(submissions.wake, make_campaign(ledger).id, 1.0)


def test_a_worker_is_alive_while_it_says_so_and_a_run_of_one_machine_is_no_worker(
    ledger: Ledger,
) -> None:
    assert ledger.read(workers.beat_age, LANE) is None
    run, _ = own_lane(ledger)
    assert ledger.read(workers.beat_age, LANE) is None
    ledger.write(workers.beat, run)
    age = ledger.read(workers.beat_age, LANE)
    assert age is not None
    assert -1.0 < age < 5.0
    with ledger.writing() as connection:
        late = update(schema.run).values(beat_at=schema.run.c.beat_at - 100.0)
        connection.execute(late)
    age = ledger.read(workers.beat_age, LANE)
    assert age is not None
    assert 99.0 < age < 105.0
    ledger.write(lanes.end_run, run, 9.0, "ended")
    assert ledger.read(workers.beat_age, LANE) is None


def test_who_drives_a_lane_is_told(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3])
    hand_in(ledger, row)
    [before] = ledger.read(lane_status.lane_rows)
    assert (before.host, before.driven, before.queued) == ("", False, 3)
    run, epoch = own_lane(ledger)
    ledger.write(workers.beat, run)
    ledger.write(brakes.record_driven, LANE, run, {row.id: 0})
    [told] = ledger.read(lane_status.lane_rows)
    assert told.driven
    assert told.host
    assert told.epoch == epoch
    ledger.write(brakes.record_driven, LANE, run, {})
    [after] = ledger.read(lane_status.lane_rows)
    assert not after.driven
    assert after.host == told.host


def test_one_of_many_looks_after_the_engine_in_its_turn(location: str) -> None:
    with open_ledger(location) as first, open_ledger(location) as second:
        assert first.write(workers.take_cleanup_turn, 60.0)
        assert not second.write(workers.take_cleanup_turn, 60.0)
        assert second.write(workers.take_cleanup_turn, 0.0)


def test_a_turn_is_taken_once(new_database: str) -> None:
    with open_ledger(new_database) as ledger:
        assert ledger.write(workers.take_cleanup_turn, 0.0)
        told: list[bool] = []
        start = threading.Barrier(4)

        def ask() -> None:
            with open_ledger(new_database) as own:
                start.wait(60)
                told.append(own.write(workers.take_cleanup_turn, 600.0))

        with ledger.writing() as connection:  # as if the last turn was long ago
            connection.execute(
                update(schema.meta).where(schema.meta.c.key == "tidied").values(value="1.0")
            )
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(told) == [False, False, False, True]


async def test_a_lanes_lock_keeps_others_out_until_its_session_ends(new_database: str) -> None:
    with open_ledger(new_database) as first, open_ledger(new_database) as second:
        run, _ = own_lane(first)
        first.write(workers.beat, run)
        with (
            first.hold(workers.worker_name(run), wait=False),
            second.hold("worker 2", wait=False),
        ):
            await first.commit(workers.name_session, run)
            assert await first.commit(locks.try_lock_lanes, LANE)
            assert not await second.commit(locks.try_lock_lanes, LANE)
            await first.commit(locks.release_lanes, LANE)
            assert await second.commit(locks.try_lock_lanes, LANE)
            await second.commit(locks.release_lanes, LANE)
            assert await first.commit(locks.try_lock_lanes, LANE)
            assert second.write(workers.evict, LANE, 60.0) == 0
            assert second.write(workers.evict, LANE, 0.0) == 1
            async with asyncio.timeout(30.0):  # else the lock outlives its session
                while not await second.commit(locks.try_lock_lanes, LANE):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            # Its outcomes are welcome, in another session; it begins nothing any more.
            assert not await first.commit(locks.try_lock_lanes, LANE)
            with pytest.raises(LedgerError):
                await first.commit(claims.claim, make_intent(1, run, 1))


def test_whoever_is_no_worker_is_not_evicted(new_database: str) -> None:
    with open_ledger(new_database) as ledger, open_ledger(new_database) as other:
        own_lane(ledger)
        with ledger.hold(LANE, wait=False):
            assert other.write(workers.evict, LANE, 0.0) == 0


def test_handing_in_and_waking_and_putting_off_never_wait_for_each_other(
    new_database: str,
) -> None:
    with open_ledger(new_database) as ledger:
        rows = [make_campaign(ledger, name) for name in ("spring", "summer", "autumn")]
        for row in rows:
            hand_in(ledger, row)
        failed: list[Exception] = []

        def again_and_again(act: Callable[[int], object]) -> None:
            try:
                for time in range(60):
                    act(time)
            except Exception as error:
                failed.append(error)

        acts: list[Callable[[int], object]] = [
            lambda time: hand_in(ledger, rows[time % 3]),
            lambda time: ledger.write(submissions.wake, rows[time % 3].id, 1.0),
            lambda _: ledger.write(
                submissions.postpone, LANE, ledger.read(submissions.wakes, LANE), None
            ),
        ]
        threads = [threading.Thread(target=again_and_again, args=[act]) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []


def test_who_hands_in_anew_is_heard_by_whoever_looked_before(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    hand_in(ledger, row)
    seen = ledger.read(submissions.wakes, LANE)
    hand_in(ledger, row, at=50.0)
    ledger.write(submissions.postpone, LANE, seen, None)
    assert ledger.read(submissions.due_lanes, 50.0) == [(LANE, "ACME")]


def test_a_worker_that_was_taken_over_from_puts_nothing_off(ledger: Ledger) -> None:
    hand_in(ledger, make_campaign(ledger))
    dead, _ = own_lane(ledger)
    owner, _ = own_lane(ledger)
    ledger.write(submissions.postpone, LANE, 1, 60.0, owner=owner)
    ledger.write(submissions.postpone, LANE, 1, None, owner=dead)
    assert ledger.read(submissions.due_lanes, 60.0) == [(LANE, "ACME")]
