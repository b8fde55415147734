"""What is recorded late on PostgreSQL while somebody plans."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from sqlalchemy import select

from runner.ledger import schema
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import orphans
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import outcomes, queue
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.plan import Change, Entry, PlannedMessage
from runner.message.status import MessageStatus
from tests.support import (
    LANE,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

PEOPLE = (7, 6, 5)  # by recipient in another order than by number


def test_neither_waits_for_the_other_for_ever(new_database: str) -> None:
    ended: list[str] = []

    def late(ledger: Ledger) -> None:
        proofs = [Result(id, 1, Evidence.NOT_WRITTEN, 60.0, reason="late") for id in (1, 2, 3)]
        ledger.write(outcomes.record, proofs)
        ended.append("late")

    def plan(ledger: Ledger, row: CampaignRow) -> None:
        known = [PlannedMessage(2, recipient(each), SENDER, "Hi", {}) for each in PEOPLE]
        with ledger.writing() as connection:
            writer = PlanWriter(connection, row)
            writer.write([Entry(each, Change.KEPT) for each in known])
            writer.finish("another", 55.0)
        ended.append("plan")

    with ExitStack() as held:
        one, two, three = (held.enter_context(open_ledger(new_database)) for _ in range(3))
        row = make_campaign(one)
        make_queue(one, row, PEOPLE)
        run, epoch = own_lane(one)
        for due in one.read(queue.due, row.id, SENDER, 5.0, 100):
            claim_one(one, make_intent(due.id, run, epoch))
        one.write(orphans.recover_orphaned, LANE, 50.0)
        threads = [
            threading.Thread(target=late, args=(one,)),
            threading.Thread(target=plan, args=(two, row)),
        ]
        with three.writing() as connection:  # both come to this one in the middle
            connection.execute(
                select(schema.message).where(schema.message.c.id == 2).with_for_update()
            )
            for thread in threads:
                thread.start()
                thread.join(0.3)
        for thread in threads:
            thread.join(30.0)
        assert sorted(ended) == ["late", "plan"]
        counts = one.read(totals.counts, row.id)
        assert counts[MessageStatus.QUEUED] == 3
