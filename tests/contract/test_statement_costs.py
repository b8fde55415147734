"""What is done for each message must stay cheap, whatever SQLite makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from runner.ledger.ledger import open_ledger
from runner.ledger.messages import claims, outcomes, queue
from runner.ledger.messages.outcomes import Result
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
