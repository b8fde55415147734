"""What stops campaigns and senders, and who did it, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from runner.errors import LedgerError
from runner.ledger import Ledger, brakes, lanes, open_ledger, views
from runner.ledger.brakes import Brake, BrakeKind, Halt
from runner.message import MessageStatus
from tests.support import LANE, SENDER, make_campaign, make_old, make_queue, own_lane

K = BrakeKind


def stands(ledger: Ledger, campaign: int) -> Brake | None:
    return ledger.read(brakes.standing, [campaign]).get(campaign)


def test_a_pause_stands_until_it_is_resumed_and_all_of_it_is_kept(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger).id, make_campaign(ledger, "autumn").id
    assert ledger.write(brakes.pause, spring, 5.0, "ada") is None
    brake = stands(ledger, spring)
    assert brake is not None
    assert (brake.kind, brake.at, brake.by) == (K.PAUSED, 5.0, "ada")
    assert stands(ledger, autumn) is None
    assert ledger.write(brakes.pause, spring, 6.0, "bob") == brake  # it is Ada's
    assert stands(ledger, spring) == brake

    assert ledger.write(brakes.release, spring, 7.0, "bob") == brake
    assert stands(ledger, spring) is None
    last = ledger.read(brakes.latest, [spring, autumn])
    assert [(id, each.kind, each.by) for id, each in last.items()] == [(spring, K.RELEASED, "bob")]
    assert ledger.write(brakes.release, spring, 8.0, "bob") is None
    with ledger.reading() as connection:
        told = connection.execute(text("SELECT kind, said_by FROM brake ORDER BY id")).all()
    assert [tuple(row) for row in told] == [("paused", "ada"), ("released", "bob")]


def test_a_cancelled_campaign_has_nothing_queued_and_stays_so(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, range(1, 4))
    ledger.write(brakes.pause, row.id, 4.0, "ada")
    assert ledger.write(brakes.cancel, row.id, 5.0, "ada") == 3
    assert ledger.read(views.counts, row.id)[MessageStatus.CANCELLED] == 3
    first = stands(ledger, row.id)
    assert first is not None
    assert first.kind is K.CANCELLED
    assert ledger.write(brakes.pause, row.id, 6.0, "bob") == first  # no less than cancelled
    assert ledger.write(brakes.cancel, row.id, 7.0, "bob") == 0
    assert stands(ledger, row.id) == first


def test_a_guard_says_nothing_over_a_person(ledger: Ledger) -> None:
    campaign = make_campaign(ledger).id
    halt = Halt(5.0, "10 in a row", campaign=campaign)
    ledger.write(brakes.halt, [halt])
    brake = stands(ledger, campaign)
    assert brake is not None
    assert (brake.kind, brake.by, brake.why) == (K.GUARDED, "", "10 in a row")
    assert ledger.write(brakes.pause, campaign, 6.0, "ada") is None  # a person over a guard
    ledger.write(brakes.halt, [halt])
    brake = stands(ledger, campaign)
    assert brake is not None
    assert brake.kind is K.PAUSED


def test_a_sender_stands_still_until_its_next_run(ledger: Ledger) -> None:
    ledger.write(brakes.halt, [Halt(5.0, "offline", sender=SENDER), Halt(6.0, "x", sender="b")])
    found = ledger.read(brakes.stopped_senders, [SENDER, "c"])
    assert {id: (each.at, each.why) for id, each in found.items()} == {SENDER: (5.0, "offline")}
    ledger.write(brakes.release_senders, [SENDER, "c"], 7.0)
    assert ledger.read(brakes.stopped_senders, [SENDER, "b"]).keys() == {"b"}


def test_a_brake_is_of_a_campaign_or_of_a_sender(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="brake_of_one"), ledger.writing() as connection:
        connection.execute(text("INSERT INTO brake (kind, set_at) VALUES ('paused', 1.0)"))


def test_a_campaign_is_driven_while_the_run_that_names_it_has_not_ended(ledger: Ledger) -> None:
    spring, autumn = make_campaign(ledger).id, make_campaign(ledger, "autumn").id
    assert not ledger.read(brakes.is_driven, LANE, spring)
    run, _ = own_lane(ledger)
    ledger.write(brakes.tell_driven, LANE, run, [spring])
    assert ledger.read(brakes.is_driven, LANE, spring)
    assert not ledger.read(brakes.is_driven, LANE, autumn)
    ledger.write(lanes.end_run, run, 9.0, "exit 0")
    assert not ledger.read(brakes.is_driven, LANE, spring)


def test_a_ledger_of_the_second_schema_learns_to_brake(location: str) -> None:
    with open_ledger(location) as ledger:
        campaign = make_campaign(ledger).id
        with ledger.writing() as connection:
            make_old(connection, 2)
    with open_ledger(location) as ledger:
        ledger.write(brakes.pause, campaign, 5.0, "ada")
        assert stands(ledger, campaign) is not None
