"""Whether what is being sent has somebody who sends it: of one campaign among others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import select

from runner.ledger import lanes, schema
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import queue
from runner.ledger.migrations.ids import compose_ids
from runner.message.status import MessageStatus
from runner.status.status import status_of
from tests.support import SENDER, claim_one, make_campaign, make_intent, make_queue, own_lane

S = MessageStatus
ORIGIN = "https://api.example"


def sending(ledger: Ledger, name: str, team: str, person: int = 5) -> tuple[int, str]:
    """A campaign with a message that was begun: its run, and its lane."""
    row = make_campaign(ledger, name)
    make_queue(ledger, row, [person])
    ledger.write(bound_team.bind, row.id, ORIGIN, team)
    lane = team
    run, epoch = own_lane(ledger, lane)
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
    claim_one(ledger, make_intent(due.id, run, epoch, lane=lane))
    return run, lane


@contextmanager
def living(ledger: Ledger, lane: str) -> Iterator[None]:
    """While its run lives: in a file its process tells, on PostgreSQL the lock."""
    with nullcontext() if ledger.file else ledger.hold(lane, wait=False):
        yield


def doubts(ledger: Ledger, name: str) -> int:
    row = ledger.read(registry.find_campaign, name)
    assert row is not None
    return ledger.read(status_of, row, 50.0).shown_counts[S.IN_DOUBT]


def kill(ledger: Ledger, run: int) -> None:
    """Let a run's process have died."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with ledger.writing() as connection:
        values = schema.run.update().where(schema.run.c.id == run).values(pid=process.pid)
        connection.execute(values)


def test_another_teams_run_speaks_for_its_own_messages_only(ledger: Ledger) -> None:
    dead, _ = sending(ledger, "spring", "team1")
    _, lane = sending(ledger, "autumn", "team2", 6)
    kill(ledger, dead)
    with living(ledger, lane):
        assert (doubts(ledger, "spring"), doubts(ledger, "autumn")) == (1, 0)


def test_another_teams_run_that_has_ended_does_not_end_this_one(ledger: Ledger) -> None:
    _, lane = sending(ledger, "spring", "team1")
    with living(ledger, lane):
        later = ledger.write(lanes.begin_run, 9.0, "test")
        ledger.write(lanes.end_run, later, 10.0, "ended")
        assert doubts(ledger, "spring") == 0


def test_a_host_that_is_gone_owns_nothing(ledger: Ledger) -> None:
    run, _ = sending(ledger, "spring", "team1")
    with ledger.writing() as connection:
        values = schema.run.update().where(schema.run.c.id == run).values(host="gone-container")
        connection.execute(values)
    assert doubts(ledger, "spring") == 1


def test_whom_a_campaign_waits_for_is_settling_only_while_its_run_lives(ledger: Ledger) -> None:
    dead, lane = sending(ledger, "spring", "team1")
    row = make_campaign(ledger, "autumn")
    make_queue(ledger, row, [5, 6])

    def waits_for() -> list[tuple[str, int, bool]]:
        status = ledger.read(status_of, row, 50.0)
        assert status.blocked == 1
        return [(each.campaign, each.count, each.settling) for each in status.waits_for]

    with living(ledger, lane):
        assert waits_for() == [("spring", 1, True)]
    kill(ledger, dead)
    assert waits_for() == [("spring", 1, False)]
    [one] = ledger.read(status_of, row, 50.0).waits_for
    assert one.path_beside("campaigns/autumn.yaml") == "campaigns/spring.yaml"


def test_ids_of_before_are_brought_into_one_form(ledger: Ledger) -> None:
    row = make_campaign(ledger, "spring")
    make_queue(ledger, row, ["5", "Zoe\u0308", "Zo\u00eb", "Jose\u0301"])
    with ledger.writing() as connection:
        connection.execute(schema.campaign.update().values(platform="linkedin"))
        connection.execute(schema.message.update().values(platform="linkedin"))
        first = schema.message.c.recipient == "Zoe\u0308"
        connection.execute(schema.message.update().where(first).values(attempts=1))
        listed = [{"recipient": id, "added_at": 1.0} for id in ("e\u0301", "\u00e9", "a\u030a")]
        connection.execute(schema.suppression.insert(), listed)
        compose_ids(connection)
        compose_ids(connection)
        each = schema.message.c
        found = connection.execute(select(each.recipient, each.attempts, each.unplanned)).all()
        assert sorted(map(tuple, found)) == [
            ("5", 0, False),
            ("Jos\u00e9", 0, False),
            ("Zoe\u0308", 0, True),
            ("Zo\u00eb", 1, False),
        ]
        ids = connection.execute(select(schema.suppression.c.recipient)).scalars().all()
        assert sorted(ids) == ["\u00e5", "\u00e9"]
