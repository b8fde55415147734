"""What came of a campaign in figures, the same on both databases as counted by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from sqlalchemy import delete, insert, select, update

from runner.clock import SystemClock
from runner.ledger import schema
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger
from runner.ledger.queries import statistics
from runner.ledger.queries.exports import export_rows
from runner.message.status import MessageStatus
from runner.status.statistics import as_json, statistics_of
from tests.contract.filling import fill
from tests.support import make_campaign, make_queue

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
