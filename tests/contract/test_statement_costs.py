"""What is done for each message must stay cheap, whatever SQLite makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, update

from runner.ledger.ledger import open_ledger
from runner.ledger.messages import claims, outcomes, queue
from runner.ledger.messages.outcomes import Result
from runner.ledger.schema import message
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import make_campaign, make_intent, make_queue, own_lane


def test_writing_a_row_makes_no_table_of_its_own(tmp_path: Path) -> None:
    # A `CHECK … IN (…)` did: it was a quarter of all the work in SQLite.
    seen: set[tuple[str, int]] = set()

    def note(_: object, __: object, sql: str, values: Any, ___: object, many: bool) -> None:
        if many:
            seen.add((sql, len(values[0])))

    with open_ledger(str(tmp_path / "state.db")) as ledger:
        with ledger.reading() as connection:
            event.listen(connection.engine, "before_cursor_execute", note)
        row = make_campaign(ledger)
        make_queue(ledger, row, [5, 6])
        run, epoch = own_lane(ledger)
        ledger.write(claims.claim, [make_intent(id, run, epoch) for id in (1, 2)])
        results = [Result(id, 1, Evidence.ACCEPTED, 20.0, message_id=f"m{id}") for id in (1, 2)]
        told = ledger.write(outcomes.record, results)
        assert [each.status for each in told] == [MessageStatus.SENT] * 2
        written = [(sql, count) for sql, count in seen if " message" in sql or " attempt" in sql]
        assert len(written) == 4, "the plan, the intents, the outcomes, the moves"
        for sql, count in written:
            assert "OpenEphemeral" not in ledger.read(_steps, sql, count), sql


def _steps(connection: Connection, sql: str, values: int) -> set[str]:
    found = connection.exec_driver_sql(f"EXPLAIN {sql}", (None,) * values)
    return {row.opcode for row in found}


def test_what_may_not_go_is_found_once_for_a_whole_queue(tmp_path: Path) -> None:
    """Message by message, each of many opt-outs would be looked at again for each of them."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, sql: str, values: Any, *___: object) -> None:
        asked.append((sql, values))

    with open_ledger(str(tmp_path / "state.db")) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [5])
        with ledger.reading() as connection:
            event.listen(connection.engine, "before_cursor_execute", note)
            queue.waiting(connection, [row.id], ["5"], "lane")
            reads, asked = asked, []
            plans = [
                [
                    step.detail
                    for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", of)
                ]
                for sql, of in reads
                if sql.startswith("SELECT")
            ]
    assert len(plans) >= 3
    assert [each for each in plans if any("CORRELATED LIST" in step for step in each)] == []


def test_a_message_costs_postgresql_the_same_however_large_the_ledger_is(
    new_database: str,
) -> None:
    """Its figures are old or none: it would take the queue to be short, and what other campaigns
    have sent, and look through all of that again for each message that is claimed."""
    ids = [*range(10_001, 10_011)]
    with open_ledger(new_database) as ledger:
        for first in range(1, 10_001, 500):
            make_queue(ledger, make_campaign(ledger, f"of {first}"), range(first, first + 500))
        with ledger.writing() as connection:
            connection.exec_driver_sql("ANALYZE message, campaign")
            connection.execute(update(message).values(status=MessageStatus.SENT, sent_at=5.0))
        row = make_campaign(ledger)
        make_queue(ledger, row, range(10_001, 20_001))
        run, epoch = own_lane(ledger)
        of_it = {"campaign": row.id, "contact_once_in": 9.0}
        intents = [make_intent(id, run, epoch, **of_it) for id in ids]
        with ledger.writing() as connection:
            before = _rows_read(connection)
            assert claims.claim(connection, intents) == [1] * 10
            assert _rows_read(connection) - before < 500
        results = [Result(id, 1, Evidence.ACCEPTED, 20.0, message_id=f"m{id}") for id in ids]
        with ledger.writing() as connection:
            before = _rows_read(connection)
            told = outcomes.record(connection, results)
            assert {each.status for each in told} == {MessageStatus.SENT}
            assert _rows_read(connection) - before < 500


def test_a_claim_looks_at_no_other_campaign_as_a_whole(new_database: str) -> None:
    """For those that wrote to the same person it would go through what each of them has sent."""
    with open_ledger(new_database) as ledger:
        rows = [make_campaign(ledger, f"campaign {number}") for number in range(20)]
        for place, row in enumerate(rows):
            make_queue(ledger, row, range(place * 500 + 1, place * 500 + 501))
        run, epoch = own_lane(ledger)
        intents = [
            make_intent(place * 500 + 1, run, epoch, campaign=row.id, contact_once_in=9.0)
            for place, row in enumerate(rows[:9])
        ]
        with ledger.writing() as connection:
            connection.exec_driver_sql("ANALYZE")
            most = message.c.id % 500 != 1
            connection.execute(
                update(message).where(most).values(status=MessageStatus.SENT, sent_at=5.0)
            )
        with ledger.writing() as connection:
            before = _rows_read(connection)
            assert claims.claim(connection, intents) == [1] * 9
            assert _rows_read(connection) - before < 500


def _rows_read(connection: Connection) -> int:
    """How many messages PostgreSQL has looked at for this session, in this transaction and those
    before it that its statistics do not have yet: they get them once a second."""
    asked = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
        " WHERE relname = 'message'"
    )
    return int(connection.exec_driver_sql(asked).scalar_one())
