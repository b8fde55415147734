"""What came of a campaign in figures, the same on both databases as counted by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from runner.clock import SystemClock
from runner.ledger import schema
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import feeds
from runner.ledger.queries import statistics
from runner.ledger.queries.exports import export_rows
from runner.message.status import MessageStatus
from runner.status.statistics import as_json, statistics_of
from tests.contract.filling import fill
from tests.support import LANE, ORIGIN, make_campaign, make_queue

S = MessageStatus
AWKWARD = ("country", 'a "quoted" name', "[0]", "a.b", "$", "größe", "7")


def test_every_count_is_that_of_the_export(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        fill(connection, 7)
        connection.execute(delete(schema.brake))
    row = ledger.read(registry.find_campaign, "spring")
    assert row is not None
    with ledger.reading() as connection:
        rows = list(export_rows(connection, row.id))
    by_hand = Counter((each.sender, each.status) for each in rows if each.sender)
    found = statistics_of(ledger, row, Path("gone.yaml"), SystemClock(), by=["name"], zone="UTC")

    counted = Counter(
        {(each.sender, s): n for each in found.senders for s, n in each.counts.items()}
    )
    assert counted == by_hand
    assert found.status.outlook.forecast is None  # no file: the ledger's facts alone
    assert all(bucket.allowed is None for bucket in found.series.buckets)
    in_time = Counter[MessageStatus]()
    for bucket in found.series.buckets:
        in_time.update(bucket.counts)
    assert in_time[S.SENT] == found.status.counts[S.SENT]
    [names] = found.by
    of_values = {each.value: each.counts for each in names.values}
    expected: dict[str, Counter[MessageStatus]] = {}
    for each in rows:
        cell = json.loads(each.columns).get("name", "").strip()
        expected.setdefault(cell, Counter())[each.status] += 1
    assert of_values == expected
    assert json.loads(json.dumps(as_json(found)))["total"] == len(rows)


def test_a_column_of_any_name_is_counted_by_its_frequent_values(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, list(range(1, 31)))
    message = schema.message
    with ledger.writing() as connection:
        for id in connection.execute(select(message.c.id)).scalars().all():
            cells = dict.fromkeys(AWKWARD, f" v{id % 3} ") | {"own": str(id)}
            if id > 27:
                cells = {"country": "<script>"}
            connection.execute(
                update(message).where(message.c.id == id).values(columns=json.dumps(cells))
            )
        skipped = {"campaign": row.id, "row": 99, "reason": "no_id", "detail": "", "columns": "{}"}
        connection.execute(insert(schema.row_skip).values(**skipped))
    for name in AWKWARD:
        found = {
            each.value: each.counts for each in ledger.read(statistics.by_column, row.id, name, 9)
        }
        assert found.pop("<script>", {S.QUEUED: 3}) == {S.QUEUED: 3}
        assert [found[value] for value in ("v0", "v1", "v2")] == [{S.QUEUED: 9}] * 3
        assert found[""][S.SKIPPED] == 1
    [own] = statistics_of(ledger, row, None, SystemClock(), by=["own"]).by
    assert own.values[0].value == ""
    assert own.values[-1].value is None
    assert sum(own.values[-1].counts.values()) == 31 - 4 - 19  # others


def test_answers_are_counted_by_people_for_each_sender_and_value(ledger: Ledger) -> None:
    """Of people, not messages: follow-ups, several answers and a cell that has changed since count
    nobody twice; who was not written to stands in no share."""
    row = make_campaign(ledger)
    ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
    make_queue(ledger, row, list(range(1, 8)))
    with ledger.writing() as connection:
        people = {
            1: ("a", "US", S.SENT),
            2: ("a", "US", S.SENT),
            3: ("a", "UK", S.SENT),
            4: ("b", "UK", S.SENT),
            5: ("b", "", S.QUEUED),
            6: ("c", "FR", S.REJECTED),
            7: ("a", "US", S.IN_DOUBT),
        }
        firsts = {
            id: _become(connection, id, sender, country, status)
            for id, (sender, country, status) in people.items()
        }
        follows = {id: _follow(connection, firsts[id], "DE") for id in (1, 4)}
        for answers, id, wish, kind in (
            (firsts[1], "m1", "", "reply"),
            (firsts[1], "m2", "unsure", "reply"),
            (follows[1], "m3", "opt_out", "reply"),
            (follows[1], "m4", "opt_out", "reply"),
            (firsts[2], "m5", "opt_out", "dismissed"),
            (firsts[3], "m6", "", "unread"),
            (None, "m7", "", "open"),
        ):
            _hear(connection, answers, id, wish, kind)
        feeds.advance(connection, LANE, 7, 300.0)
    bound = ledger.read(registry.find_campaign, "spring")
    assert bound is not None

    found = statistics_of(ledger, bound, Path("gone.yaml"), SystemClock(), by=["country"])
    assert found.answers == (4, 2, 1)
    assert found.answers.rate is not None
    assert {each.sender: each.answers for each in found.senders} == {
        "a": (3, 2, 1),
        "b": (1, 0, 0),
        "c": (0, 0, 0),
    }
    [by] = found.by
    assert {each.value: each.answers for each in by.values} == {
        "US": (2, 1, 1),
        "UK": (2, 1, 0),
        "DE": (0, 0, 0),  # of follow-ups, which are messages and no people
        "FR": (0, 0, 0),
        "": (0, 0, 0),
    }
    told = as_json(found)
    assert told["senders"][1]["answers"]["reply_rate"]["share"] == 0.0
    assert told["senders"][2]["answers"]["reply_rate"] is None
    assert sum(each["answers"]["replied"] for each in told["by"][0]["values"]) == 2


def _become(
    connection: Connection, recipient: int, sender: str, country: str, status: MessageStatus
) -> int:
    of = schema.message.c.recipient == str(recipient)
    values: dict[str, Any] = {
        "sender": sender,
        "status": status,
        "columns": json.dumps({"country": country}),
    }
    if status in (S.SENT, S.IN_DOUBT):
        values |= {"sent_at": 100.0, "attempts": 1}
    connection.execute(update(schema.message).where(of).values(**values))
    id: int = connection.execute(select(schema.message.c.id).where(of)).scalar_one()
    return id


def _follow(connection: Connection, first: int, country: str) -> int:
    each = schema.message
    row = dict(connection.execute(select(each).where(each.c.id == first)).one()._mapping)
    del row["id"]
    cells = json.dumps({"country": country})
    made = insert(each).values(**row | {"step": "nudge", "previous": "1", "columns": cells})
    key = connection.execute(made).inserted_primary_key
    assert key is not None
    return int(key[0])


def _hear(connection: Connection, answers: int | None, id: str, wish: str, kind: str) -> None:
    values = {"lane": LANE, "message_id": id, "thread_id": "t", "at": 200.0, "heard_at": 300.0}
    made = insert(schema.inbound).values(**values, kind=kind, answers=answers, wish=wish)
    connection.execute(made)
