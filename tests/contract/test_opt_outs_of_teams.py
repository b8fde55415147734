"""Opt-outs of one team's messages, and campaigns that obey those of their own team alone; on SQLite
and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from runner.ledger.campaigns import bound_team, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import in_doubt
from runner.ledger.ledger import Ledger
from runner.ledger.messages import claims, decisions, outcomes, plans, queue
from runner.ledger.messages.claims import NotClaimed
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.ledger.schema import message, opt_out
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import SENDER, make_campaign, make_intent, make_queue
from tests.support import own_lane as own

ORIGIN = "https://api.example"


def campaign(
    ledger: Ledger, name: str, team: str | None, people: list[int], *, alone: bool = True
) -> CampaignRow:
    row = make_campaign(ledger, name)
    if team is not None:
        ledger.write(bound_team.bind, row.id, ORIGIN, team)
    ledger.write(registry.obey_own_opt_outs, row.id, alone=alone)
    make_queue(ledger, row, people)
    return row


def listed(ledger: Ledger, id: int, team: str = "") -> tuple[list[str], int]:
    return ledger.write(decisions.suppress_each, {str(id): ("stop", 5.0)}, team)


def teams(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as connection:
        rows = connection.execute(select(opt_out).order_by(*opt_out.c)).all()
    return [tuple(row) for row in rows]


def states(ledger: Ledger, row: CampaignRow) -> list[str]:
    with ledger.reading() as connection:
        wanted = select(message.c.status).where(message.c.campaign == row.id).order_by(message.c.id)
        return list(connection.execute(wanted).scalars())


def claim(ledger: Ledger, row: CampaignRow, at: float = 10.0) -> list[Any]:
    run, epoch = own(ledger)
    with ledger.reading() as connection:
        wanted = select(message.c.id).where(message.c.campaign == row.id).order_by(message.c.id)
        ids = connection.execute(wanted).scalars().all()
    intents = [make_intent(id, run, epoch, started_at=at, server_at=at) for id in ids]
    return ledger.write(claims.claim, intents)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("team", "alone", "goes"),
    [
        ("acme", True, False),  # its own team's
        ("other", True, True),  # another team's
        ("other", False, False),  # the default: everybody's
        (None, True, False),  # a campaign whose team is not known yet
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_claim_obeys_the_opt_outs_that_concern_its_campaign(
    ledger: Ledger, team: str | None, alone: bool, goes: bool, before: bool
) -> None:
    if before:
        listed(ledger, 1, "acme")
    row = campaign(ledger, "spring", team, [1, 2], alone=alone)
    if not before:
        listed(ledger, 1, "acme")
        assert states(ledger, row) == ["queued" if goes else "skipped", "queued"]
    due = [each.recipient.id for each in ledger.read(queue.due, row.id, SENDER, 10.0, 100)]
    assert due == (["1", "2"] if goes else ["2"])
    assert sum(each.count for each in ledger.read(queue.waiting, [row.id])) == len(due)
    assert ledger.read(plans.suppressed).keys() == {"1"}
    said = ledger.read(plans.suppressed, team if alone else None)
    assert said.keys() == (set() if goes else {"1"})
    assert claim(ledger, row) == [1 if goes else NotClaimed.MOVED, 1]


def test_an_entry_of_a_person_is_for_everybody(ledger: Ledger) -> None:
    row = campaign(ledger, "spring", "other", [1])
    assert listed(ledger, 1, "acme") == (["1"], 0)
    assert listed(ledger, 1) == (["1"], 1)  # by hand: now it concerns all
    assert teams(ledger) == []
    assert listed(ledger, 1, "acme") == ([], 0)
    assert teams(ledger) == []
    assert states(ledger, row) == ["skipped"]


def test_who_opts_out_of_two_teams_is_listed_once_for_both(ledger: Ledger) -> None:
    rows = [campaign(ledger, name, name, [1]) for name in ("acme", "other", "third")]
    assert listed(ledger, 1, "acme") == (["1"], 1)
    assert listed(ledger, 1, "acme") == ([], 0)
    assert listed(ledger, 1, "other") == ([], 1)
    assert teams(ledger) == [("1", "acme"), ("1", "other")]
    assert [states(ledger, row) for row in rows] == [["skipped"], ["skipped"], ["queued"]]
    assert [id for id, _, _ in ledger.read(totals.suppression_list)] == ["1"]
    assert ledger.write(decisions.unsuppress, ["1"]) == ["1"]
    assert teams(ledger) == []
    listed(ledger, 1, "acme")
    assert teams(ledger) == [("1", "acme")]


@pytest.mark.parametrize(("team", "status"), [("acme", "skipped"), ("other", "queued")])
def test_what_comes_back_obeys_what_concerns_it(ledger: Ledger, team: str, status: str) -> None:
    row = campaign(ledger, "spring", team, [1])
    [number] = claim(ledger, row)
    listed(ledger, 1, "acme")
    with ledger.reading() as connection:
        id = connection.execute(select(message.c.id)).scalar_one()
    [back] = ledger.write(outcomes.record, [Result(id, number, Evidence.DEFERRED, 20.0)])
    assert back.status == MessageStatus(status)


@pytest.mark.parametrize(("team", "unwanted"), [("acme", True), ("other", False)])
def test_a_doubt_knows_whether_its_person_wants_more(
    ledger: Ledger, team: str, unwanted: bool
) -> None:
    row = campaign(ledger, "spring", team, [1])
    [number] = claim(ledger, row)
    with ledger.reading() as connection:
        id = connection.execute(select(message.c.id)).scalar_one()
    ledger.write(outcomes.record, [Result(id, number, Evidence.UNKNOWN, 20.0)])
    listed(ledger, 1, "acme")
    [doubt] = ledger.read(in_doubt.in_doubt, [row.id])
    assert doubt.unwanted is unwanted
    run, epoch = own(ledger)
    again = make_intent(id, run, epoch, started_at=30.0, server_at=30.0)._replace(is_repeat=True)
    [told] = ledger.write(claims.claim, [again])
    assert told == (NotClaimed.MOVED if unwanted else 2)


@pytest.mark.parametrize(("team", "unwanted"), [("acme", True), ("other", False)])
def test_a_run_turns_back_what_it_has_claimed_only_where_that_concerns_it(
    ledger: Ledger, team: str, unwanted: bool
) -> None:
    row = campaign(ledger, "spring", team, [1])
    assert claim(ledger, row) == [1]
    listed(ledger, 1, "acme")
    assert ledger.read(totals.unwanted_among, ["1"], 20.0) == ({"1"} if unwanted else set())
    listed(ledger, 1)
    assert ledger.read(totals.unwanted_among, ["1"], 20.0) == {"1"}
