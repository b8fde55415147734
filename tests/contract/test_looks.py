"""What a look at a ledger counts: the same by its indexes as message by message."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from runner.clock import SystemClock
from runner.ledger import schema
from runner.ledger.campaigns import audit, bound_team
from runner.ledger.doubts import orphans
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import eligibility
from runner.ledger.messages import queue as message_queue
from runner.ledger.queries import attempts, message_lists, search, totals
from runner.message.status import MessageStatus
from tests.support import (
    LANE,
    ORIGIN,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
)

S = MessageStatus


def _by_hand(ledger: Ledger, campaigns: list[int]) -> list[message_queue.SenderQueue]:
    """The queue, each message asked whether it may go."""
    each = schema.message.c
    group = each.sender, each.campaign, each.zone
    figures = func.count(), func.min(each.not_before), func.min(each.id), func.max(each.id)
    queued = each.campaign.in_(campaigns), each.status == S.QUEUED
    wanted = select(*group, *figures).where(*queued, *eligibility.may_go())
    with ledger.reading() as connection:
        rows = connection.execute(wanted.group_by(*group).order_by(*group))
        return [message_queue.SenderQueue(*row) for row in rows]


@pytest.mark.slow
def test_the_queue_is_counted_as_message_by_message(ledger: Ledger) -> None:
    luck = random.Random(5)
    ids = []
    for name in ("one", "two"):
        row = make_campaign(ledger, name)
        make_queue(ledger, row, list(range(1, 41)))
        ids.append(row.id)
    assert ledger.read(message_queue.waiting, ids) == _by_hand(ledger, ids)
    assert len(ledger.read(message_queue.waiting, ids)) == 2

    def change(**values: object) -> None:
        one = luck.randrange(1, 81)
        with ledger.writing() as connection:
            connection.execute(
                update(schema.message).where(schema.message.c.id == one).values(**values)
            )

    changes: list[dict[str, object]] = [
        {"status": S.SENDING, "attempts": 1},
        {"status": S.IN_DOUBT, "attempts": 1},
        {"status": S.SENT, "sent_at": 50.0},
        {"status": S.QUEUED},
        {"status": S.QUEUED, "unplanned": True},
        {"unplanned": False},
        {"not_before": 9.0},
        {"zone": "Asia/Tokyo"},
        {"sender": "another"},
    ]
    for turn in range(60):
        change(**luck.choice(changes))
        if turn == 30:
            with ledger.writing() as connection:
                listed = {"recipient": "7", "reason": "asked", "added_at": 1.0}
                connection.execute(schema.suppression.insert(), [listed])
        for asked in (ids, ids[:1], []):
            assert ledger.read(message_queue.waiting, asked) == _by_hand(ledger, asked), turn
        counts = ledger.read(totals.counts, ids[0])
        with ledger.reading() as connection:
            statuses = connection.execute(
                select(schema.message.c.status).where(schema.message.c.campaign == ids[0])
            ).scalars()
            assert sum(counts.values()) == 40
            told = list(statuses)
        assert counts == {status: told.count(status) for status in S}


def test_a_queue_that_is_all_for_later_says_when(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2])
    with ledger.writing() as connection:
        connection.execute(update(schema.message).values(not_before=20.0 - schema.message.c.id))
    [queue] = ledger.read(message_queue.waiting, [row.id])
    assert (queue.sender, queue.count, queue.next_at) == (SENDER, 2, 18.0)


@pytest.mark.parametrize("seed", range(8))
def test_no_look_reads_the_messages_of_a_large_ledger_one_by_one(tmp_path: Path, seed: int) -> None:
    """SQLite chooses by the words of a statement, not by what a ledger holds: a small one tells.

    Of indexes that seem as good it takes the newest; they are made in no order of ours."""
    location = str(tmp_path / "state.db")
    with open_ledger(location) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [1, 2, 3])
        with ledger.writing() as connection:
            _make_indexes_anew(connection, random.Random(seed))
        asked: list[str] = []
        with ledger.reading() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.set_trace_callback(asked.append)
            message_queue.waiting(connection, [row.id])
            totals.counts(connection, row.id)
            totals.unplanned(connection, [row.id])
            message_queue.zones(connection, row.id)
            totals.sent_between(connection, row.id, 5.0)
            message_queue.due(connection, row.id, SENDER, 5.0, 10)
            orphans.recover_orphaned(connection, "lane", 5.0)
            raw.set_trace_callback(None)
            plans = [
                line
                for words in asked
                if words.startswith("SELECT")
                for (_, _, _, line) in raw.execute(f"EXPLAIN QUERY PLAN {words}")
            ]
    by_index = {line.partition("INDEX ")[2].partition(" ")[0] for line in plans}
    assert {"message_queued", "message_open", "message_sent", "message_unplanned"} <= by_index
    whole = [
        line for line in plans if line.startswith("SCAN message") and "message_open" not in line
    ]
    assert not whole, whole
    by_status = [line for line in plans if "message_by_status" in line]
    assert all("COVERING" in line and "status=?" in line for line in by_status), by_status


@pytest.mark.parametrize("seed", range(4))
def test_no_page_that_people_look_at_reads_a_large_ledger_whole(tmp_path: Path, seed: int) -> None:
    """Each message, attempt and action is met by an index, or by its number within a bound."""
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        row = make_campaign(ledger)
        ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
        make_queue(ledger, row, [1, 2, 3])
        run, epoch = own_lane(ledger)
        for id in (1, 2, 3):
            claim_one(ledger, make_intent(id, run, epoch))
        with ledger.writing() as connection:
            _make_indexes_anew(connection, random.Random(seed))
        asked: list[str] = []
        with ledger.reading() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.set_trace_callback(asked.append)
            for status in S:
                message_lists.messages(connection, row.id, status, after="1")
                message_lists.messages(connection, row.id, status, reason="x", sender=SENDER)
            message_lists.skipped(connection, row.id, reason="x")
            message_lists.detail(connection, 1)
            attempts.recent(connection, after="9e9_1_1")
            attempts.recent(connection, row.id)
            attempts._older(connection, row.id, (9.0, 1, 1), 5, 5)
            audit.actions(connection, row.id, after="7")
            audit.actions(connection)
            search.search(connection, "x", SystemClock(), within=60.0)
            raw.set_trace_callback(None)
            plans = [
                line
                for words in asked
                if words.startswith("SELECT")
                for (_, _, _, line) in raw.execute(f"EXPLAIN QUERY PLAN {words}")
            ]
    tables = ("message", "attempt", "row_skip", "action")
    whole = [line for line in plans if line.startswith(tuple(f"SCAN {each}" for each in tables))]
    by_number = "SCAN action"  # the newest first, up to a limit
    assert all(line == by_number for line in whole), whole
    assert {line for line in plans if "message_sent" in line}
    sorted_whole = [line for line in plans if line == "USE TEMP B-TREE FOR ORDER BY"]
    assert len(sorted_whole) <= 2, sorted_whole  # of one person: their messages, and what was done


def _make_indexes_anew(connection: Connection, rng: random.Random) -> None:
    made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    indexes = list(connection.exec_driver_sql(f"{made} ORDER BY name"))
    assert len(indexes) > 10
    rng.shuffle(indexes)
    for name, sql in indexes:
        connection.exec_driver_sql(f"DROP INDEX {name}")
        connection.exec_driver_sql(sql)
