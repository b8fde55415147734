"""The order in which a ledger's locks are taken."""

from __future__ import annotations

from runner.ledger import locks
from runner.ledger.ledger import open_ledger


def test_locks_in_another_order_are_noticed(
    new_database: str, locks_out_of_order: list[str]
) -> None:
    with open_ledger(new_database) as ledger:
        with ledger.writing() as connection:
            locks.lock_plans(connection)
            locks.lock_campaign(connection, 1)
            locks.lock_claims(connection)
            locks.lock_campaign(connection, 1)  # held already
        assert locks_out_of_order == []
        with ledger.writing() as connection:
            locks.lock_claims(connection)
            locks.lock_campaign(connection, 1)
    assert [line.partition(":")[0] for line in locks_out_of_order] == ["6 after 8", "7 after 8"]
    locks_out_of_order.clear()
